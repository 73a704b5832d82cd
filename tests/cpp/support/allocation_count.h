// How often operator new was called, where support/allocation_counter.h is part of the binary.
//
// Threads: thread-safe; the count is of all threads.
#pragma once

#include <atomic>
#include <cstdint>

namespace tritonpy {

inline std::atomic<uint64_t> allocation_count{0};  // relaxed: read by the thread that counted

}  // namespace tritonpy
