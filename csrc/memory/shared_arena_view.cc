#include "memory/shared_arena_view.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "base/limits.h"
#include "memory/shared_arena.h"

namespace tritonpy {

namespace {

// A block's buffer: it keeps the mapping, and says to the block's owner when it has gone.
struct BlockBuffer final : Buffer {
    BlockBuffer(std::shared_ptr<SharedArenaView> the_view, std::byte* data, size_t size)
        : Buffer(data, size, &BlockBuffer::release, nullptr), view(std::move(the_view)) {}

    static void release(Buffer& buffer) {
        std::unique_ptr<BlockBuffer> freed(static_cast<BlockBuffer*>(&buffer));
        auto* state = reinterpret_cast<uint32_t*>(freed->data() - SharedArena::kHeader);
        // Release, partner: the owner's acquire. It writes the block again after our last look.
        std::atomic_ref<uint32_t>(*state).store(0, std::memory_order_release);
    }

    const std::shared_ptr<SharedArenaView> view;
};

}  // namespace

Result<std::shared_ptr<SharedArenaView>> SharedArenaView::over(int descriptor) {
    auto view = std::make_shared<SharedArenaView>(descriptor);
    if (fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
        return internal_error("shared memory must be a memfd that may be sealed");
    }
    return view;
}

SharedArenaView::~SharedArenaView() {
    for (const Range& range : ranges_) {
        munmap(range.mapping, range.end - range.begin);
    }
    ::close(descriptor_);
}

Status SharedArenaView::map_to(uint64_t arena_size) {
    uint64_t mapped = ranges_.empty() ? 0 : ranges_.back().end;
    if (arena_size <= mapped) {
        return Status();
    }
    struct stat found {};
    if (arena_size > limits::kMaxSharedArena || arena_size % SharedArena::kSmallestBlock != 0 ||
        fstat(descriptor_, &found) != 0 || static_cast<uint64_t>(found.st_size) < arena_size) {
        return internal_error("shared memory of " + std::to_string(found.st_size) +
                              " bytes cannot be mapped to byte " + std::to_string(arena_size));
    }
    void* mapping = mmap(nullptr, arena_size - mapped, PROT_READ | PROT_WRITE, MAP_SHARED,
                         descriptor_, static_cast<off_t>(mapped));
    if (mapping == MAP_FAILED) {
        return internal_error("unable to map shared memory to byte " +
                              std::to_string(arena_size) + ": " + std::strerror(errno));
    }
    ranges_.push_back({mapped, arena_size, static_cast<std::byte*>(mapping)});
    return Status();
}

Result<BufferRef> SharedArenaView::block(uint64_t offset, uint64_t arena_size) {
    std::lock_guard lock(mutex_);
    TRITONPY_RETURN_IF_ERROR(map_to(arena_size));
    auto range = std::find_if(ranges_.begin(), ranges_.end(), [offset](const Range& candidate) {
        return offset >= candidate.begin && offset < candidate.end;
    });
    if (range == ranges_.end() || offset % SharedArena::kHeader != 0 ||
        offset - range->begin < SharedArena::kHeader) {
        return internal_error("shared memory has no block at byte " + std::to_string(offset));
    }
    std::byte* data = range->mapping + (offset - range->begin);
    return BufferRef(new BlockBuffer(shared_from_this(), data, range->end - offset));
}

uint64_t SharedArenaView::mapped_size() const {
    std::lock_guard lock(mutex_);
    return ranges_.empty() ? 0 : ranges_.back().end;
}

}  // namespace tritonpy
