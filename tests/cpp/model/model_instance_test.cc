// Goal: what an instance does with a batch, whatever the executor does: one response per request,
// right outputs, right statistics, no copy where none is needed, nothing of it kept afterwards.
// Method: models without threads, stepped by hand on a manual clock, with scripted executors.
#include "model/model_instance.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/model_fixture.h"

namespace tritonpy {
namespace {

using Floats = std::vector<float>;

struct ModelInstanceTest : ModelFixture, ::testing::Test {
    std::vector<std::unique_ptr<InferenceResponse>> run(Model& model) {
        model.instances()[0]->run_once();
        return sink.take();
    }
};

TEST_F(ModelInstanceTest, answers_each_request_of_a_batch_with_its_own_rows) {
    auto model = make(make_config());
    ASSERT_TRUE(infer(*model, request(2, 10)).ok());
    ASSERT_TRUE(infer(*model, request(1, 20)).ok());
    auto responses = run(*model);
    ASSERT_EQ(responses.size(), 2u);
    for (const auto& response : responses) {
        EXPECT_TRUE(response->status.ok());
        EXPECT_TRUE(response->final);
        EXPECT_EQ(response->model, model->identity());
        ASSERT_EQ(response->outputs.size(), 1u);
        EXPECT_EQ(response->outputs[0].name, "OUTPUT0");
    }
    EXPECT_EQ(responses[0]->request->tag, 10u);
    EXPECT_EQ(values_of<float>(responses[0]->outputs[0]), (Floats{10, 11}));
    EXPECT_EQ(values_of<float>(responses[1]->outputs[0]), (Floats{20}));
    EXPECT_EQ(model->statistics().execution_count, 1u);
    EXPECT_EQ(model->in_flight(), 0u);
}

TEST_F(ModelInstanceTest, a_batch_of_one_is_not_copied) {
    auto model = make(make_config());
    auto one = request(3, 5);
    const std::byte* received = one->inputs[0].data.data();
    ASSERT_TRUE(model->infer(one).ok());
    auto responses = run(*model);
    ASSERT_EQ(responses.size(), 1u);
    EXPECT_EQ(responses[0]->outputs[0].data.data(), received);
}

TEST_F(ModelInstanceTest, gives_each_request_the_outputs_it_named) {
    ModelConfig config = make_config();
    config.executor.inputs.push_back(make_spec("INPUT1", DataType::kFp32, {1}));
    config.executor.outputs.push_back(make_spec("OUTPUT1", DataType::kFp32, {1}));
    auto model = make(config);
    for (const char* name : {"OUTPUT1", "OUTPUT0", ""}) {
        auto one = request(1);
        one->inputs.push_back(make_tensor<float>("INPUT1", {1, 1}, {7}));
        if (*name != '\0') {
            one->outputs.emplace_back().name = name;
        }
        ASSERT_TRUE(model->infer(one).ok());
    }
    auto responses = run(*model);
    ASSERT_EQ(responses.size(), 3u);
    ASSERT_EQ(responses[0]->outputs.size(), 1u);
    EXPECT_EQ(responses[0]->outputs[0].name, "OUTPUT1");
    ASSERT_EQ(responses[1]->outputs.size(), 1u);
    EXPECT_EQ(responses[1]->outputs[0].name, "OUTPUT0");
    EXPECT_EQ(responses[2]->outputs.size(), 2u);
}

TEST_F(ModelInstanceTest, puts_the_executors_parameters_on_every_response) {
    auto model = make(make_config(), [](Batch& batch) {
        batch.response_parameters = {{"answer", int64_t{42}}};
        return echo(batch);
    });
    ASSERT_TRUE(infer(*model, request(1)).ok());
    ASSERT_TRUE(infer(*model, request(1)).ok());
    for (const auto& response : run(*model)) {
        EXPECT_EQ(response->parameters, (std::vector<Parameter>{{"answer", int64_t{42}}}));
    }
    ASSERT_TRUE(infer(*model, request(1)).ok());
    EXPECT_EQ(run(*model)[0]->parameters.list().size(), 1u);
}

TEST_F(ModelInstanceTest, a_failed_batch_gives_every_request_the_executors_status) {
    const Status reason = unavailable("the device has gone");
    auto model = make(make_config(), [&](Batch&) { return reason; });
    ASSERT_TRUE(infer(*model, request(1, 1)).ok());
    ASSERT_TRUE(infer(*model, request(1, 2)).ok());
    clock.advance_ns(50);
    auto responses = run(*model);
    ASSERT_EQ(responses.size(), 2u);
    for (const auto& response : responses) {
        EXPECT_EQ(response->status, reason);
        EXPECT_TRUE(response->outputs.empty());
        EXPECT_NE(response->request, nullptr);
    }
    ModelStatsSnapshot stats = model->statistics();
    EXPECT_EQ(stats.fail, (DurationCount{2, 100}));
    EXPECT_EQ(stats.failures_by_reason[static_cast<size_t>(FailureReason::kBackend)], 2u);
    EXPECT_EQ(stats.success.count, 0u);
    EXPECT_EQ(stats.execution_count, 0u);
}

TEST_F(ModelInstanceTest, wrong_outputs_fail_the_batch_and_the_next_one_succeeds) {
    bool wrong = true;
    auto model = make(make_config(), [&](Batch& batch) {
        Status status = echo(batch);
        if (wrong) {
            batch.outputs[0].shape.set(0, 9);
        }
        return status;
    });
    ASSERT_TRUE(infer(*model, request(2)).ok());
    auto responses = run(*model);
    EXPECT_EQ(responses[0]->status.code(), StatusCode::kInternal);
    EXPECT_TRUE(responses[0]->outputs.empty());

    wrong = false;
    ASSERT_TRUE(infer(*model, request(2, 3)).ok());
    responses = run(*model);
    EXPECT_TRUE(responses[0]->status.ok());
    EXPECT_EQ(values_of<float>(responses[0]->outputs[0]), (Floats{3, 4}));
}

TEST_F(ModelInstanceTest, a_missing_output_fails_the_batch) {
    auto model = make(make_config(), [](Batch&) { return Status(); });
    ASSERT_TRUE(infer(*model, request(1)).ok());
    EXPECT_EQ(run(*model)[0]->status,
              internal_error("model 'model' did not produce the output 'OUTPUT0'"));
}

TEST_F(ModelInstanceTest, applies_reshape_on_both_sides) {
    ModelConfig config = make_config();
    config.executor.inputs[0].reshape = Shape{};
    config.executor.outputs[0].reshape = Shape{};
    Shape seen;
    auto model = make(config, [&](Batch& batch) {
        seen = batch.inputs[0].shape;
        return echo(batch);
    });
    ASSERT_TRUE(infer(*model, request(2)).ok());
    ASSERT_TRUE(infer(*model, request(3)).ok());
    auto responses = run(*model);
    EXPECT_EQ(seen, (Shape{5}));
    EXPECT_EQ(responses[0]->outputs[0].shape, (Shape{2, 1}));
    EXPECT_EQ(responses[1]->outputs[0].shape, (Shape{3, 1}));
}

TEST_F(ModelInstanceTest, cancelled_requests_are_answered_without_running) {
    int executions = 0;
    auto model = make(make_config(), [&](Batch& batch) {
        ++executions;
        return echo(batch);
    });
    auto one = request(1);
    auto cancellation = std::make_shared<Cancellation>();
    one->cancellation = cancellation;
    ASSERT_TRUE(model->infer(one).ok());
    cancellation->requested = true;
    auto responses = run(*model);
    ASSERT_EQ(responses.size(), 1u);
    EXPECT_EQ(responses[0]->status, cancelled(""));
    EXPECT_EQ(executions, 0);
    EXPECT_EQ(model->statistics()
                  .failures_by_reason[static_cast<size_t>(FailureReason::kCanceled)], 1u);
    EXPECT_EQ(model->in_flight(), 0u);
}

TEST_F(ModelInstanceTest, stamps_every_station_and_counts_the_durations) {
    auto model = make(make_config(), [&](Batch& batch) {
        clock.advance_ns(30);
        return echo(batch);
    });
    ASSERT_TRUE(infer(*model, request(1)).ok());
    clock.advance_ns(20);
    auto responses = run(*model);
    const RequestTrace& trace = responses[0]->request->trace;
    EXPECT_EQ(trace.request_start_ns, 1000);
    EXPECT_EQ(trace.queue_start_ns, 1000);
    EXPECT_EQ(trace.compute_start_ns, 1020);
    EXPECT_EQ(trace.compute_input_end_ns, 1020);
    EXPECT_EQ(trace.compute_output_start_ns, 1050);
    EXPECT_EQ(trace.compute_end_ns, 1050);
    ModelStatsSnapshot stats = model->statistics();
    EXPECT_EQ(stats.success, (DurationCount{1, 50}));
    EXPECT_EQ(stats.queue, (DurationCount{1, 20}));
    EXPECT_EQ(stats.compute_infer, (DurationCount{1, 30}));
}

// Counts buffers that were let go, and drops each response where it is delivered.
class DroppingSink final : public ResponseSink {
  public:
    explicit DroppingSink(const int& freed) : freed_(freed) {}
    void deliver(std::unique_ptr<InferenceResponse> response) override {
        int before = freed_;
        response.reset();
        freed_at_delivery += freed_ - before;
    }
    int freed_at_delivery = 0;

