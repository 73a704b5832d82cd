#include "memory/block_pool.h"

#include <algorithm>
#include <cstdint>
#include <new>
#include <string>
#include <utility>

#include "base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define TRITONPY_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TRITONPY_ASAN 1
#endif
#endif
#if defined(TRITONPY_ASAN)
#include <sanitizer/asan_interface.h>
#endif

namespace tritonpy {

namespace {

constexpr size_t kHeaderSize = BlockPool::kAlignment;
static_assert(sizeof(Buffer) <= kHeaderSize && alignof(Buffer) <= BlockPool::kAlignment);
static_assert(std::has_single_bit(limits::kMinBlock));
static_assert(std::has_single_bit(limits::kMaxPooledBlock));

// No object may be larger than the largest pointer difference.
constexpr size_t kMaxDataSize = PTRDIFF_MAX - kHeaderSize;

bool is_pooled(size_t size) { return size <= limits::kMaxPooledBlock; }

// REQUIRES: is_pooled(size).
size_t class_of(size_t size) {
    size_t capacity = std::bit_ceil(std::max(size, limits::kMinBlock));
    return static_cast<size_t>(std::bit_width(capacity) - std::bit_width(limits::kMinBlock));
}

size_t class_capacity(size_t class_index) { return limits::kMinBlock << class_index; }

void* allocate_block(size_t capacity) {
    return ::operator new(kHeaderSize + capacity, std::align_val_t{BlockPool::kAlignment},
                          std::nothrow);
}

std::byte* data_of(void* block) { return static_cast<std::byte*>(block) + kHeaderSize; }

// While a block is cached, AddressSanitizer reports whoever still touches its data.
void forbid_access([[maybe_unused]] void* block, [[maybe_unused]] size_t capacity) {
#if defined(TRITONPY_ASAN)
    ASAN_POISON_MEMORY_REGION(data_of(block), capacity);
#endif
}

// Lets the owner access `size` bytes; what the class has beyond stays forbidden.
void permit_access([[maybe_unused]] void* block, [[maybe_unused]] size_t size,
                   [[maybe_unused]] size_t capacity) {
#if defined(TRITONPY_ASAN)
    ASAN_UNPOISON_MEMORY_REGION(data_of(block), size);
    ASAN_POISON_MEMORY_REGION(data_of(block) + size, capacity - size);
#endif
}

void free_block(void* block, size_t capacity) {
    permit_access(block, capacity, capacity);  // the allocator's again
    ::operator delete(block, std::align_val_t{BlockPool::kAlignment});
}

}  // namespace

BlockPool::~BlockPool() {
    trim();
    TRITONPY_CHECK(live_blocks_ == 0);
}

Result<BufferRef> BlockPool::allocate(size_t size) {
    bool pooled = is_pooled(size);
    size_t capacity = pooled ? class_capacity(class_of(size)) : size;
    void* block = nullptr;
    {
        std::lock_guard lock(mutex_);
        ++live_blocks_;
        if (pooled) {
            block = pop_cached(class_of(size));
        }
    }
    if (block == nullptr && size <= kMaxDataSize) {
        block = allocate_block(capacity);
    }
    if (block == nullptr) {
        {
            std::lock_guard lock(mutex_);
            --live_blocks_;
        }
        return unavailable("failed to allocate " + std::to_string(size) + " bytes of memory");
    }
    permit_access(block, size, capacity);
    return BufferRef(new (block) Buffer(data_of(block), size, &BlockPool::recycle, this));
}

void BlockPool::recycle(Buffer& buffer) {
    auto* pool = static_cast<BlockPool*>(buffer.context());
    size_t size = buffer.size();
    buffer.~Buffer();
    void* block = &buffer;
    bool pooled = is_pooled(size);
    size_t capacity = pooled ? class_capacity(class_of(size)) : size;
    forbid_access(block, capacity);
    {
        std::lock_guard lock(pool->mutex_);
        --pool->live_blocks_;
        if (pooled && pool->cached_bytes_ + capacity <= limits::kMaxPooledBytes) {
            pool->push_cached(block, class_of(size));
            return;
        }
    }
    free_block(block, capacity);
}

void* BlockPool::pop_cached(size_t class_index) {
    FreeBlock* block = free_lists_[class_index];
    if (block != nullptr) {
        free_lists_[class_index] = block->next;
        cached_bytes_ -= class_capacity(class_index);
    }
    return block;
}

void BlockPool::push_cached(void* block, size_t class_index) {
    free_lists_[class_index] = new (block) FreeBlock{free_lists_[class_index]};
    cached_bytes_ += class_capacity(class_index);
}

size_t BlockPool::cached_bytes() const {
    std::lock_guard lock(mutex_);
    return cached_bytes_;
}

size_t BlockPool::live_blocks() const {
    std::lock_guard lock(mutex_);
    return live_blocks_;
}

void BlockPool::trim() {
    FreeLists taken{};
    {
        std::lock_guard lock(mutex_);
        std::swap(taken, free_lists_);
        cached_bytes_ = 0;
    }
    for (size_t class_index = 0; class_index < taken.size(); ++class_index) {
        while (FreeBlock* block = taken[class_index]) {
            taken[class_index] = block->next;
            free_block(block, class_capacity(class_index));
        }
    }
}

}  // namespace tritonpy
