// Goal: a model version is built whole or not at all, takes or leaves each request, and stops
// without losing one.
// Method: models with scripted factories and executors, stepped by hand; real threads where the
// test is about stopping them.
#include "model/model.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "support/model_fixture.h"

namespace tritonpy {
namespace {

struct ModelTest : ModelFixture, ::testing::Test {};

TEST_F(ModelTest, knows_itself) {
    ModelConfig config = make_config("mlp", 7, 16, 2);
    config.decoupled = true;
    auto model = make(config);
    EXPECT_EQ(model->identity()->name, "mlp");
    EXPECT_EQ(model->identity()->version, 7);
    EXPECT_EQ(model->identity()->max_batch_size, 16);
    EXPECT_TRUE(model->identity()->decoupled);
    EXPECT_EQ(model->identity()->inputs.size(), 1u);
    EXPECT_EQ(model->instances().size(), 2u);
}

TEST_F(ModelTest, is_not_built_when_the_backend_or_an_instance_fails) {
    const Status reason = invalid_arg("unreadable model file");
    const ExecutorFactoryMaker failing = [&](const ExecutorConfig&, const ExecutorContext&) {
        return Result<std::unique_ptr<ExecutorFactory>>(reason);
    };
    EXPECT_EQ(try_make(make_config(), failing).status(), reason);

    ModelConfig config = make_config("model", 1, 8, 2);
    config.instances[1].kind = "KIND_GPU";
    EXPECT_EQ(try_make(config, scripted(echo)).status(),
              internal_error("GPU instances not supported"));
}

TEST_F(ModelTest, passive_instances_are_created_and_not_scheduled) {
    ModelConfig config = make_config("model", 1, 8, 3);
    config.instances[0].passive = true;
    config.instances[2].passive = true;
    EXPECT_EQ(make(config)->instances().size(), 1u);
    config.instances[1].passive = true;
    EXPECT_EQ(try_make(config, scripted(echo)).status().code(), StatusCode::kInvalidArg);
    config.instances[0].kind = "KIND_GPU";
    EXPECT_EQ(try_make(config, scripted(echo)).status().code(), StatusCode::kInternal);
}

TEST_F(ModelTest, has_a_limit_of_instances) {
    ModelConfig config = make_config("model", 1, 8, limits::kMaxInstances + 1);
    EXPECT_EQ(try_make(config, scripted(echo)).status(),
              invalid_arg("model 'model' has 1025 instances, but at most 1024 are possible"));
}

TEST_F(ModelTest, a_full_queue_counts_a_rejection_and_leaves_the_request_as_it_was) {
    ModelConfig config = make_config();
    config.executor.inputs[0].reshape = Shape{1, 1};
    config.executor.outputs[0].reshape = Shape{1, 1};
    config.batcher.queue.default_policy.max_queue_size = 2;
    auto model = make(config);
    ASSERT_TRUE(infer(*model, request(1)).ok());
    ASSERT_TRUE(infer(*model, request(1)).ok());
    auto one = request(2, 5);
    Status status = model->infer(one);
    EXPECT_EQ(status, unavailable("[request id: <id_unknown>] Exceeds maximum queue size"));
    ASSERT_NE(one, nullptr);
    EXPECT_EQ(one->inputs[0].shape, (Shape{2, 1}));
    ModelStatsSnapshot stats = model->statistics();
    EXPECT_EQ(stats.failures_by_reason[static_cast<size_t>(FailureReason::kRejected)], 1u);
    EXPECT_EQ(stats.pending, 2u);
    EXPECT_EQ(model->in_flight(), 2u);

    model->instances()[0]->run_once();
    ASSERT_TRUE(model->infer(one).ok());
    model->instances()[0]->run_once();
    auto responses = sink.take();
    ASSERT_EQ(responses.size(), 3u);
    EXPECT_EQ(values_of<float>(responses[2]->outputs[0]), (std::vector<float>{5, 6}));
}

TEST_F(ModelTest, a_request_that_fails_the_check_is_not_counted) {
    auto model = make(make_config());
    auto one = request(9);
    EXPECT_EQ(model->infer(one).code(), StatusCode::kInvalidArg);
    EXPECT_NE(one, nullptr);
    EXPECT_EQ(model->statistics().fail.count, 0u);
    EXPECT_EQ(model->in_flight(), 0u);
}

TEST_F(ModelTest, batches_of_a_model_with_variable_dimensions_hold_equal_shapes_only) {
    ModelConfig config = make_config();
    config.executor.inputs[0].dims = {-1};
    config.executor.outputs[0].dims = {-1};
    auto model = make(config);
    for (int64_t columns : {2, 2, 3}) {
        std::vector<Tensor> inputs;
        inputs.push_back(make_tensor<float>(
            "INPUT0", {1, columns}, std::vector<float>(static_cast<size_t>(columns))));
        auto one = make_request(std::move(inputs));
        one->sink = &sink;
        ASSERT_TRUE(model->infer(one).ok());
    }
    model->stop();
    ModelStatsSnapshot stats = model->statistics();
    EXPECT_EQ(stats.execution_count, 2u);
    EXPECT_EQ(stats.batch_stats[2].compute_infer.count, 1u);
    EXPECT_EQ(stats.batch_stats[1].compute_infer.count, 1u);
}

TEST_F(ModelTest, closing_refuses_references_and_stopping_answers_what_is_queued) {
    ModelConfig config = make_config();
    config.batcher.max_queue_delay_us = 1'000'000'000;  // a stop does not wait for it
    auto model = make(config);
    {
        ModelRef held(*model);
        ASSERT_TRUE(held);
        auto one = request(1);
        ASSERT_TRUE(held->infer(one).ok());
    }
    model->close();
    EXPECT_FALSE(ModelRef(*model));
    EXPECT_EQ(sink.size(), 0u);
    model->stop();
    EXPECT_EQ(sink.size(), 1u);
    EXPECT_EQ(model->in_flight(), 0u);
}

TEST_F(ModelTest, stopping_finishes_a_batch_in_the_middle) {
    auto model = make(make_config("model", 1, 1, 2));
    ASSERT_TRUE(infer(*model, request(1, 1)).ok());
    ASSERT_TRUE(infer(*model, request(1, 2)).ok());
    model->instances()[1]->take();
    ASSERT_TRUE(model->instances()[1]->busy());
    model->stop();
    EXPECT_EQ(sink.size(), 2u);
}

TEST_F(ModelTest, order_is_kept_over_instances_that_finish_in_another_order) {
    ModelConfig config = make_config("model", 1, 1, 2);
    config.batcher.preserve_ordering = true;
    auto model = make(config);
    ASSERT_TRUE(infer(*model, request(1, 1)).ok());
    ASSERT_TRUE(infer(*model, request(1, 2)).ok());
    model->instances()[0]->take();
    model->instances()[1]->run_once();
    EXPECT_EQ(sink.size(), 0u);
    model->instances()[0]->complete();
    EXPECT_EQ(sink.tags(), (std::vector<uint64_t>{1, 2}));
}

TEST_F(ModelTest, destroying_a_model_with_threads_answers_everything_first) {
    start_threads = true;
    constexpr size_t kRequests = 200;
    auto model = make(make_config("model", 1, 4, 3));
    for (size_t tag = 0; tag < kRequests; ++tag) {
        ASSERT_TRUE(infer(*model, request(1, tag)).ok());
    }
    model.reset();
    EXPECT_EQ(sink.size(), kRequests);
}

}  // namespace
}  // namespace tritonpy
