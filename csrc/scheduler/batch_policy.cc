#include "scheduler/batch_policy.h"

#include <algorithm>

#include "base/check.h"
#include "scheduler/queue_delay.h"

namespace tritonpy {
namespace {

int64_t delay_ns_of(const BatcherConfig& config) {
    if (!config.dynamic_batching) {
        return 0;
    }
    return queue_delay_ns(config.max_queue_delay_us);
}

std::vector<int64_t> preferred_of(const BatcherConfig& config) {
    if (!config.dynamic_batching) {
        return {1};
    }
    if (config.preferred_batch_sizes.empty()) {
        return {config.max_batch_size};
    }
    return config.preferred_batch_sizes;
}

}  // namespace

BatchPolicy::BatchPolicy(const BatcherConfig& config)
    : max_rows_(config.dynamic_batching ? config.max_batch_size : 1),
      delay_ns_(delay_ns_of(config)),
      preferred_(preferred_of(config)) {
    TRITONPY_CHECK(max_rows_ >= 1);
    TRITONPY_CHECK(std::is_sorted(preferred_.begin(), preferred_.end()));
}

void BatchPolicy::reset() {
    count_ = 0;
    rows_ = 0;
    best_stop_ = 0;
    send_now_ = false;
    oldest_ns_ = kEndOfTime;
}

bool BatchPolicy::offer(int64_t rows, bool compatible, int64_t queue_start_ns) {
    if (count_ > 0) {
        if (best_stop_ == 0 && rows > preferred_.back() - rows_) {
            best_stop_ = count_;
        }
        if (rows > max_rows_ - rows_ || !compatible) {
            send_now_ = true;
            return false;
        }
    }
    ++count_;
    rows_ += rows;
    oldest_ns_ = std::min(oldest_ns_, queue_start_ns);
    if (is_preferred(rows_)) {
        best_stop_ = count_;
    }
    return true;
}

BatchDecision BatchPolicy::decide(int64_t now_ns) const {
    const bool delay_passed = delay_ns_ != 0 && now_ns >= oldest_ns_ + delay_ns_;
    if (best_stop_ != 0 && !delay_passed) {
        return {.run_count = best_stop_};
    }
    if (send_now_ || rows_ >= preferred_.back() || delay_passed || delay_ns_ == 0) {
        return {.run_count = count_};
    }
    return {.wait_until_ns = oldest_ns_ + delay_ns_,
            .wait_for_rows = *std::upper_bound(preferred_.begin(), preferred_.end(), rows_)};
}

bool BatchPolicy::is_preferred(int64_t rows) const {
    return std::binary_search(preferred_.begin(), preferred_.end(), rows);
}

}  // namespace tritonpy
