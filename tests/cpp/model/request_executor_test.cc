// Goal: a model whose executor answers requests itself: each request is answered once, late or
// early, checked against the config and counted; one that cannot run leaves the queue to others,
// refuses when none can, and shows in readiness.
// Method: models stepped by hand with scripted executors and a manual clock; real threads where an
// instance has to wait for its health.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/model.h"
#include "support/model_fixture.h"
#include "support/scripted_requests.h"

namespace tritonpy {
namespace {

using Floats = std::vector<float>;
using Responses = std::vector<std::unique_ptr<InferenceResponse>>;

struct RequestExecutorTest : ModelFixture, ::testing::Test {
    RequestExecutorTest() { script.run = echo_requests; }

    std::unique_ptr<Model> make_model(ModelConfig config = make_config()) {
        const ExecutorFactoryMaker maker = scripted_requests({&script, &other});
        return try_make(config, maker).value();
    }
    Responses run(Model& model) {
        model.instances()[0]->run_once();
        return sink.take();
    }
    // One request, answered with what `change` makes of its echo.
    std::unique_ptr<InferenceResponse> answered(
        const std::function<void(InferenceResponse&)>& change, ModelConfig config = make_config(),
        std::unique_ptr<InferenceRequest> one = nullptr) {
        script.run = [&](Batch& batch, ResponseOutlet& outlet) {
            auto response = echo_of(*batch.requests[0]);
            change(*response);
            outlet.finish(std::move(batch.requests[0]), std::move(response));
            batch.requests.clear();
            return Status();
        };
        auto model = make_model(std::move(config));
        EXPECT_TRUE(infer(*model, one != nullptr ? std::move(one) : request(1)).ok());
        return std::move(run(*model).at(0));
    }
    static Status wrong(const std::string& what) {
        return internal_error("unexpected output 'OUTPUT0' of model 'model': " + what);
    }

    RequestScript script;
    RequestScript other;
};

TEST_F(RequestExecutorTest, requests_come_ungathered_and_answers_go_home) {
    size_t seen = 0;
    script.run = [&](Batch& batch, ResponseOutlet& outlet) {
        seen = batch.requests.size();
        EXPECT_TRUE(batch.inputs.empty());
        clock.advance_ns(30);
        return echo_requests(batch, outlet);
    };
    auto model = make_model();
    ASSERT_TRUE(infer(*model, request(2, 10)).ok());
    ASSERT_TRUE(infer(*model, request(1, 20)).ok());
    clock.advance_ns(20);
    auto responses = run(*model);
    EXPECT_EQ(seen, 2u);
    ASSERT_EQ(responses.size(), 2u);
    EXPECT_EQ(responses[0]->tag, 10u);
    EXPECT_TRUE(responses[0]->final);
    EXPECT_EQ(responses[0]->model, model->identity());
    EXPECT_EQ(values_of<float>(responses[0]->outputs[0]), (Floats{10, 11}));
    EXPECT_EQ(values_of<float>(responses[1]->outputs[0]), (Floats{20}));
    EXPECT_EQ(model->in_flight(), 0u);
    ModelStatsSnapshot stats = model->statistics();
    EXPECT_EQ(stats.success, (DurationCount{2, 100}));
    EXPECT_EQ(stats.queue, (DurationCount{2, 40}));
    EXPECT_EQ(stats.compute_infer, (DurationCount{2, 60}));
    EXPECT_EQ(stats.inference_count, 3u);
    EXPECT_EQ(stats.execution_count, 1u);
    EXPECT_EQ(stats.batch_stats.at(3).compute_input.count, 1u);
}

TEST_F(RequestExecutorTest, a_request_may_be_answered_many_times_and_after_the_batch) {
    std::unique_ptr<InferenceRequest> kept;
    ResponseOutlet* kept_outlet = nullptr;
    script.run = [&](Batch& batch, ResponseOutlet& outlet) {
        kept = std::move(batch.requests[0]);
        kept_outlet = &outlet;
        outlet.respond(*kept, echo_of(*kept));
        batch.requests.clear();
        return Status();
    };
    ModelConfig config = make_config();
    config.decoupled = true;
    auto model = make_model(config);
    ASSERT_TRUE(infer(*model, request(1, 5)).ok());
    auto responses = run(*model);
    ASSERT_EQ(responses.size(), 1u);
    EXPECT_FALSE(responses[0]->final);
    EXPECT_EQ(responses[0]->tag, 5u);
    EXPECT_EQ(responses[0]->request, nullptr);
    EXPECT_EQ(values_of<float>(responses[0]->outputs[0]), (Floats{5}));
    EXPECT_EQ(model->in_flight(), 1u);
    EXPECT_EQ(model->statistics().success.count, 0u);

    kept_outlet->finish(std::move(kept), nullptr);
    responses = sink.take();
    ASSERT_EQ(responses.size(), 1u);
    EXPECT_TRUE(responses[0]->final);
    EXPECT_TRUE(responses[0]->status.ok());
    EXPECT_TRUE(responses[0]->outputs.empty());
    EXPECT_EQ(responses[0]->request->tag, 5u);
    EXPECT_EQ(model->in_flight(), 0u);
    EXPECT_EQ(model->statistics().success.count, 1u);
}

// Keeps what it is given, so that a test can answer when it likes.
struct Kept {
    std::unique_ptr<InferenceRequest> request;
    ResponseOutlet* outlet = nullptr;

