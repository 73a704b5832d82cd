#include "memory/shared_arena.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "base/check.h"

namespace tritonpy {

namespace {

constexpr uint32_t kFree = 0;
constexpr uint32_t kLent = 1;
// Lent blocks that an allocation looks at, so that it costs the same however many there are.
constexpr size_t kLooks = 4;

uint64_t rounded_up(uint64_t size, uint64_t unit) { return (size + unit - 1) / unit * unit; }

// Bytes of the block for `size` bytes, header included. REQUIRES: the size is within the limit.
uint64_t block_size(size_t size) {
    uint64_t needed = uint64_t{size} + SharedArena::kHeader;
    if (needed <= SharedArena::kSegmentUnit) {
        return std::bit_ceil(std::max<uint64_t>(needed, SharedArena::kSmallestBlock));
    }
    return rounded_up(needed, SharedArena::kSegmentUnit);
}

size_t class_of(uint64_t size) {
    return static_cast<size_t>(std::countr_zero(size) -
                               std::countr_zero(SharedArena::kSmallestBlock));
}

std::atomic_ref<uint32_t> state_of(std::byte* block) {
    return std::atomic_ref<uint32_t>(*reinterpret_cast<uint32_t*>(block));
}

// How often the reader has named bytes of the block back.
std::atomic_ref<uint32_t> namings_of(std::byte* block) {
    return std::atomic_ref<uint32_t>(*(reinterpret_cast<uint32_t*>(block) + 1));
}

}  // namespace

// Bytes of a lent block, which they keep from being used again.
struct SharedArena::NamedBack final : Buffer {
    NamedBack(std::shared_ptr<SharedArena> the_arena, uint64_t the_offset, std::byte* data,
              size_t size)
        : Buffer(data, size, &NamedBack::release, nullptr),
          arena(std::move(the_arena)),
          offset(the_offset) {}

    static void release(Buffer& buffer) {
        std::unique_ptr<NamedBack> freed(static_cast<NamedBack*>(&buffer));
        std::lock_guard lock(freed->arena->mutex_);
        --freed->arena->lent_block_of(freed->offset, freed->size())->borrowed;
    }

    const std::shared_ptr<SharedArena> arena;
    const uint64_t offset;
};

Result<std::shared_ptr<SharedArena>> SharedArena::over(int descriptor, size_t max_size) {
    auto arena = std::make_shared<SharedArena>(descriptor, max_size);
    struct stat found {};
    if (fstat(descriptor, &found) != 0 || found.st_size != 0 ||
        fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
        return internal_error("shared memory must be an empty memfd that may be sealed");
    }
    std::lock_guard lock(arena->mutex_);
    TRITONPY_RETURN_IF_ERROR(arena->add_segment(kReserved));
    arena->segments_.front().used_end = kReserved;
    arena->flags_ = arena->segments_.front().mapping;
    return arena;
}

SharedArena::SharedArena(int descriptor, size_t max_size)
    : descriptor_(descriptor), max_size_(max_size) {}

SharedArena::~SharedArena() {
    for (const Segment& segment : segments_) {
        munmap(segment.mapping, segment.end - segment.begin);
    }
    ::close(descriptor_);
}

Status SharedArena::no_room(uint64_t needed, const char* reason) const {
    return unavailable("Failed to increase the shared memory pool size of " +
                       std::to_string(size_) + " bytes for a block of " + std::to_string(needed) +
                       " bytes: " + reason);
}

Status SharedArena::add_segment(uint64_t needed) {
    uint64_t wanted = rounded_up(std::max({needed, uint64_t{kSegmentUnit}, size_ / 2}),
                                 kSegmentUnit);
    uint64_t least = rounded_up(needed, kSegmentUnit);
    uint64_t room = max_size_ > size_ ? max_size_ - size_ : 0;
    uint64_t length = std::min(wanted, std::max(least, room / kSegmentUnit * kSegmentUnit));
    if (length > room) {
        return no_room(needed, "that is more than it may have");
    }
    // Not ftruncate alone: a page that is missing later would be a signal, not an error.
    if (fallocate(descriptor_, 0, static_cast<off_t>(size_), static_cast<off_t>(length)) != 0) {
        return no_room(needed, std::strerror(errno));
    }
    void* mapping = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_,
                         static_cast<off_t>(size_));
    if (mapping == MAP_FAILED) {
        return no_room(needed, std::strerror(errno));
    }
    segments_.push_back({size_, size_ + length, size_, static_cast<std::byte*>(mapping)});
    size_ += length;
    return Status();
}

