#include "memory/confined_heap.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace tritonpy {

void* ConfinedHeap::allocate(size_t size) {
    if (size > SIZE_MAX - sizeof(Header) - kStep) {
        return nullptr;
    }
    const size_t whole = (sizeof(Header) + size + kStep - 1) / kStep * kStep;
    Header* header = nullptr;
    if (whole > kMaxPiece) {
        header = static_cast<Header*>(std::malloc(whole));
    } else if (Header*& first = free_[whole / kStep]; first != nullptr) {
        header = std::exchange(first, first->next);
    } else {
        header = cut(whole);
    }
    if (header == nullptr) {
        return nullptr;
    }
    header->size = whole;
    return header + 1;
}

void* ConfinedHeap::allocate_zeroed(size_t count, size_t size) {
    size_t total = 0;
    if (__builtin_mul_overflow(count, size, &total)) {
        return nullptr;
    }
    void* piece = allocate(total);
    return piece == nullptr ? nullptr : std::memset(piece, 0, total);
}

void* ConfinedHeap::grow(void* piece, size_t size) {
    if (piece == nullptr) {
        return allocate(size);
    }
    const size_t room = (static_cast<Header*>(piece) - 1)->size - sizeof(Header);
    if (size <= room) {
        return piece;
    }
    void* larger = allocate(size);
    if (larger != nullptr) {
        std::memcpy(larger, piece, room);
        release(piece);
    }
    return larger;
}

void ConfinedHeap::release(void* piece) {
    if (piece == nullptr) {
        return;
    }
    Header* header = static_cast<Header*>(piece) - 1;
    if (header->size > kMaxPiece) {
        std::free(header);
        return;
    }
    header->next = std::exchange(free_[header->size / kStep], header);
}

// A new piece from the last block; what is left of a block that is too small stays unused.
ConfinedHeap::Header* ConfinedHeap::cut(size_t size) {
    if (unused_size_ < size) {
        std::unique_ptr<std::byte[]> block(new (std::nothrow) std::byte[kBlock]);
        if (block == nullptr) {
            return nullptr;
        }
        unused_ = block.get();
        unused_size_ = kBlock;
        blocks_.push_back(std::move(block));
    }
    auto* header = reinterpret_cast<Header*>(unused_);
    unused_ += size;
    unused_size_ -= size;
    return header;
}

}  // namespace tritonpy