  private:
    const int& freed_;
};

TEST_F(ModelInstanceTest, a_response_takes_the_last_reference_on_its_input_with_it) {
    // A front end may need to free its buffers on a thread of its own, so the instance keeps none.
    int freed = 0;
    float value = 1;
    DroppingSink dropping(freed);
    bool fail = false;
    auto model = make(make_config(), [&](Batch& batch) {
        return fail ? internal_error("no") : echo(batch);
    });
    for (bool failing : {false, true}) {
        fail = failing;
        auto one = request(1);
        one->sink = &dropping;
        one->inputs[0].buffer =
            wrap_external(reinterpret_cast<std::byte*>(&value), sizeof(value), &freed,
                          [](void* count) { ++*static_cast<int*>(count); });
        one->inputs[0].data = {one->inputs[0].buffer->data(), sizeof(value)};
        ASSERT_TRUE(model->infer(one).ok());
        model->instances()[0]->run_once();
    }
    EXPECT_EQ(dropping.freed_at_delivery, 2);
}

TEST_F(ModelInstanceTest, a_model_without_batch_dimension_runs_one_request_at_a_time) {
    ModelConfig config = make_config("model", 1, 0);
    config.executor.inputs[0].dims = {-1};
    config.executor.outputs[0].dims = {-1};
    auto model = make(config);
    for (int count : {3, 2}) {
        std::vector<Tensor> inputs;
        Floats values(static_cast<size_t>(count));
        inputs.push_back(make_tensor<float>("INPUT0", {count}, values));
        auto one = make_request(std::move(inputs));
        one->sink = &sink;
        ASSERT_TRUE(model->infer(one).ok());
    }
    EXPECT_EQ(run(*model)[0]->outputs[0].shape, (Shape{3}));
    EXPECT_EQ(run(*model)[0]->outputs[0].shape, (Shape{2}));
    ModelStatsSnapshot stats = model->statistics();
    EXPECT_EQ(stats.inference_count, 2u);
    EXPECT_EQ(stats.execution_count, 2u);
}

TEST_F(ModelInstanceTest, says_until_when_the_batcher_waits) {
    ModelConfig config = make_config();
    config.batcher.max_queue_delay_us = 1;
    auto model = make(config);
    ModelInstance& instance = *model->instances()[0];
    EXPECT_EQ(instance.run_once().kind, Pull::Kind::kIdle);
    ASSERT_TRUE(infer(*model, request(1)).ok());
    Pull pull = instance.run_once();
    EXPECT_EQ(pull.kind, Pull::Kind::kWait);
    EXPECT_EQ(pull.wait_until_ns, 2000);
    clock.advance_ns(1000);
    EXPECT_EQ(instance.run_once().kind, Pull::Kind::kBatch);
    EXPECT_EQ(sink.take().size(), 1u);
}

}  // namespace
}  // namespace tritonpy
