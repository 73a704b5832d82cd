// Goal: which level a request waits at, how long, and with how many others, is what its config
// says.
// Method: tables.
#include "scheduler/queue_policy.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "base/limits.h"

namespace tritonpy {
namespace {

constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();

TEST(QueuePolicy, request_waits_at_its_priority_or_at_the_default_level) {
    struct Case {
        uint64_t levels, default_level, priority, level;
    };
    for (const Case& each : {
             Case{0, 0, 0, 0}, Case{0, 0, 5, 0}, Case{0, 0, kHuge, 0},
             Case{1, 1, 0, 1}, Case{1, 1, 1, 1}, Case{1, 1, 2, 1},
             Case{3, 2, 0, 2}, Case{3, 2, 1, 1}, Case{3, 2, 3, 3}, Case{3, 2, 4, 2},
             Case{3, 2, kHuge, 2},
             Case{kHuge, 7, 0, 7}, Case{kHuge, 7, kHuge, kHuge},
             Case{uint64_t{1} << 40, 1, (uint64_t{1} << 40) + 1, 1},
         }) {
        QueuePolicies policies;
        policies.priority_levels = each.levels;
        policies.default_priority_level = each.default_level;
        EXPECT_EQ(policies.level_of(each.priority), each.level)
            << each.levels << " levels, priority " << each.priority;
    }
}

TEST(QueuePolicy, request_may_shorten_a_timeout_and_never_lengthen_or_begin_one) {
    constexpr int64_t kNow = 1'000;
    struct Case {
        int64_t default_us;
        bool may_override;
        uint64_t asked_us;
        int64_t waits_us;  // 0: for ever
    };
    for (const Case& each : {
             Case{0, false, 0, 0}, Case{0, false, 5, 0}, Case{0, true, 5, 0},
             Case{10, false, 0, 10}, Case{10, false, 5, 10}, Case{10, false, 15, 10},
             Case{10, true, 0, 10}, Case{10, true, 5, 5}, Case{10, true, 9, 9},
             Case{10, true, 10, 10}, Case{10, true, 11, 10}, Case{10, true, kHuge, 10},
         }) {
        QueuePolicy policy;
        policy.default_timeout_us = each.default_us;
        policy.allow_timeout_override = each.may_override;
        EXPECT_EQ(expiry_ns(policy, each.asked_us, kNow),
                  each.waits_us == 0 ? kNever : kNow + each.waits_us * 1000)
            << each.default_us << " us, " << each.asked_us << " us asked for";
    }
}

TEST(QueuePolicy, longest_timeout_does_not_overflow) {
    QueuePolicy policy;
    policy.default_timeout_us = std::numeric_limits<int64_t>::max();
    const int64_t now_ns = int64_t{1} << 61;
    EXPECT_GT(expiry_ns(policy, 0, now_ns), now_ns);
    EXPECT_LT(expiry_ns(policy, 0, now_ns), kNever);
}

TEST(QueuePolicy, size_is_bounded_where_the_config_gives_none_or_too_much) {
    EXPECT_EQ(queue_size_of({.max_queue_size = 0}), limits::kDefaultQueueSize);
    EXPECT_EQ(queue_size_of({.max_queue_size = 3}), 3u);
    EXPECT_EQ(queue_size_of({.max_queue_size = UINT32_MAX}), limits::kMaxQueueSize);
}

TEST(QueuePolicy, levels_without_a_policy_have_the_default_one) {
    QueuePolicies policies;
    policies.default_policy.max_queue_size = 1;
    policies.policy_of_level[4].max_queue_size = 2;
    EXPECT_EQ(policies.of_level(3).max_queue_size, 1u);
    EXPECT_EQ(policies.of_level(4).max_queue_size, 2u);
}

TEST(QueuePolicy, queue_is_plain_without_levels_and_timeouts) {
    QueuePolicies policies;
    policies.default_policy.max_queue_size = 3;
    policies.default_policy.allow_timeout_override = true;
    EXPECT_TRUE(policies.are_plain());
    policies.priority_levels = 1;
    EXPECT_TRUE(policies.are_plain());
    policies.priority_levels = 2;
    EXPECT_FALSE(policies.are_plain());
    EXPECT_FALSE(policies.have_timeouts());
    policies.priority_levels = 0;
    policies.default_policy.default_timeout_us = 1;
    EXPECT_FALSE(policies.are_plain());
    policies.default_policy.default_timeout_us = 0;
    policies.policy_of_level[1].default_timeout_us = 1;
    EXPECT_FALSE(policies.are_plain());
    EXPECT_TRUE(policies.have_timeouts());
}

}  // namespace
}  // namespace tritonpy
