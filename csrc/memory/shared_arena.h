// Blocks of memory that another process reads: an allocator over a memfd that both have mapped.
//
// The memfd grows by itself, a segment at a time, and its size never shrinks; the pages of large
// blocks that nobody uses go back to the machine. A block is a 64-byte header and then data,
// aligned to 64 bytes. The first word of the header is the block's state: this side sets it to 1
// (lent) before it names the block to the reader, and the reader sets it to 0 when nothing refers
// to the block any more. So a block comes home without a message and without a lock between the
// processes: the allocator looks at the words of the blocks that it lent, oldest first, a few at
// each allocation and all of them before it grows.
//
// The reader may also name bytes of a lent block back to this side, which then reads them where
// they lie. Before it does, it adds 1 to the second word of the header. The block is free when the
// reader is done with it and all that it named was taken and let go.
//
// The file's first kReserved bytes are no blocks but flags, one byte each, that this side sets and
// the other reads (clients that have gone).
//
// Blocks are powers of two from 4 KiB to 1 MiB and whole MiB above that, all of them whole pages.
//
// Threads: thread-safe. The data of a block belongs to whoever allocated it until its place was
// told to the reader, and is not written from then on.
// Owns: the descriptor and the mappings.
// Invariants: 1. a block lies in one segment, and lent blocks do not overlap;
//             2. memory is there before it is handed out: no later access can fail for lack of it,
//                and nothing can cut the file (it is sealed against shrinking);
//             3. what the reader writes decides no more than when a lent block is reused.
// Limits: `max_size` bytes of file; limits::kMaxIdleArena bytes of idle large blocks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "memory/buffer.h"

namespace tritonpy {

// Shared (hence shared_ptr) by whoever allocates and by every buffer of what was named back.
class SharedArena : public std::enable_shared_from_this<SharedArena> {
  public:
    static constexpr size_t kHeader = 64;
    static constexpr size_t kReserved = size_t{64} << 10;
    static constexpr size_t kSegmentUnit = size_t{1} << 20;
    static constexpr size_t kSmallestBlock = size_t{4} << 10;
    static constexpr size_t kClasses = 9;  // of small blocks: 4 KiB << 0 .. 8
    static_assert(kSmallestBlock << (kClasses - 1) == kSegmentUnit);

    // What allocate hands out: data of at least the size that was asked for.
    struct Block {
        uint64_t offset = 0;  // of the data in the file; what the reader is told
        std::byte* data = nullptr;
    };

    // Takes `descriptor`, an empty memfd that may be sealed, also on failure. unavailable when the
    // machine has no memory for it, internal when it is no such file.
    static Result<std::shared_ptr<SharedArena>> over(int descriptor,
                                                     size_t max_size = limits::kMaxSharedArena);
    // over() is the way.
    SharedArena(int descriptor, size_t max_size);
    ~SharedArena();
    SharedArena(const SharedArena&) = delete;
    SharedArena& operator=(const SharedArena&) = delete;

    // A lent block with room for `size` bytes of data. unavailable `Failed to increase the shared
    // memory pool size ...` when the machine, or the limit, has no room for it.
    Result<Block> allocate(size_t size);
    // Takes back a block that the reader will never hear of. REQUIRES: it was allocated here.
    void take_back(const Block& block);
    // `size` bytes at `offset` of the file, which the reader has named back. Call it once for each
    // time. internal when no lent block has these bytes.
    Result<BufferRef> named_back(uint64_t offset, uint64_t size);

    // Bytes of the file now: what a reader must have mapped to see every block allocated so far.
    uint64_t size() const;
    // Blocks that are lent as far as is known; looks at all of them.
    size_t lent_blocks();

    // Sets flag `index`. REQUIRES: index < kReserved. Does not block.
    void set_flag(size_t index, bool value);

  private:
    struct Segment {
        uint64_t begin = 0;
        uint64_t end = 0;
        uint64_t used_end = 0;  // from here on nothing was ever allocated
        std::byte* mapping = nullptr;
    };
    // A place of `size` bytes, header included.
    struct Place {
        uint64_t begin = 0;
        uint64_t size = 0;
        std::byte* at = nullptr;
        bool has_pages = true;
        uint32_t taken = 0;     // of the times that the reader named bytes of it back
        uint32_t borrowed = 0;  // of these, buffers that are still there
    };
    struct NamedBack;

    // All REQUIRE mutex_ (add_segment not in over()).
    Status add_segment(uint64_t needed);
    bool take_free(uint64_t size, Place& place);
    bool take_unused(uint64_t size, Place& place);
    void look_at_lent(size_t count);
    std::deque<Place>::iterator lent_block_of(uint64_t offset, uint64_t size);
    void put_back(const Place& place);
    void drop_idle_pages();
    Status populate(Place& place);
    Status no_room(uint64_t needed, const char* reason) const;

    const int descriptor_;
    const size_t max_size_;
    mutable std::mutex mutex_;  // guards what follows
    uint64_t size_ = 0;
    std::vector<Segment> segments_;
    std::deque<Place> lent_;                           // oldest first
    std::array<std::vector<Place>, kClasses> small_;   // free, by size class
    std::vector<Place> large_;                         // free
    uint64_t idle_bytes_ = 0;                          // of large_, with pages
    std::byte* flags_ = nullptr;  // set by over(), then constant
};

}  // namespace tritonpy
