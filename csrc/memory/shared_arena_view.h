// Blocks that another process allocated in a memfd (shared_arena.h), read where they lie.
//
// The file is mapped piece by piece as messages name places beyond what is mapped. The process at
// the other end may be broken or hostile: every place and size is checked against what is mapped,
// and the file is sealed against shrinking, so that the worst it can do is to send wrong bytes.
// A block is handed out as a buffer; when its last reference goes, the block's state word says so
// to its owner, who may be dead by then.
//
// Threads: thread-safe. Shared (hence shared_ptr) by whoever reads messages and by every buffer.
// Owns: the descriptor and the mappings, until the last buffer has gone.
// Invariants: 1. a mapping never goes or moves while the view lives;
//             2. the bytes of a buffer lie in one mapping.
// Limits: limits::kMaxSharedArena bytes are mapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "memory/buffer.h"

namespace tritonpy {

class SharedArenaView : public std::enable_shared_from_this<SharedArenaView> {
  public:
    // Takes `descriptor`, a memfd that may be sealed, also on failure. internal when it is none.
    static Result<std::shared_ptr<SharedArenaView>> over(int descriptor);
    // over() is the way.
    explicit SharedArenaView(int descriptor) : descriptor_(descriptor) {}
    ~SharedArenaView();
    SharedArenaView(const SharedArenaView&) = delete;
    SharedArenaView& operator=(const SharedArenaView&) = delete;

    // A block whose data begins at `offset`, as a buffer that reaches to the end of what can be
    // the block's: the caller takes of it what its message says, and checks that against the
    // buffer's size. `arena_size` is what the message said of the file. Hand out a block once per
    // message: the first buffer whose last reference goes gives the block back. internal when there
    // can be no block, or the file is not as large as was said.
    Result<BufferRef> block(uint64_t offset, uint64_t arena_size);

    // Bytes of the file that are mapped.
    uint64_t mapped_size() const;

  private:
    struct Range {
        uint64_t begin = 0;
        uint64_t end = 0;
        std::byte* mapping = nullptr;
    };

    Status map_to(uint64_t arena_size);

    const int descriptor_;
    mutable std::mutex mutex_;   // guards ranges_
    std::vector<Range> ranges_;  // ascending, without gaps, from 0
};

}  // namespace tritonpy