Result<SharedArena::Block> SharedArena::allocate(size_t size) {
    std::lock_guard lock(mutex_);
    if (size > max_size_) {
        return no_room(size, "that is more than it may have");
    }
    uint64_t needed = block_size(size);
    look_at_lent(kLooks);
    Place place;
    if (!take_free(needed, place) && !take_unused(needed, place)) {
        look_at_lent(lent_.size());
        if (!take_free(needed, place)) {
            TRITONPY_RETURN_IF_ERROR(add_segment(needed));
            TRITONPY_CHECK(take_unused(needed, place));
        }
    }
    if (Status status = populate(place); !status.ok()) {
        put_back(place);
        return status;
    }
    // Relaxed: the message that names the block publishes them.
    state_of(place.at).store(kLent, std::memory_order_relaxed);
    namings_of(place.at).store(0, std::memory_order_relaxed);
    place.taken = 0;
    lent_.push_back(place);
    return Block{place.begin + kHeader, place.at + kHeader};
}

void SharedArena::take_back(const Block& block) {
    // The next look finds it.
    state_of(block.data - kHeader).store(kFree, std::memory_order_release);
}

std::deque<SharedArena::Place>::iterator SharedArena::lent_block_of(uint64_t offset,
                                                                    uint64_t size) {
    return std::find_if(lent_.begin(), lent_.end(), [offset, size](const Place& place) {
        const uint64_t begin = place.begin + kHeader;
        const uint64_t end = place.begin + place.size;
        return offset >= begin && offset <= end && size <= end - offset;
    });
}

Result<BufferRef> SharedArena::named_back(uint64_t offset, uint64_t size) {
    std::lock_guard lock(mutex_);
    auto place = lent_block_of(offset, size);
    if (place == lent_.end()) {
        return internal_error("no lent block of shared memory has " + std::to_string(size) +
                              " bytes at byte " + std::to_string(offset));
    }
    ++place->taken;
    ++place->borrowed;
    std::byte* data = place->at + (offset - place->begin);
    return BufferRef(new NamedBack(shared_from_this(), offset, data, size));
}

// First fit: a large block is used for a smaller need only when it is not twice as large.
bool SharedArena::take_free(uint64_t size, Place& place) {
    if (size <= kSegmentUnit) {
        std::vector<Place>& places = small_[class_of(size)];
        if (places.empty()) {
            return false;
        }
        place = places.back();
        places.pop_back();
        return true;
    }
    auto found = std::find_if(large_.begin(), large_.end(), [size](const Place& candidate) {
        return candidate.size >= size && candidate.size < 2 * size;
    });
    if (found == large_.end()) {
        return false;
    }
    place = *found;
    large_.erase(found);
    idle_bytes_ -= place.has_pages ? place.size : 0;
    return true;
}

bool SharedArena::take_unused(uint64_t size, Place& place) {
    for (Segment& segment : segments_) {
        if (segment.end - segment.used_end >= size) {
            place = {segment.used_end, size,
                     segment.mapping + (segment.used_end - segment.begin), true};
            segment.used_end += size;
            return true;
        }
    }
    return false;
}

void SharedArena::look_at_lent(size_t count) {
    for (count = std::min(count, lent_.size()); count > 0; --count) {
        Place place = lent_.front();
        lent_.pop_front();
        // Acquire, partner: the reader's release, which comes after its last access and naming.
        if (state_of(place.at).load(std::memory_order_acquire) == kFree && place.borrowed == 0 &&
            namings_of(place.at).load(std::memory_order_relaxed) == place.taken) {
            put_back(place);
        } else {
            lent_.push_back(place);
        }
    }
}

void SharedArena::put_back(const Place& place) {
    if (place.size <= kSegmentUnit) {
        small_[class_of(place.size)].push_back(place);
        return;
    }
    large_.push_back(place);
    idle_bytes_ += place.has_pages ? place.size : 0;
    drop_idle_pages();
}

void SharedArena::drop_idle_pages() {
    for (Place& place : large_) {
        if (idle_bytes_ <= limits::kMaxIdleArena) {
            return;
        }
        if (place.has_pages &&
            fallocate(descriptor_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      static_cast<off_t>(place.begin), static_cast<off_t>(place.size)) == 0) {
            place.has_pages = false;
            idle_bytes_ -= place.size;
        }
    }
}

Status SharedArena::populate(Place& place) {
    if (place.has_pages) {
        return Status();
    }
    if (fallocate(descriptor_, 0, static_cast<off_t>(place.begin),
                  static_cast<off_t>(place.size)) != 0) {
        return no_room(place.size, std::strerror(errno));
    }
    place.has_pages = true;
    return Status();
}

uint64_t SharedArena::size() const {
    std::lock_guard lock(mutex_);
    return size_;
}

size_t SharedArena::lent_blocks() {
    std::lock_guard lock(mutex_);
    look_at_lent(lent_.size());
    return lent_.size();
}

void SharedArena::set_flag(size_t index, bool value) {
    TRITONPY_CHECK(index < kReserved);
    std::atomic_ref<uint8_t>(reinterpret_cast<uint8_t&>(flags_[index]))
        .store(value ? 1 : 0, std::memory_order_relaxed);
}

}  // namespace tritonpy