    void keep_from(RequestScript& script) {
        script.run = [this](Batch& batch, ResponseOutlet& its_outlet) {
            request = std::move(batch.requests[0]);
            outlet = &its_outlet;
            batch.requests.clear();
            return Status();
        };
    }
    void respond() { outlet->respond(*request, echo_of(*request)); }
    void finish() { outlet->finish(std::move(request), nullptr); }
};

TEST_F(RequestExecutorTest, many_answers_keep_the_order_of_requests_over_several_instances) {
    for (bool preserve_ordering : {false, true}) {
        Kept first;
        Kept second;
        first.keep_from(script);
        second.keep_from(other);
        ModelConfig config = make_config("model", 1, 1, 2);
        config.decoupled = true;
        config.batcher.preserve_ordering = preserve_ordering;
        auto model = make_model(config);
        ASSERT_TRUE(infer(*model, request(1, 1)).ok());
        ASSERT_TRUE(infer(*model, request(1, 2)).ok());
        model->instances()[0]->run_once();
        model->instances()[1]->run_once();
        second.respond();
        first.respond();
        second.finish();
        first.respond();
        first.finish();
        std::vector<uint64_t> came;
        for (const auto& response : sink.take()) {
            came.push_back(response->tag);
        }
        EXPECT_EQ(came, preserve_ordering ? (std::vector<uint64_t>{1, 1, 1, 2, 2})
                                          : (std::vector<uint64_t>{2, 1, 2, 1, 1}));
    }
}

TEST_F(RequestExecutorTest, what_an_executor_cannot_take_fails_with_its_reason) {
    script.run = [](Batch& batch, ResponseOutlet& outlet) {
        auto response = echo_of(*batch.requests[0]);
        outlet.finish(std::move(batch.requests[0]), std::move(response));
        batch.requests.erase(batch.requests.begin());
        return unavailable("no memory");
    };
    auto model = make_model();
    ASSERT_TRUE(infer(*model, request(1, 1)).ok());
    ASSERT_TRUE(infer(*model, request(1, 2)).ok());
    auto responses = run(*model);
    ASSERT_EQ(responses.size(), 2u);
    EXPECT_TRUE(responses[0]->status.ok());
    EXPECT_EQ(responses[1]->status, unavailable("no memory"));
    EXPECT_EQ(model->in_flight(), 0u);
    ModelStatsSnapshot stats = model->statistics();
    EXPECT_EQ(stats.fail.count, 1u);
    EXPECT_EQ(stats.execution_count, 0u);
}

TEST_F(RequestExecutorTest, an_error_is_that_requests_alone_and_is_counted) {
    auto response = answered([](InferenceResponse& one) { one.status = not_found("nothing"); });
    EXPECT_EQ(response->status, not_found("nothing"));
    EXPECT_TRUE(response->outputs.empty());
}

TEST_F(RequestExecutorTest, outputs_that_break_the_models_word_become_errors) {
    using R = InferenceResponse;
    EXPECT_EQ(answered([](R& one) { one.outputs[0].data_type = DataType::kInt32; })->status,
              wrong("expected datatype FP32, but got INT32"));
    EXPECT_EQ(answered([](R& one) { one.outputs[0].shape = Shape{1, 2}; })->status,
              wrong("expected shape [1] after the batch dimension, but got [1,2]"));
    EXPECT_EQ(answered([](R& one) { one.outputs[0].shape = Shape{1}; })->status,
              wrong("expected shape [1] after the batch dimension, but got [1]"));
    EXPECT_EQ(answered([](R& one) { one.outputs[0].shape = Shape{2, 1}; })->status,
              wrong("expected 8 bytes for shape [2,1] and datatype FP32, but got 4"));
    EXPECT_EQ(answered([](R& one) { one.outputs[0].shape = Shape{-1, 1}; })->status,
              wrong("expected a shape without negative dimensions whose product fits 64 bits, "
                    "but got shape [-1,1]"));
    EXPECT_EQ(answered([](R& one) { one.outputs.push_back(one.outputs[0]); })->status,
              wrong("it is there twice"));
    EXPECT_EQ(answered([](R& one) { one.outputs[0].name = "OTHER"; })->status,
              internal_error("unexpected output 'OTHER' of model 'model': the model has no such "
                             "output"));
}

TEST_F(RequestExecutorTest, string_outputs_are_counted_element_by_element) {
    ModelConfig config = make_config();
    config.executor.outputs[0] = make_spec("OUTPUT0", DataType::kBytes, {-1});
    auto with = [&](Shape shape, const std::vector<std::string>& strings, size_t cut) {
        return answered(
                   [&](InferenceResponse& one) {
                       one.outputs[0] = make_string_tensor("OUTPUT0", shape, strings);
                       auto& data = one.outputs[0].data;
                       data = data.first(data.size() - cut);
                   },
                   config)
            ->status;
    };
    EXPECT_TRUE(with({1, 2}, {"a", "bc"}, 0).ok());
    EXPECT_TRUE(with({1, 0}, {}, 0).ok());
    EXPECT_EQ(with({1, 3}, {"a", "bc"}, 0),
              wrong("expected 3 string elements for shape [1,3], but got 2"));
    EXPECT_EQ(with({1, 1}, {"a", "bc"}, 0),
              wrong("expected 1 string elements for shape [1,1], but got 2"));
    EXPECT_EQ(with({1, 2}, {"a", "bc"}, 1),
              wrong("expected 2 string elements for shape [1,2], but got 1 and then an "
                    "incomplete one"));
}

TEST_F(RequestExecutorTest, outputs_that_were_not_asked_for_are_dropped_and_may_be_missing) {
    ModelConfig config = make_config();
    config.executor.outputs.push_back(make_spec("OUTPUT1", DataType::kFp32, {1}));
    auto one = request(1);
    one->outputs.emplace_back().name = "OUTPUT1";
    auto response = answered([](InferenceResponse&) {}, config, std::move(one));
    EXPECT_TRUE(response->status.ok());
    EXPECT_TRUE(response->outputs.empty());
}

TEST_F(RequestExecutorTest, reshape_is_undone) {
    ModelConfig config = make_config();
    config.executor.outputs[0].reshape = Shape{};
    auto response =
        answered([](InferenceResponse& one) { one.outputs[0].shape = Shape{1}; }, config);
    EXPECT_EQ(response->outputs[0].shape, (Shape{1, 1}));
}

TEST_F(RequestExecutorTest, a_model_none_of_whose_instances_comes_back_refuses) {
    auto model = make_model(make_config("model", 1, 8, 2));
    script.healthy = false;
    const Status unhealthy = unavailable("Stub process 'model_0_0' is not healthy.");
    EXPECT_EQ(model->check_ready(), unhealthy);  // one is enough to be not ready
    EXPECT_TRUE(infer(*model, request(1)).ok());  // but not to refuse
    other.healthy = false;
    EXPECT_TRUE(infer(*model, request(1)).ok());  // it waits for them
    script.hopeless = true;
    EXPECT_TRUE(infer(*model, request(1)).ok());  // for the other
    other.hopeless = true;
    auto one = request(1);
    EXPECT_EQ(model->infer(one), unhealthy);
    EXPECT_NE(one, nullptr);
    EXPECT_EQ(model->in_flight(), 3u);
    script.healthy = other.healthy = true;
    EXPECT_TRUE(model->check_ready().ok());
    EXPECT_EQ(run(*model).size(), 3u);
}

TEST_F(RequestExecutorTest, an_instance_that_cannot_run_leaves_the_queue_to_its_sibling) {
    start_threads = true;
    script.healthy = false;
    script.hopeless = true;
    script.run = [](Batch&, ResponseOutlet&) { return unavailable("not healthy"); };
    other.run = echo_requests;
    auto model = make_model(make_config("model", 1, 1, 2));
    for (uint64_t tag = 0; tag < 50; ++tag) {
        ASSERT_TRUE(infer(*model, request(1, tag)).ok());
    }
    for (const auto& response : sink.wait_and_take(50)) {
        EXPECT_TRUE(response->status.ok());
    }
}

TEST_F(RequestExecutorTest, an_instance_that_died_in_its_sleep_keeps_what_it_was_woken_for) {
    start_threads = true;
    script.run = [&](Batch& batch, ResponseOutlet& outlet) {
        return script.healthy ? echo_requests(batch, outlet) : unavailable("not healthy");
    };
    other.run = echo_requests;
    auto model = make_model(make_config("model", 1, 1, 2));
    ASSERT_TRUE(infer(*model, request(1)).ok());  // both threads have started to sleep, or soon
    EXPECT_TRUE(sink.wait_and_take(1)[0]->status.ok());
    script.healthy = false;
    for (uint64_t tag = 0; tag < 20; ++tag) {
        ASSERT_TRUE(infer(*model, request(1, tag)).ok());
    }
    script.healthy = true;
    for (const auto& response : sink.wait_and_take(20)) {
        EXPECT_TRUE(response->status.ok());
    }
}

TEST_F(RequestExecutorTest, what_is_queued_waits_for_a_model_that_is_likely_to_come_back) {
    start_threads = true;
    std::atomic<int> runs{0};
    script.run = [&](Batch& batch, ResponseOutlet& outlet) {
        if (runs++ == 0) {
            script.healthy = false;  // dies with the first
            return unavailable("died");
        }
        return echo_requests(batch, outlet);
    };
    auto model = make_model(make_config("model", 1, 1));
    std::atomic<bool> queued{false};
    script.run = [&, inner = script.run](Batch& batch, ResponseOutlet& outlet) {
        queued.wait(false);
        return inner(batch, outlet);
    };
    ASSERT_TRUE(infer(*model, request(1, 1)).ok());
    ASSERT_TRUE(infer(*model, request(1, 2)).ok());
    queued = true;
    queued.notify_all();
    EXPECT_FALSE(sink.wait_and_take(1)[0]->status.ok());
    EXPECT_EQ(sink.size(), 0u);
    script.healthy = true;
    EXPECT_TRUE(sink.wait_and_take(1)[0]->status.ok());
}

TEST_F(RequestExecutorTest, what_is_queued_is_refused_when_the_model_does_not_come_back) {
    start_threads = true;
    script.run = [&](Batch&, ResponseOutlet&) { return unavailable("not healthy"); };
    auto model = make_model(make_config("model", 1, 1));
    ASSERT_TRUE(infer(*model, request(1, 1)).ok());
    script.healthy = false;
    script.hopeless = true;
    EXPECT_EQ(sink.wait_and_take(1)[0]->status, unavailable("not healthy"));
    EXPECT_EQ(script.stops, 0);
    model->stop();
    EXPECT_GE(script.stops, 1);
}

}  // namespace
}  // namespace tritonpy
