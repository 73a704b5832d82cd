// How long clients wait for the first response to a request: a histogram, and nothing at all where
// nobody asked for one.
//
// Threads: thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

namespace tritonpy {

struct FirstResponseCounts {
    std::vector<double> bounds_ms;  // empty: nothing is counted
    std::vector<uint64_t> counts;   // one for each bound, and one for what is above the last
    uint64_t ns = 0;                // all durations together
};

class FirstResponses {
  public:
    // REQUIRES: the bounds ascend.
    explicit FirstResponses(std::vector<double> bounds_ms)
        : bounds_ms_(std::move(bounds_ms)), counts_(bounds_ms_.size() + 1) {}

    bool counts_any() const { return !bounds_ms_.empty(); }
    void count(int64_t duration_ns);
    FirstResponseCounts snapshot() const;

  private:
    const std::vector<double> bounds_ms_;
    // Relaxed: counters that nothing is ordered by.
    std::vector<std::atomic<uint64_t>> counts_;
    std::atomic<uint64_t> ns_{0};
};

}  // namespace tritonpy
