// Goal: the queue takes exactly what it may hold, forms the batches that the policy says, drops
// what was cancelled, and ends when it was stopped and is empty.
// Method: try_pull step by step at made-up times.
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "scheduler/batcher_stepper.h"

namespace tritonpy {
namespace {

using Tags = std::vector<uint64_t>;

TEST(DynamicBatcher, without_batching_requests_come_out_alone_in_order) {
    Stepper step(default_config());
    EXPECT_EQ(step.pull().kind, Pull::Kind::kIdle);
    for (uint64_t tag = 0; tag < 3; ++tag) {
        ASSERT_TRUE(step.enqueue(1, tag).ok());
    }
    EXPECT_EQ(step.scheduler->queued(), 3u);
    EXPECT_EQ(step.pull_tags(), (Tags{0}));
    EXPECT_EQ(step.pull_tags(), (Tags{1}));
    EXPECT_EQ(step.pull_tags(), (Tags{2}));
    EXPECT_EQ(step.pull().kind, Pull::Kind::kIdle);
    EXPECT_EQ(step.scheduler->queued(), 0u);
}

TEST(DynamicBatcher, enqueue_stamps_the_queue_time) {
    Stepper step(default_config());
    ASSERT_TRUE(step.enqueue(1, 0, 77).ok());
    ASSERT_EQ(step.pull_tags(90), (Tags{0}));
    EXPECT_EQ(step.batch.requests[0]->trace.queue_start_ns, 77);
}

TEST(DynamicBatcher, batches_what_waits_up_to_the_maximum) {
    Stepper step(dynamic_config());
    for (uint64_t tag = 0; tag < 10; ++tag) {
        ASSERT_TRUE(step.enqueue(1, tag).ok());
    }
    EXPECT_EQ(step.pull_tags(), (Tags{0, 1, 2, 3, 4, 5, 6, 7}));
    EXPECT_EQ(step.batch.rows, 8);
    EXPECT_EQ(step.scheduler->queued(), 2u);
    EXPECT_EQ(step.pull_tags(), (Tags{8, 9}));
}

TEST(DynamicBatcher, requests_without_rows_take_a_place_in_the_batch_too) {
    Stepper step(dynamic_config());
    for (uint64_t tag = 0; tag < 9; ++tag) {
        ASSERT_TRUE(step.enqueue(0, tag).ok());
    }
    EXPECT_EQ(step.pull_tags().size(), 8u);
    EXPECT_EQ(step.batch.rows, 0);
    EXPECT_EQ(step.pull_tags().size(), 1u);
}

TEST(DynamicBatcher, waits_for_a_preferred_size_until_the_delay_has_passed) {
    Stepper step(dynamic_config({4}, 100));
    ASSERT_TRUE(step.enqueue(1, 0, 1'000).ok());
    ASSERT_TRUE(step.enqueue(2, 1, 2'000).ok());
    Pull pulled = step.pull(3'000);
    EXPECT_EQ(pulled.kind, Pull::Kind::kWait);
    EXPECT_EQ(pulled.wait_until_ns, 1'000 + 100 * kUs);
    EXPECT_EQ(step.scheduler->queued(), 2u);
    EXPECT_EQ(step.pull_tags(1'000 + 100 * kUs), (Tags{0, 1}));

    ASSERT_TRUE(step.enqueue(3, 2, 200'000).ok());
    EXPECT_EQ(step.pull(200'000).kind, Pull::Kind::kWait);
    ASSERT_TRUE(step.enqueue(1, 3, 200'001).ok());
    EXPECT_EQ(step.pull_tags(200'001), (Tags{2, 3}));
}

TEST(DynamicBatcher, different_shapes_never_share_a_batch_and_do_not_wait) {
    Stepper step(dynamic_config({8}, 1'000'000));
    ASSERT_TRUE(step.enqueue(1, 0).ok());
    std::vector<Tensor> inputs;
    inputs.push_back(make_tensor<float>("INPUT0", {1, 2}, {1.0f, 2.0f}));
    std::unique_ptr<InferenceRequest> wider = make_request(std::move(inputs));
    wider->tag = 1;
    ASSERT_TRUE(step.enqueue(std::move(wider)).ok());
    ASSERT_TRUE(step.enqueue(1, 2).ok());
    EXPECT_EQ(step.pull_tags(), (Tags{0}));
    EXPECT_EQ(step.pull_tags(), (Tags{1}));
    EXPECT_EQ(step.pull(0).kind, Pull::Kind::kWait);
}

TEST(DynamicBatcher, full_queue_returns_unavailable_and_keeps_request) {
    BatcherConfig config = dynamic_config({8}, 1'000'000);
    config.queue.default_policy.max_queue_size = 3;
    Stepper step(config);
    for (uint64_t tag = 0; tag < 3; ++tag) {
        ASSERT_TRUE(step.enqueue(1, tag).ok());
    }
    EXPECT_EQ(step.pull().kind, Pull::Kind::kWait);  // looked at, yet still queued

    EXPECT_EQ(step.enqueue(1, 3),
              unavailable("[request id: <id_unknown>] Exceeds maximum queue size"));
    std::unique_ptr<InferenceRequest> named = make_rows_request(1, &step.sink, 4);
    named->id = "forty-two";
    EXPECT_EQ(step.scheduler->enqueue(named, 0),
              unavailable("[request id: forty-two] Exceeds maximum queue size"));
    ASSERT_NE(named, nullptr);
    EXPECT_EQ(named->trace.queue_start_ns, 0);
    EXPECT_EQ(step.scheduler->queued(), 3u);

    EXPECT_EQ(step.pull_tags(1'000'000 * kUs), (Tags{0, 1, 2}));
    EXPECT_TRUE(step.scheduler->enqueue(named, 0).ok());
}

TEST(DynamicBatcher, refuses_after_stop_and_lets_the_queue_run_at_once) {
    Stepper step(dynamic_config({8}, 1'000'000));
    ASSERT_TRUE(step.enqueue(1, 0).ok());
    EXPECT_EQ(step.pull().kind, Pull::Kind::kWait);
    step.scheduler->stop();
    step.scheduler->stop();
    EXPECT_EQ(step.enqueue(1, 1),
              unavailable("[request id: <id_unknown>] Server is stopping, scheduler for model has "
                          "stopped accepting new inference requests"));
    EXPECT_EQ(step.pull_tags(), (Tags{0}));
    EXPECT_EQ(step.pull().kind, Pull::Kind::kStopped);
    EXPECT_EQ(step.pull().kind, Pull::Kind::kStopped);
}

std::unique_ptr<InferenceRequest> make_cancellable(Stepper& step, uint64_t tag) {
    std::unique_ptr<InferenceRequest> request = make_rows_request(1, &step.sink, tag);
    request->cancellation = std::make_shared<Cancellation>();
    return request;
}

TEST(DynamicBatcher, cancelled_requests_are_dropped_wherever_they_wait) {
    Stepper step(dynamic_config({4}, 100));
    std::vector<std::shared_ptr<Cancellation>> cancellations;
    for (uint64_t tag = 0; tag < 3; ++tag) {
        std::unique_ptr<InferenceRequest> request = make_cancellable(step, tag);
        cancellations.push_back(request->cancellation);
        ASSERT_TRUE(step.enqueue(std::move(request)).ok());
    }
    cancellations[1]->requested = true;  // before anybody looked
    EXPECT_EQ(step.pull().kind, Pull::Kind::kWait);
    ASSERT_EQ(step.dropped.size(), 1u);
    EXPECT_EQ(step.dropped[0].request->tag, 1u);
    EXPECT_EQ(step.dropped[0].status, cancelled(""));
    EXPECT_EQ(step.scheduler->queued(), 2u);

    cancellations[0]->requested = true;  // after it was looked at
    ASSERT_TRUE(step.enqueue(3, 3).ok());
    EXPECT_EQ(step.pull_tags(), (Tags{2, 3}));
    ASSERT_EQ(step.dropped.size(), 2u);
    EXPECT_EQ(step.dropped[1].request->tag, 0u);
    EXPECT_EQ(step.scheduler->queued(), 0u);
}

TEST(DynamicBatcher, queue_of_cancelled_requests_empties_in_one_pull) {
    for (BatcherConfig config : {default_config(), dynamic_config()}) {
        Stepper step(config);
        for (uint64_t tag = 0; tag < 5; ++tag) {
            std::unique_ptr<InferenceRequest> request = make_cancellable(step, tag);
            request->cancellation->requested = true;
            ASSERT_TRUE(step.enqueue(std::move(request)).ok());
        }
        EXPECT_EQ(step.pull().kind, Pull::Kind::kIdle);
        EXPECT_EQ(step.dropped.size(), 5u);
        EXPECT_EQ(step.scheduler->queued(), 0u);
    }
}

TEST(DynamicBatcher, first_batch_is_held_until_enough_requests_wait_then_never_again) {
    BatcherConfig config = dynamic_config();
    config.delay_until_queued = 3;
    Stepper step(config);
    for (uint64_t tag = 0; tag < 2; ++tag) {
        ASSERT_TRUE(step.enqueue(1, tag).ok());
        EXPECT_EQ(step.pull().kind, Pull::Kind::kIdle);
    }
    ASSERT_TRUE(step.enqueue(1, 2).ok());
    EXPECT_EQ(step.pull_tags(), (Tags{0, 1, 2}));
    ASSERT_TRUE(step.enqueue(1, 3).ok());
    EXPECT_EQ(step.pull_tags(), (Tags{3}));
}

TEST(DynamicBatcher, hold_may_exceed_a_batch_and_ends_on_stop) {
    BatcherConfig config = dynamic_config({1});
    config.delay_until_queued = 20;
    Stepper step(config);
    for (uint64_t tag = 0; tag < 19; ++tag) {
        ASSERT_TRUE(step.enqueue(1, tag).ok());
    }
    EXPECT_EQ(step.pull().kind, Pull::Kind::kIdle);
    step.scheduler->stop();
    for (uint64_t tag = 0; tag < 19; ++tag) {
        EXPECT_EQ(step.pull_tags(), (Tags{tag}));
    }
    EXPECT_EQ(step.pull().kind, Pull::Kind::kStopped);
}

TEST(DynamicBatcher, responses_go_straight_out_unless_order_was_asked_for) {
    for (bool preserve_ordering : {false, true}) {
        BatcherConfig config = dynamic_config({1});
        config.preserve_ordering = preserve_ordering;
        Stepper step(config);
        std::unique_ptr<InferenceRequest> second = make_cancellable(step, 1);
        second->cancellation->requested = true;
        ASSERT_TRUE(step.enqueue(1, 0).ok());
        ASSERT_TRUE(step.enqueue(std::move(second)).ok());
        ASSERT_TRUE(step.enqueue(1, 2).ok());

        ASSERT_EQ(step.pull_tags(), (Tags{0}));
        std::unique_ptr<InferenceRequest> first = std::move(step.batch.requests[0]);
        ASSERT_EQ(step.pull_tags(), (Tags{2}));
        step.scheduler->deliver(answer(std::move(step.batch.requests[0])));
        step.scheduler->deliver(answer(std::move(step.dropped.at(0).request)));
        step.scheduler->deliver(answer(std::move(first)));
        EXPECT_EQ(step.sink.tags(), preserve_ordering ? (Tags{0, 1, 2}) : (Tags{2, 1, 0}));
    }
}

// One stuck instance used to let the others pile up answers without end.
TEST(DynamicBatcher, answers_held_for_their_order_count_against_the_queue) {
    BatcherConfig config = dynamic_config({1});
    config.preserve_ordering = true;
    config.queue.default_policy.max_queue_size = 2;
    Stepper step(config);
    ASSERT_TRUE(step.enqueue(1, 0).ok());
    ASSERT_EQ(step.pull_tags(), (Tags{0}));
    std::unique_ptr<InferenceRequest> stuck = std::move(step.batch.requests[0]);
    for (uint64_t tag : {1, 2}) {
        ASSERT_TRUE(step.enqueue(1, tag).ok());
        ASSERT_EQ(step.pull_tags(), (Tags{tag}));
        step.scheduler->deliver(answer(std::move(step.batch.requests[0])));
    }
    EXPECT_EQ(step.enqueue(1, 3),
              unavailable("[request id: <id_unknown>] Exceeds maximum queue size"));

    step.scheduler->deliver(answer(std::move(stuck)));
    EXPECT_EQ(step.sink.tags(), (Tags{0, 1, 2}));
    EXPECT_TRUE(step.enqueue(1, 3).ok());
}

// The hook of Triton's tests is one of the dynamic batcher.
TEST(DynamicBatcher, default_scheduler_holds_nothing_back) {
    BatcherConfig config = default_config();
    config.delay_until_queued = 3;
    Stepper step(config);
    ASSERT_TRUE(step.enqueue(1, 0).ok());
    EXPECT_EQ(step.pull_tags(), (Tags{0}));
}

TEST(DynamicBatcher, requests_left_at_destruction_are_freed) {
    auto cancellation = std::make_shared<Cancellation>();
    {
        Stepper step(dynamic_config({8}, 1'000'000));
        for (uint64_t tag = 0; tag < 12; ++tag) {
            std::unique_ptr<InferenceRequest> request = make_rows_request(1, &step.sink, tag);
            request->cancellation = cancellation;
            ASSERT_TRUE(step.enqueue(std::move(request)).ok());
        }
        EXPECT_EQ(step.pull_tags().size(), 8u);
        EXPECT_EQ(cancellation.use_count(), 13);
    }
    EXPECT_EQ(cancellation.use_count(), 1);
}

}  // namespace
}  // namespace tritonpy
