// Goal: requests that time out or are cancelled in the queue are answered and counted while every
// instance is busy, and the model ends all the same.
// Method: models stepped by hand with a manual clock; then one with threads, whose executor does
// not end before the answer is there.
#include "model/queue_watch.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <utility>

#include "model/model.h"
#include "scheduler/policy_batcher.h"
#include "support/model_fixture.h"

namespace tritonpy {
namespace {

constexpr int64_t kTimeoutUs = 500;

ModelConfig timeout_config() {
    ModelConfig config = make_config("model", 1, 1);
    config.batcher.queue.default_policy.default_timeout_us = kTimeoutUs;
    return config;
}

uint64_t failures(const Model& model, FailureReason reason) {
    return model.statistics().failures_by_reason[static_cast<size_t>(reason)];
}

struct QueueWatchTest : ModelFixture, ::testing::Test {};

TEST_F(QueueWatchTest, only_queues_with_policies_are_watched) {
    EXPECT_EQ(make(make_config())->queue_watch(), nullptr);
    EXPECT_NE(make(timeout_config())->queue_watch(), nullptr);
}

TEST_F(QueueWatchTest, answers_and_counts_what_times_out_behind_a_busy_instance) {
    auto model = make(timeout_config());
    ASSERT_TRUE(infer(*model, request(1, 1)).ok());
    ASSERT_TRUE(infer(*model, request(1, 2)).ok());
    ModelInstance& instance = *model->instances()[0];
    instance.take();
    ASSERT_TRUE(instance.busy());
    const Pull watched = model->queue_watch()->step();
    EXPECT_EQ(watched.kind, Pull::Kind::kWait);
    EXPECT_EQ(watched.wait_until_ns, clock.now_ns() + kTimeoutUs * 1000);
    clock.advance_ns(kTimeoutUs * 1000);
    EXPECT_EQ(model->queue_watch()->step().kind, Pull::Kind::kIdle);

    auto responses = sink.take();
    ASSERT_EQ(responses.size(), 1u);
    EXPECT_EQ(responses[0]->tag, 2u);
    EXPECT_EQ(responses[0]->request->tag, 2u);
    EXPECT_EQ(responses[0]->model, model->identity());
    EXPECT_EQ(responses[0]->status, unavailable("Request timeout expired"));
    EXPECT_EQ(failures(*model, FailureReason::kRejected), 1u);
    EXPECT_EQ(model->statistics().fail.ns, static_cast<uint64_t>(kTimeoutUs) * 1000);
    EXPECT_EQ(model->statistics().pending, 0u);
    EXPECT_EQ(model->in_flight(), 1u);
    instance.complete();
    EXPECT_EQ(sink.take().at(0)->tag, 1u);
    EXPECT_EQ(model->statistics().success.count, 1u);
}

TEST_F(QueueWatchTest, counts_the_cancelled_as_such) {
    auto model = make(timeout_config());
    auto leaves = request(1, 7);
    leaves->cancellation = std::make_shared<Cancellation>();
    leaves->cancellation->requested = true;
    ASSERT_TRUE(infer(*model, std::move(leaves)).ok());
    clock.advance_ns(WatchTimes::kCancelLookNs);
    model->queue_watch()->step();
    EXPECT_EQ(sink.take().at(0)->status, cancelled(""));
    EXPECT_EQ(failures(*model, FailureReason::kCanceled), 1u);
    EXPECT_EQ(failures(*model, FailureReason::kRejected), 0u);
}

TEST_F(QueueWatchTest, thread_answers_while_the_instance_runs_and_ends_with_the_model) {
    SteadyClock steady;
    std::promise<void> may_end;
    std::shared_future<void> ended = may_end.get_future().share();
    const ExecutorFactoryMaker maker = scripted([ended](Batch& batch) {
        ended.wait();
        return echo(batch);
    });
    auto model =
        Model::create(timeout_config(), {{steady, log, pool, ""}, maker, all_answered, true})
            .value();
    // One of them runs (the other, or both when the instance is slow to come, time out).
    ASSERT_TRUE(infer(*model, request(1, 1)).ok());
    ASSERT_TRUE(infer(*model, request(1, 2)).ok());
    auto late = sink.wait_and_take(1);
    EXPECT_EQ(late[0]->status, unavailable("Request timeout expired"));
    may_end.set_value();
    model->stop();
    EXPECT_EQ(late.size() + sink.size(), 2u);
    EXPECT_EQ(model->in_flight(), 0u);
}

}  // namespace
}  // namespace tritonpy
