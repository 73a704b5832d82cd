// Who waits where, how long and with how many others: the queue's part of `dynamic_batching`.
//
// A request waits at the level that its priority names, the lower the sooner. Each level has a
// policy: how many may wait there, and how long. A request may shorten its level's timeout where
// the policy allows that, and never lengthen it. What has waited too long is refused, or moves
// behind those of its level that have not.
//
// All of it is a function of configuration and request, so that it can be written as tables.
//
// Threads: immutable once built.
#pragma once

#include <cstdint>
#include <limits>
#include <map>

namespace tritonpy {

struct QueuePolicy {
    enum class TimeoutAction : uint8_t {
        kReject,  // unavailable `Request timeout expired`
        kDelay,   // served when nobody else of the level waits
    };
    uint32_t max_queue_size = 0;     // requests at one level; 0: the server's own bound
    int64_t default_timeout_us = 0;  // 0: for ever, whatever a request asks for
    bool allow_timeout_override = false;
    TimeoutAction timeout_action = TimeoutAction::kReject;
};

struct QueuePolicies {
    uint64_t priority_levels = 0;         // 0: priorities are not looked at
    uint64_t default_priority_level = 0;  // in [1, priority_levels] where there are any
    QueuePolicy default_policy;
    std::map<uint64_t, QueuePolicy> policy_of_level;  // of the levels that have their own

    // The level of a request: its priority, where that is one; else the default level.
    uint64_t level_of(uint64_t priority) const;
    const QueuePolicy& of_level(uint64_t level) const;
    // Whether some request may time out.
    bool have_timeouts() const;
    // First come, first served, for as long as it takes: no more than one level, no timeouts.
    bool are_plain() const { return priority_levels <= 1 && !have_timeouts(); }
};

// A time that never comes.
inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

// How many requests may wait at one level: in [1, limits::kMaxQueueSize].
uint32_t queue_size_of(const QueuePolicy& policy);

// When a request queued at `now_ns` that asked for `timeout_us` has waited too long; kNever.
int64_t expiry_ns(const QueuePolicy& policy, uint64_t timeout_us, int64_t now_ns);

}  // namespace tritonpy
