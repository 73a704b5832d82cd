// Counts every call of the process to operator new, so that a test can claim that there was none.
//
// Include it in exactly one source of a test binary: it replaces the global operators. Others read
// the count through support/allocation_count.h.
//
// Threads: thread-safe; the count is of all threads.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

#include "support/allocation_count.h"

namespace tritonpy {

inline void* count_and_allocate(size_t size, size_t alignment) noexcept {
    allocation_count.fetch_add(1, std::memory_order_relaxed);
    size_t rounded = size + alignment - 1;
    return rounded < size ? nullptr
                          : std::aligned_alloc(alignment, rounded / alignment * alignment);
}

inline void* count_and_allocate_or_throw(size_t size, size_t alignment) {
    void* block = count_and_allocate(size, alignment);
    if (block == nullptr) {
        throw std::bad_alloc();
    }
    return block;
}

inline constexpr size_t kPlainAlignment = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

}  // namespace tritonpy

// None is inlined: the compiler would take a free() in sight of operator new for a mismatch.
[[gnu::noinline]] void* operator new(size_t size) {
    return tritonpy::count_and_allocate_or_throw(size, tritonpy::kPlainAlignment);
}
[[gnu::noinline]] void* operator new(size_t size, std::align_val_t alignment) {
    return tritonpy::count_and_allocate_or_throw(size, static_cast<size_t>(alignment));
}
[[gnu::noinline]] void* operator new(size_t size, const std::nothrow_t&) noexcept {
    return tritonpy::count_and_allocate(size, tritonpy::kPlainAlignment);
}
[[gnu::noinline]] void* operator new(size_t size, std::align_val_t alignment,
                                     const std::nothrow_t&) noexcept {
    return tritonpy::count_and_allocate(size, static_cast<size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, size_t) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::align_val_t) noexcept {
    std::free(block);
}
[[gnu::noinline]] void operator delete(void* block, size_t, std::align_val_t) noexcept {
    std::free(block);
}
