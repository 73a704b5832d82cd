#include "model/first_responses.h"

#include <algorithm>

namespace tritonpy {

void FirstResponses::count(int64_t duration_ns) {
    constexpr double kNsPerMs = 1e6;
    const int64_t passed_ns = std::max<int64_t>(duration_ns, 0);
    const auto bound = std::ranges::lower_bound(bounds_ms_,
                                                static_cast<double>(passed_ns) / kNsPerMs);
    counts_[static_cast<size_t>(bound - bounds_ms_.begin())].fetch_add(1,
                                                                       std::memory_order_relaxed);
    ns_.fetch_add(static_cast<uint64_t>(passed_ns), std::memory_order_relaxed);
}

FirstResponseCounts FirstResponses::snapshot() const {
    FirstResponseCounts now;
    if (!counts_any()) {
        return now;
    }
    now.bounds_ms = bounds_ms_;
    now.ns = ns_.load(std::memory_order_relaxed);
    for (const std::atomic<uint64_t>& count : counts_) {
        now.counts.push_back(count.load(std::memory_order_relaxed));
    }
    return now;
}

}  // namespace tritonpy
