// How many cores this process may really use.
//
// Affinity is not the whole answer: a container limited to two CPUs by quota sees all 64 cores of
// its host, and a runtime that starts a thread for each is throttled to a crawl.
//
// Threads: thread-safe.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace tritonpy {

// Cores by affinity and by the control group's quota, whichever is less; at least 1.
size_t usable_cpu_count();

// Whole cores, rounded up, of a quota and its period in microseconds; nothing when there is no
// limit or the texts are no numbers. The texts are those of cgroup v2's cpu.max ("200000" or "max",
// and "100000") or of v1's two files ("-1" is no limit).
std::optional<size_t> quota_cpu_count(std::string_view quota_us, std::string_view period_us);

}  // namespace tritonpy
