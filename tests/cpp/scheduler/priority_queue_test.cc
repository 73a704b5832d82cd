// Goal: requests leave in the order of their levels, the late ones as their policy says, and a
// level's limit counts all of its own and nobody else.
// Method: requests by tag, at made-up times.
#include "scheduler/priority_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "scheduler/batcher_stepper.h"
#include "support/allocation_count.h"

namespace tritonpy {
namespace {

using Tags = std::vector<uint64_t>;
constexpr uint64_t kManyLevels = uint64_t{1} << 60;

QueuePolicies levels(uint64_t count, QueuePolicy policy = {}) {
    QueuePolicies policies;
    policies.priority_levels = count;
    policies.default_priority_level = count == 0 ? 0 : 2;
    policies.default_policy = policy;
    return policies;
}

QueuePolicy timeout_policy(int64_t timeout_us, bool delays) {
    return {.max_queue_size = 0,
            .default_timeout_us = timeout_us,
            .allow_timeout_override = true,
            .timeout_action = delays ? QueuePolicy::TimeoutAction::kDelay
                                     : QueuePolicy::TimeoutAction::kReject};
}

std::unique_ptr<InferenceRequest> with_priority(uint64_t tag, uint64_t priority,
                                                uint64_t timeout_us = 0) {
    std::unique_ptr<InferenceRequest> request = make_rows_request(1, nullptr, tag);
    request->priority = priority;
    request->timeout_us = timeout_us;
    request->cancellation = std::make_shared<Cancellation>();
    return request;
}

Tags take_all(PriorityQueue& queue) {
    Tags tags;
    while (queue.size() > 0) {
        tags.push_back(queue.take_first()->tag);
    }
    return tags;
}

TEST(PriorityQueue, lower_levels_go_first_and_equal_ones_as_they_came) {
    PriorityQueue queue(levels(kManyLevels));
    const uint64_t priorities[] = {kManyLevels, 3, 1, 0, kManyLevels + 1, 2, 1, 3};
    for (uint64_t tag = 0; tag < std::size(priorities); ++tag) {
        queue.push(with_priority(tag, priorities[tag]), 0);
    }
    EXPECT_EQ(queue.size(), 8u);
    EXPECT_EQ(take_all(queue), (Tags{2, 6, 3, 4, 5, 1, 7, 0}));
}

TEST(PriorityQueue, without_levels_priorities_mean_nothing) {
    PriorityQueue queue(levels(0));
    for (uint64_t tag = 0; tag < 3; ++tag) {
        queue.push(with_priority(tag, 9 - tag), 0);
    }
    EXPECT_EQ(take_all(queue), (Tags{0, 1, 2}));
}

TEST(PriorityQueue, limit_is_counted_per_level) {
    QueuePolicies policies = levels(3, {.max_queue_size = 2});
    policies.policy_of_level[3].max_queue_size = 1;
    PriorityQueue queue(policies);
    queue.push(with_priority(0, 1), 0);
    queue.push(with_priority(1, 1), 0);
    EXPECT_FALSE(queue.has_place(1));
    EXPECT_TRUE(queue.has_place(2));
    queue.push(with_priority(2, 0), 0);  // at the default level, 2
    queue.push(with_priority(3, 2), 0);
    EXPECT_FALSE(queue.has_place(0));
    EXPECT_FALSE(queue.has_place(77));
    queue.push(with_priority(4, 3), 0);
    EXPECT_FALSE(queue.has_place(3));
    EXPECT_EQ(queue.take_first()->tag, 0u);
    EXPECT_TRUE(queue.has_place(1));
    EXPECT_FALSE(queue.has_place(2));
}

TEST(PriorityQueue, all_levels_together_are_bounded_too) {
    PriorityQueue queue(levels(kManyLevels));
    for (uint64_t tag = 0; tag < limits::kMaxQueueSize; ++tag) {
        auto request = std::make_unique<InferenceRequest>();
        request->priority = 1 + tag;
        queue.push(std::move(request), 0);
    }
    EXPECT_FALSE(queue.has_place(1));
    queue.take_first();
    EXPECT_TRUE(queue.has_place(1));
}

TEST(PriorityQueue, late_requests_are_rejected_each_at_its_time) {
    PriorityQueue queue(levels(3, timeout_policy(100, false)));
    std::vector<DroppedRequest> dropped;
    EXPECT_EQ(queue.next_timeout_ns(), kNever);
    queue.push(with_priority(0, 1), 0);
    queue.push(with_priority(1, 3, 60), 0);   // shortened
    queue.push(with_priority(2, 2, 500), 0);  // not lengthened
    EXPECT_EQ(queue.next_timeout_ns(), 60 * kUs);
    queue.expire(60 * kUs - 1, dropped);
    EXPECT_TRUE(dropped.empty());
    queue.expire(60 * kUs, dropped);
    ASSERT_EQ(dropped.size(), 1u);
    EXPECT_EQ(dropped[0].request->tag, 1u);
    EXPECT_EQ(dropped[0].status, unavailable("Request timeout expired"));
    EXPECT_EQ(queue.next_timeout_ns(), 100 * kUs);
    EXPECT_EQ(queue.take_first()->tag, 0u);
    EXPECT_EQ(queue.next_timeout_ns(), 100 * kUs);  // of 2
    queue.expire(1'000 * kUs, dropped);
    ASSERT_EQ(dropped.size(), 2u);
    EXPECT_EQ(dropped[1].request->tag, 2u);
    EXPECT_EQ(queue.size(), 0u);
    EXPECT_EQ(queue.next_timeout_ns(), kNever);
}

TEST(PriorityQueue, delayed_requests_go_behind_their_level_and_before_the_next) {
    QueuePolicies policies = levels(3, timeout_policy(100, true));
    policies.default_policy.max_queue_size = 4;
    PriorityQueue queue(policies);
    std::vector<DroppedRequest> dropped;
    queue.push(with_priority(0, 1, 20), 0);
    queue.push(with_priority(1, 1, 10), 0);
    queue.push(with_priority(2, 1), 0);
    queue.push(with_priority(3, 2), 0);
    queue.expire(50 * kUs, dropped);
    queue.push(with_priority(4, 1), 50 * kUs);
    EXPECT_FALSE(queue.has_place(1));  // delayed ones count
    EXPECT_EQ(queue.next_timeout_ns(), 100 * kUs);
    EXPECT_TRUE(dropped.empty());
    EXPECT_EQ(take_all(queue), (Tags{2, 4, 1, 0, 3}));
    EXPECT_TRUE(queue.has_place(1));
}

TEST(PriorityQueue, delayed_request_never_times_out_again) {
    PriorityQueue queue(levels(2, timeout_policy(100, true)));
    std::vector<DroppedRequest> dropped;
    queue.push(with_priority(0, 1), 0);
    queue.expire(100 * kUs, dropped);
    EXPECT_EQ(queue.next_timeout_ns(), kNever);
    queue.expire(kNever - 1, dropped);
    EXPECT_TRUE(dropped.empty());
    EXPECT_EQ(take_all(queue), (Tags{0}));
}

TEST(PriorityQueue, cancelled_request_that_times_out_is_dropped_as_cancelled) {
    for (bool delays : {false, true}) {
        PriorityQueue queue(levels(2, timeout_policy(100, delays)));
        std::vector<DroppedRequest> dropped;
        auto request = with_priority(0, 1);
        request->cancellation->requested = true;
        queue.push(std::move(request), 0);
        queue.expire(100 * kUs, dropped);
        ASSERT_EQ(dropped.size(), 1u);
        EXPECT_EQ(dropped[0].status, cancelled(""));
        EXPECT_EQ(queue.size(), 0u);
    }
}

TEST(PriorityQueue, walk_takes_cancelled_requests_out_and_goes_on) {
    PriorityQueue queue(levels(2, timeout_policy(100, false)));
    std::vector<DroppedRequest> dropped;
    for (uint64_t tag = 0; tag < 4; ++tag) {
        queue.push(with_priority(tag, 1), 0);
    }
    Tags walked;
    for (auto place = queue.begin(); place != queue.end();) {
        const uint64_t tag = place->second.request->tag;
        if (tag % 2 == 0) {
            place = queue.drop_cancelled(place, dropped);
        } else {
            walked.push_back(tag);
            ++place;
        }
    }
    EXPECT_EQ(walked, (Tags{1, 3}));
    ASSERT_EQ(dropped.size(), 2u);
    EXPECT_EQ(dropped[1].request->tag, 2u);
    EXPECT_EQ(dropped[1].status, cancelled(""));
    queue.expire(100 * kUs, dropped);
    EXPECT_EQ(dropped.size(), 4u);
}

TEST(PriorityQueue, steady_state_allocates_nothing) {
    constexpr uint64_t kWaiting = 50;
    PriorityQueue queue(levels(kManyLevels, timeout_policy(1'000, true)));
    std::vector<DroppedRequest> dropped;
    for (uint64_t tag = 0; tag < kWaiting; ++tag) {
        queue.push(with_priority(tag, 1 + tag % 7, 1 + tag), 0);
    }
    int64_t now_ns = 0;
    const auto circulate = [&] {
        for (uint64_t i = 0; i < kWaiting; ++i) {
            now_ns += 30 * kUs;  // enough for some to be delayed
            queue.expire(now_ns, dropped);
            std::unique_ptr<InferenceRequest> request = queue.take_first();
            request->priority = 1 + (request->priority * 31 + i) % 11;
            queue.push(std::move(request), now_ns);
        }
    };
    for (int round = 0; round < 20; ++round) {
        circulate();
    }
    const uint64_t before = allocation_count.load();
    for (int round = 0; round < 200; ++round) {
        circulate();
    }
    EXPECT_EQ(allocation_count.load() - before, 0u);
}

}  // namespace
}  // namespace tritonpy
