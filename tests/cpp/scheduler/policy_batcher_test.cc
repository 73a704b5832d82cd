// Goal: batches form by priority, nobody runs whose time has passed, and whoever waits for either
// sleeps exactly until something happens.
// Method: try_pull and try_expire step by step at made-up times.
#include "scheduler/policy_batcher.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "scheduler/batcher_stepper.h"

namespace tritonpy {
namespace {

using Tags = std::vector<uint64_t>;

BatcherConfig with_levels(BatcherConfig config, uint64_t count) {
    config.queue.priority_levels = count;
    config.queue.default_priority_level = 2;
    return config;
}

BatcherConfig with_timeout(BatcherConfig config, int64_t timeout_us, bool delays = false) {
    config.queue.default_policy.default_timeout_us = timeout_us;
    config.queue.default_policy.allow_timeout_override = true;
    if (delays) {
        config.queue.default_policy.timeout_action = QueuePolicy::TimeoutAction::kDelay;
    }
    return config;
}

std::unique_ptr<InferenceRequest> make(Stepper& step, uint64_t tag, uint64_t priority,
                                       uint64_t timeout_us = 0, int64_t rows = 1) {
    std::unique_ptr<InferenceRequest> request = make_rows_request(rows, &step.sink, tag);
    request->priority = priority;
    request->timeout_us = timeout_us;
    request->cancellation = std::make_shared<Cancellation>();
    return request;
}

TEST(PolicyBatcher, serves_exactly_the_configs_that_have_policies) {
    SteadyClock clock;
    const auto has_policies = [&](const BatcherConfig& config) {
        return dynamic_cast<PolicyBatcher*>(make_scheduler(config, clock).get()) != nullptr;
    };
    BatcherConfig bounded = dynamic_config();
    bounded.queue.default_policy.max_queue_size = 3;
    bounded.preserve_ordering = true;
    EXPECT_FALSE(has_policies(bounded));
    EXPECT_TRUE(has_policies(with_levels(dynamic_config(), 2)));
    EXPECT_TRUE(has_policies(with_timeout(default_config(), 1)));
}

TEST(PolicyBatcher, batch_is_filled_from_the_lowest_level_up) {
    Stepper step(with_levels(dynamic_config({4}), 3));
    const uint64_t priorities[] = {3, 3, 2, 0, 1, 2};
    for (uint64_t tag = 0; tag < std::size(priorities); ++tag) {
        ASSERT_TRUE(step.enqueue(make(step, tag, priorities[tag])).ok());
    }
    EXPECT_EQ(step.scheduler->queued(), 6u);
    EXPECT_EQ(step.pull_tags(), (Tags{4, 2, 3, 5}));
    EXPECT_EQ(step.scheduler->queued(), 2u);
    EXPECT_EQ(step.pull_tags(), (Tags{0, 1}));
    EXPECT_EQ(step.pull().kind, Pull::Kind::kIdle);
}

TEST(PolicyBatcher, request_of_a_lower_level_joins_the_head_of_a_batch_that_waits) {
    Stepper step(with_levels(dynamic_config({2, 8}, 100), 3));
    ASSERT_TRUE(step.enqueue(make(step, 0, 3, 0, 3), 1'000).ok());
    EXPECT_EQ(step.pull(1'000).wait_until_ns, 1'000 + 100 * kUs);
    // Two rows in front are a preferred size of their own.
    ASSERT_TRUE(step.enqueue(make(step, 1, 1, 0, 2), 2'000).ok());
    EXPECT_EQ(step.pull_tags(2'000), (Tags{1}));
    EXPECT_EQ(step.pull_tags(1'000 + 100 * kUs), (Tags{0}));
}

TEST(PolicyBatcher, without_batching_the_lowest_level_runs_first_and_alone) {
    Stepper step(with_levels(default_config(), 3));
    for (uint64_t tag = 0; tag < 3; ++tag) {
        ASSERT_TRUE(step.enqueue(make(step, tag, 3 - tag)).ok());
    }
    EXPECT_EQ(step.pull_tags(), (Tags{2}));
    EXPECT_EQ(step.pull_tags(), (Tags{1}));
    EXPECT_EQ(step.pull_tags(), (Tags{0}));
}

TEST(PolicyBatcher, full_level_refuses_and_keeps_the_request_while_others_take_more) {
    BatcherConfig config = with_levels(dynamic_config({8}, 1'000), 3);
    config.queue.default_policy.max_queue_size = 1;
    Stepper step(config);
    ASSERT_TRUE(step.enqueue(make(step, 0, 1)).ok());
    auto refused = make(step, 1, 1);
    refused->id = "seven";
    EXPECT_EQ(step.scheduler->enqueue(refused, 5),
              unavailable("[request id: seven] Exceeds maximum queue size"));
    ASSERT_NE(refused, nullptr);
    EXPECT_EQ(refused->trace.queue_start_ns, 0);
    EXPECT_TRUE(step.enqueue(make(step, 2, 2)).ok());
    EXPECT_EQ(step.pull_tags(1'000 * kUs), (Tags{0, 2}));
    EXPECT_TRUE(step.scheduler->enqueue(refused, 5).ok());
}

TEST(PolicyBatcher, request_that_timed_out_never_runs) {
    Stepper step(with_timeout(dynamic_config(), 100));
    ASSERT_TRUE(step.enqueue(make(step, 0, 0, 50)).ok());
    ASSERT_TRUE(step.enqueue(make(step, 1, 0)).ok());
    EXPECT_EQ(step.pull_tags(50 * kUs), (Tags{1}));
    ASSERT_EQ(step.dropped.size(), 1u);
    EXPECT_EQ(step.dropped[0].request->tag, 0u);
    EXPECT_EQ(step.dropped[0].status, unavailable("Request timeout expired"));
}

TEST(PolicyBatcher, waiting_instance_asks_again_at_the_next_timeout) {
    Stepper step(with_timeout(dynamic_config({8}, 1'000), 500));
    ASSERT_TRUE(step.enqueue(make(step, 0, 0), 0).ok());
    ASSERT_TRUE(step.enqueue(make(step, 1, 0, 70), 0).ok());
    Pull pulled = step.pull(0);
    EXPECT_EQ(pulled.kind, Pull::Kind::kWait);
    EXPECT_EQ(pulled.wait_until_ns, 70 * kUs);
    pulled = step.pull(70 * kUs);
    EXPECT_EQ(pulled.kind, Pull::Kind::kWait);
    EXPECT_EQ(pulled.wait_until_ns, 500 * kUs);
    EXPECT_EQ(step.dropped.size(), 1u);
    EXPECT_EQ(step.pull(500 * kUs).kind, Pull::Kind::kIdle);
    EXPECT_EQ(step.dropped.size(), 2u);
    EXPECT_EQ(step.scheduler->queued(), 0u);
}

// The first request overrides its timeout, so the two behind it run earlier than with it.
TEST(PolicyBatcher, batch_forms_from_what_a_timeout_has_left) {
    Stepper step(with_timeout(dynamic_config({4}, 200), 300));
    ASSERT_TRUE(step.enqueue(make(step, 0, 0, 100), 0).ok());
    EXPECT_EQ(step.pull(0).kind, Pull::Kind::kWait);
    ASSERT_TRUE(step.enqueue(make(step, 1, 0), 150 * kUs).ok());
    EXPECT_EQ(step.pull(150 * kUs).wait_until_ns, 350 * kUs);
    ASSERT_TRUE(step.enqueue(make(step, 2, 0, 0, 3), 160 * kUs).ok());
    EXPECT_EQ(step.pull_tags(160 * kUs), (Tags{1, 2}));
    EXPECT_EQ(step.dropped.size(), 1u);
}

TEST(PolicyBatcher, delayed_request_runs_when_nobody_else_of_its_level_waits) {
    Stepper step(with_timeout(dynamic_config({1}), 100, true));
    for (uint64_t tag = 0; tag < 2; ++tag) {
        ASSERT_TRUE(step.enqueue(make(step, tag, 0, 10 + 90 * tag), 0).ok());
    }
    EXPECT_EQ(step.pull_tags(20 * kUs), (Tags{1}));
    ASSERT_TRUE(step.enqueue(make(step, 2, 0), 20 * kUs).ok());
    EXPECT_EQ(step.scheduler->queued(), 2u);
    EXPECT_EQ(step.pull_tags(20 * kUs), (Tags{2}));
    EXPECT_EQ(step.pull_tags(20 * kUs), (Tags{0}));
    EXPECT_TRUE(step.dropped.empty());
}

TEST(PolicyBatcher, watch_drops_what_times_out_while_nobody_pulls) {
    Stepper step(with_timeout(default_config(), 100));
    EXPECT_TRUE(step.scheduler->is_watched());
    EXPECT_EQ(step.scheduler->try_expire(0, step.dropped).kind, Pull::Kind::kIdle);
    ASSERT_TRUE(step.enqueue(make(step, 0, 0), 0).ok());
    ASSERT_TRUE(step.enqueue(make(step, 1, 0, 30), 0).ok());
    Pull watched = step.scheduler->try_expire(0, step.dropped);
    EXPECT_EQ(watched.kind, Pull::Kind::kWait);
    EXPECT_EQ(watched.wait_until_ns, 30 * kUs);
    watched = step.scheduler->try_expire(30 * kUs, step.dropped);
    EXPECT_EQ(watched.wait_until_ns, 100 * kUs);
    ASSERT_EQ(step.dropped.size(), 1u);
    EXPECT_EQ(step.dropped[0].request->tag, 1u);
    step.scheduler->stop();
    EXPECT_EQ(step.scheduler->try_expire(40 * kUs, step.dropped).kind, Pull::Kind::kWait);
    EXPECT_EQ(step.scheduler->try_expire(100 * kUs, step.dropped).kind, Pull::Kind::kStopped);
    EXPECT_EQ(step.dropped.size(), 2u);
    EXPECT_EQ(step.pull().kind, Pull::Kind::kStopped);
}

TEST(PolicyBatcher, watch_drops_the_cancelled_of_a_full_queue_while_nobody_pulls) {
    constexpr int64_t kLookNs = WatchTimes::kCancelLookNs;
    BatcherConfig config = with_levels(default_config(), 2);
    config.queue.default_policy.max_queue_size = 2;
    Stepper step(config);
    EXPECT_EQ(step.scheduler->try_expire(kLookNs, step.dropped).kind, Pull::Kind::kIdle);
    ASSERT_TRUE(step.enqueue(make(step, 0, 1), kLookNs).ok());
    auto leaves = make(step, 1, 1);
    const std::shared_ptr<Cancellation> cancellation = leaves->cancellation;
    ASSERT_TRUE(step.enqueue(std::move(leaves), kLookNs).ok());
    const Pull watched = step.scheduler->try_expire(kLookNs, step.dropped);
    EXPECT_EQ(watched.kind, Pull::Kind::kWait);
    EXPECT_EQ(watched.wait_until_ns, 2 * kLookNs);
    cancellation->requested = true;
    EXPECT_FALSE(step.enqueue(make(step, 2, 1), kLookNs).ok());
    step.scheduler->try_expire(2 * kLookNs, step.dropped);
    ASSERT_EQ(step.dropped.size(), 1u);
    EXPECT_EQ(step.dropped[0].request->tag, 1u);
    EXPECT_EQ(step.dropped[0].status, cancelled(""));
    EXPECT_TRUE(step.enqueue(make(step, 3, 1), 2 * kLookNs).ok());
    EXPECT_EQ(step.pull_tags(), (Tags{0}));
}

TEST(PolicyBatcher, cancelled_requests_do_not_run_whatever_their_level) {
    Stepper step(with_levels(dynamic_config(), 3));
    std::vector<std::shared_ptr<Cancellation>> cancellations;
    for (uint64_t tag = 0; tag < 6; ++tag) {
        auto request = make(step, tag, 1 + tag % 3);
        cancellations.push_back(request->cancellation);
        ASSERT_TRUE(step.enqueue(std::move(request)).ok());
    }
    for (uint64_t tag : {0, 4, 5}) {
        cancellations[tag]->requested = true;
    }
    EXPECT_EQ(step.pull_tags(), (Tags{3, 1, 2}));
    ASSERT_EQ(step.dropped.size(), 3u);
    for (const DroppedRequest& dropped : step.dropped) {
        EXPECT_EQ(dropped.status, cancelled(""));
    }
    EXPECT_EQ(step.scheduler->queued(), 0u);
}

TEST(PolicyBatcher, stop_refuses_and_lets_the_queue_run_at_once) {
    Stepper step(with_levels(dynamic_config({8}, 1'000'000), 2));
    ASSERT_TRUE(step.enqueue(make(step, 0, 1)).ok());
    EXPECT_EQ(step.pull().kind, Pull::Kind::kWait);
    step.scheduler->stop();
    EXPECT_EQ(step.enqueue(make(step, 1, 1)),
              unavailable("[request id: <id_unknown>] Server is stopping, scheduler for model has "
                          "stopped accepting new inference requests"));
    EXPECT_EQ(step.pull_tags(), (Tags{0}));
    EXPECT_EQ(step.pull().kind, Pull::Kind::kStopped);
}

TEST(PolicyBatcher, hold_counts_requests_that_have_timed_out_meanwhile) {
    BatcherConfig config = with_timeout(dynamic_config(), 100);
    config.delay_until_queued = 3;
    Stepper step(config);
    ASSERT_TRUE(step.enqueue(make(step, 0, 0), 0).ok());
    ASSERT_TRUE(step.enqueue(make(step, 1, 0, 10), 0).ok());
    const Pull held = step.pull(0);
    EXPECT_EQ(held.kind, Pull::Kind::kWait);
    EXPECT_EQ(held.wait_until_ns, 10 * kUs);
    EXPECT_EQ(step.pull(10 * kUs).wait_until_ns, 100 * kUs);
    EXPECT_EQ(step.dropped.size(), 1u);
    ASSERT_TRUE(step.enqueue(make(step, 2, 0), 20 * kUs).ok());
    EXPECT_EQ(step.pull_tags(20 * kUs), (Tags{0, 2}));
}

TEST(PolicyBatcher, rejection_keeps_its_place_in_the_order_of_responses) {
    BatcherConfig config = with_timeout(dynamic_config({1}), 100);
    config.preserve_ordering = true;
    Stepper step(config);
    for (uint64_t tag = 0; tag < 3; ++tag) {
        ASSERT_TRUE(step.enqueue(make(step, tag, 0, tag == 1 ? 10 : 0)).ok());
    }
    ASSERT_EQ(step.pull_tags(0), (Tags{0}));
    std::unique_ptr<InferenceRequest> first = std::move(step.batch.requests[0]);
    ASSERT_EQ(step.pull_tags(10 * kUs), (Tags{2}));
    step.scheduler->deliver(answer(std::move(step.batch.requests[0])));
    step.scheduler->deliver(answer(std::move(step.dropped.at(0).request)));
    EXPECT_EQ(step.sink.tags(), Tags{});
    step.scheduler->deliver(answer(std::move(first)));
    EXPECT_EQ(step.sink.tags(), (Tags{0, 1, 2}));
}

}  // namespace
}  // namespace tritonpy
