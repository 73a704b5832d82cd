#include "backend/cpu_count.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace tritonpy {

namespace {

constexpr int kMaxCpus = 1 << 16;

std::optional<int64_t> positive_number(std::string_view text) {
    int64_t number = 0;
    auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (fault != std::errc() || end != text.data() + text.size() || number <= 0) {
        return std::nullopt;
    }
    return number;
}

// The quota of the control group that a container sees as its root.
std::optional<size_t> container_cpu_count() {
    std::string quota;
    std::string period;
    if (std::ifstream file("/sys/fs/cgroup/cpu.max"); file >> quota >> period) {
        return quota_cpu_count(quota, period);
    }
    std::ifstream quota_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
    std::ifstream period_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    if (quota_file >> quota && period_file >> period) {
        return quota_cpu_count(quota, period);
    }
    return std::nullopt;
}

// The cores that this thread may run on. (std::thread::hardware_concurrency looks at the machine.)
std::optional<size_t> affinity_cpu_count() {
    // The kernel refuses a set smaller than its own and does not say how large that is.
    for (int cpus = CPU_SETSIZE; cpus <= kMaxCpus; cpus *= 2) {
        std::vector<cpu_set_t> sets(CPU_ALLOC_SIZE(cpus) / sizeof(cpu_set_t));
        size_t size = sets.size() * sizeof(cpu_set_t);
        if (sched_getaffinity(0, size, sets.data()) == 0) {
            return static_cast<size_t>(CPU_COUNT_S(size, sets.data()));
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<size_t> quota_cpu_count(std::string_view quota_us, std::string_view period_us) {
    std::optional<int64_t> quota = positive_number(quota_us);
    std::optional<int64_t> period = positive_number(period_us);
    if (!quota || !period) {
        return std::nullopt;
    }
    return static_cast<size_t>(*quota / *period + (*quota % *period != 0 ? 1 : 0));
}

size_t usable_cpu_count() {
    size_t by_affinity =
        affinity_cpu_count().value_or(std::max(1u, std::thread::hardware_concurrency()));
    return std::min(by_affinity, container_cpu_count().value_or(by_affinity));
}

}  // namespace tritonpy
