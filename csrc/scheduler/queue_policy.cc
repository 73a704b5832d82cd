#include "scheduler/queue_policy.h"

#include <algorithm>

#include "base/limits.h"

namespace tritonpy {
namespace {

// Longer timeouts count as this one, about 36 years, so that start + timeout cannot overflow.
constexpr int64_t kMaxTimeoutUs = (int64_t{1} << 60) / 1000;

}  // namespace

uint64_t QueuePolicies::level_of(uint64_t priority) const {
    if (priority_levels == 0) {
        return 0;
    }
    return priority == 0 || priority > priority_levels ? default_priority_level : priority;
}

const QueuePolicy& QueuePolicies::of_level(uint64_t level) const {
    const auto own = policy_of_level.find(level);
    return own == policy_of_level.end() ? default_policy : own->second;
}

bool QueuePolicies::have_timeouts() const {
    return default_policy.default_timeout_us > 0 ||
           std::any_of(policy_of_level.begin(), policy_of_level.end(), [](const auto& own) {
               return own.second.default_timeout_us > 0;
           });
}

uint32_t queue_size_of(const QueuePolicy& policy) {
    return policy.max_queue_size == 0 ? limits::kDefaultQueueSize
                                      : std::min(policy.max_queue_size, limits::kMaxQueueSize);
}

int64_t expiry_ns(const QueuePolicy& policy, uint64_t timeout_us, int64_t now_ns) {
    if (policy.default_timeout_us <= 0) {
        return kNever;
    }
    int64_t wait_us = std::min(policy.default_timeout_us, kMaxTimeoutUs);
    if (policy.allow_timeout_override && timeout_us > 0 &&
        timeout_us < static_cast<uint64_t>(wait_us)) {
        wait_us = static_cast<int64_t>(timeout_us);
    }
    return now_ns + wait_us * 1000;
}

}  // namespace tritonpy
