// Small pieces of memory for one thread, close together and all freed at once.
//
// For a library that makes and drops the same few small structures over and over, and reads tables
// of them. Taken from the general allocator they cost more than what is done with them, and lie
// far apart. Here they are cut from blocks of the heap's own, and a piece that is released is kept
// for the next one of its size. Large pieces, which are few and live long, are the allocator's.
//
// Threads: confined(io). Owns: its blocks, with every piece that was cut from them; large pieces
// must have been released before it goes.
// Limits: none of its own: whoever allocates bounds what it holds.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

namespace tritonpy {

class ConfinedHeap {
  public:
    ConfinedHeap() = default;
    ConfinedHeap(const ConfinedHeap&) = delete;
    ConfinedHeap& operator=(const ConfinedHeap&) = delete;

    // Aligned to 16 bytes; null when there is no memory. Any size, 0 included.
    void* allocate(size_t size);
    // The same, filled with zeros; null also when the product is too large for a number.
    void* allocate_zeroed(size_t count, size_t size);
    // A piece with at least `size` bytes that begins with those of `piece`, which is gone then;
    // null, and `piece` is as it was, when there is no memory. `piece` may be null.
    void* grow(void* piece, size_t size);
    // Takes a piece back; null is nothing.
    void release(void* piece);

  private:
    // Sizes of pieces are multiples of a cache line, headers included.
    static constexpr size_t kStep = 64;
    static constexpr size_t kMaxPiece = 1152;
    static constexpr size_t kBlock = 8192;

    // In front of every piece.
    struct alignas(16) Header {
        size_t size;   // header included: who releases does not say it
        Header* next;  // while it is free
    };

    Header* cut(size_t size);

    std::array<Header*, kMaxPiece / kStep + 1> free_{};  // by size in steps
    std::vector<std::unique_ptr<std::byte[]>> blocks_;
    std::byte* unused_ = nullptr;  // of the last block
    size_t unused_size_ = 0;
};

}  // namespace tritonpy
