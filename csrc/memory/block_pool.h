// Blocks of host memory by size class, kept for reuse, so that steady-state inference asks the
// allocator for nothing.
//
// Size classes are powers of two from limits::kMinBlock to limits::kMaxPooledBlock; a larger block
// comes from the allocator and goes back to it. A block is one piece: its Buffer header, padded to
// 64 bytes, and then the data, so that data is aligned to 64 bytes (a cache line, and what AVX-512
// kernels want) and a buffer costs no second allocation. A cached block holds the link of its
// free list where its header was; last in is first out, so that a reused block is still in cache.
//
// Threads: thread-safe; allocate on one thread, let the last reference go on another.
// Owns: the cached blocks. Every BufferRef must be gone before the pool is (checked).
// Invariants: 1. a block is either with one Buffer or in exactly one free list;
//             2. a block in free list `c` has room for limits::kMinBlock << c bytes of data.
// Limits: at most limits::kMaxPooledBytes are cached; what exceeds that is freed.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <mutex>

#include "base/limits.h"
#include "base/result.h"
#include "memory/buffer.h"

namespace tritonpy {

class BlockPool {
  public:
    static constexpr size_t kAlignment = 64;

    BlockPool() = default;
    ~BlockPool();
    BlockPool(const BlockPool&) = delete;
    BlockPool& operator=(const BlockPool&) = delete;

    // A buffer of exactly `size` bytes (0 is legal), uninitialised. unavailable when the machine
    // has no such memory; the text names the size. Does not block beyond another caller's turn.
    Result<BufferRef> allocate(size_t size);

    // Bytes of data kept for reuse now.
    size_t cached_bytes() const;
    // Blocks that are with somebody now.
    size_t live_blocks() const;
    // Gives every cached block back to the allocator (after a model was unloaded).
    void trim();

  private:
    // What a cached block starts with instead of its header.
    struct FreeBlock {
        FreeBlock* next;
    };
    using FreeLists = std::array<FreeBlock*, std::bit_width(limits::kMaxPooledBlock) -
                                                 std::bit_width(limits::kMinBlock) + 1>;

    static void recycle(Buffer& buffer);
    // Both REQUIRE: mutex_ is held. pop_cached: null when the class has no cached block.
    void* pop_cached(size_t class_index);
    void push_cached(void* block, size_t class_index);

    mutable std::mutex mutex_;  // guards what follows; never held while calling the allocator
    FreeLists free_lists_{};
    size_t cached_bytes_ = 0;
    size_t live_blocks_ = 0;
};

}  // namespace tritonpy
