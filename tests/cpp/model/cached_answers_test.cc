// Goal: a model with the response cache runs each question once and tells equal ones from others.
// Method: models that count their executions, asked twice with one thing changed.
#include "model/cached_answers.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "model/response_cache.h"
#include "support/model_fixture.h"

namespace tritonpy {
namespace {

// Of a cache whose answers are at hand.
struct NoLookups final : LookupHost {
    bool begin_lookup() override { return false; }
    void queue_late(std::unique_ptr<InferenceRequest>) override { TRITONPY_CHECK(false); }
    void end_lookup() override { TRITONPY_CHECK(false); }
};

struct CachedAnswersTest : ModelFixture, ::testing::Test {
    ResponseCache cache{1 << 20, clock};
    int executions = 0;

    CachedAnswersTest() { response_cache = &cache; }

    static ModelConfig cached_config() {
        ModelConfig config = make_config();
        config.response_cache = true;
        return config;
    }
    std::unique_ptr<Model> make_counting(const ModelConfig& config) {
        return make(config, [this](Batch& batch) {
            ++executions;
            clock.advance_ns(500);
            return echo(batch);
        });
    }
    // The response to a request that is run now, if it has to be.
    std::unique_ptr<InferenceResponse> ask(Model& model, std::unique_ptr<InferenceRequest> one) {
        EXPECT_TRUE(model.infer(one).ok());
        EXPECT_EQ(one, nullptr);
        while (sink.size() == 0) {
            model.instances()[0]->run_once();
        }
        auto responses = sink.take();
        EXPECT_EQ(responses.size(), 1u);
        return std::move(responses.front());
    }
};

TEST_F(CachedAnswersTest, an_equal_request_is_answered_without_being_run) {
    auto model = make_counting(cached_config());
    auto first = ask(*model, request(2, 5));
    auto same = request(2, 5);
    same->id = "another id";
    same->tag = 77;
    same->timeout_us = 10;
    auto again = ask(*model, std::move(same));
    EXPECT_EQ(executions, 1);
    EXPECT_TRUE(again->final);
    EXPECT_EQ(again->tag, 77u);
    EXPECT_EQ(again->model, model->identity());
    ASSERT_NE(again->request, nullptr);
    EXPECT_EQ(again->request->id, "another id");
    EXPECT_EQ(again->request->sink, &sink);
    EXPECT_EQ(first->request->sink, &sink);
    ASSERT_EQ(again->outputs.size(), 1u);
    EXPECT_EQ(again->outputs[0].name, "OUTPUT0");
    EXPECT_EQ(again->outputs[0].shape, first->outputs[0].shape);
    EXPECT_EQ(values_of<float>(again->outputs[0]), (std::vector<float>{5, 6}));
    EXPECT_EQ(model->in_flight(), 0u);
}

TEST_F(CachedAnswersTest, whatever_changes_the_answer_is_another_question) {
    using Change = std::function<void(InferenceRequest&)>;
    const std::vector<std::pair<std::string, Change>> changes = {
        {"data", [](auto& one) { one.inputs = make_rows_request(2, nullptr, 6)->inputs; }},
        {"output", [](auto& one) { one.outputs = {{"OUTPUT0", 0, std::nullopt}}; }},
        {"parameter", [](auto& one) { one.parameters = {{"seed", int64_t{1}}}; }},
        {"parameter value", [](auto& one) { one.parameters = {{"seed", int64_t{2}}}; }},
        {"parameter type", [](auto& one) { one.parameters = {{"seed", 1.0}}; }},
        {"parameter text", [](auto& one) { one.parameters = {{"seed", std::string("1")}}; }},
        {"flags", [](auto& one) { one.flags = InferenceRequest::kSequenceStart; }},
        {"sequence", [](auto& one) { one.correlation_id = uint64_t{4}; }},
        {"sequence name", [](auto& one) { one.correlation_id = std::string("4"); }},
    };
    auto model = make_counting(cached_config());
    ask(*model, request(2, 5));
    int expected = 1;
    for (const auto& [what, change] : changes) {
        for (bool first : {true, false}) {
            auto one = request(2, 5);
            change(*one);
            ask(*model, std::move(one));
            expected += first ? 1 : 0;
            EXPECT_EQ(executions, expected) << what;
        }
    }
}

// Triton answers the second of these with the first one's answer.
TEST_F(CachedAnswersTest, equal_bytes_of_another_shape_or_input_are_another_question) {
    ModelConfig config = cached_config();
    config.executor.inputs = {make_spec("INPUT0", DataType::kFp32, {-1}),
                              make_spec("INPUT1", DataType::kFp32, {-1})};
    config.executor.outputs = {make_spec("OUTPUT0", DataType::kFp32, {-1}),
                               make_spec("OUTPUT1", DataType::kFp32, {-1})};
    auto model = make_counting(config);
    const auto ask_for = [&](Shape first, size_t in_first, Shape second, size_t in_second) {
        std::vector<Tensor> inputs;
        inputs.push_back(
            make_tensor<float>("INPUT0", std::move(first), std::vector<float>(in_first)));
        inputs.push_back(
            make_tensor<float>("INPUT1", std::move(second), std::vector<float>(in_second)));
        auto one = make_request(std::move(inputs));
        one->sink = &sink;
        return ask(*model, std::move(one));
    };
    ask_for({1, 4}, 4, {1, 2}, 2);
    EXPECT_EQ(ask_for({2, 2}, 4, {2, 1}, 2)->outputs[0].shape, (Shape{2, 2}));
    ask_for({1, 2}, 2, {1, 4}, 4);
    EXPECT_EQ(executions, 3);
}

TEST_F(CachedAnswersTest, failures_and_answers_in_several_parts_are_not_kept) {
    bool fails = true;
    auto model = make(cached_config(), [&](Batch& batch) {
        ++executions;
        return fails ? internal_error("broken") : echo(batch);
    });
    EXPECT_EQ(ask(*model, request(1))->status, internal_error("broken"));
    EXPECT_EQ(model->statistics().cache_miss.count, 0u);
    fails = false;
    EXPECT_TRUE(ask(*model, request(1))->status.ok());
    EXPECT_EQ(executions, 2);
    EXPECT_EQ(model->statistics().cache_miss.count, 1u);

    ModelStats stats;
    NoLookups host;
    CachedAnswers answers(cache.open(model->identity(), ""), host, model->identity(), stats, clock,
                          log);
    for (int round = 0; round < 2; ++round) {
        auto one = request(1, 9);
        ASSERT_FALSE(answers.try_answer(one, true));
        ResponseSink& keeper = *one->sink;
        auto part = std::make_unique<InferenceResponse>();
        part->final = false;
        keeper.deliver(std::move(part));
        auto last = std::make_unique<InferenceResponse>();
        last->request = std::move(one);
        keeper.deliver(std::move(last));
        EXPECT_EQ(sink.take().size(), 2u);
    }
}

TEST_F(CachedAnswersTest, a_request_that_is_not_queued_comes_back_with_its_own_sink) {
    ModelConfig config = cached_config();
    config.batcher.queue.default_policy.max_queue_size = 1;
    auto model = make_counting(config);
    ASSERT_TRUE(infer(*model, request(1, 1)).ok());
    auto one = request(1, 2);
    EXPECT_EQ(model->infer(one).code(), StatusCode::kUnavailable);
    ASSERT_NE(one, nullptr);
    EXPECT_EQ(one->sink, &sink);
}

TEST_F(CachedAnswersTest, statistics_count_hits_and_misses_as_triton_does) {
    auto model = make_counting(cached_config());
    ask(*model, request(2, 5));
    const uint64_t ran_ms = model->statistics().last_inference_ms;
    ask(*model, request(2, 5));
    ask(*model, request(2, 5));
    const ModelStatsSnapshot stats = model->statistics();
    EXPECT_EQ(stats.cache_hit.count, 2u);
    EXPECT_EQ(stats.cache_miss.count, 1u);
    EXPECT_EQ(stats.success.count, 3u);
    EXPECT_EQ(stats.queue.count, 3u);
    EXPECT_EQ(stats.compute_infer.count, 1u);
    EXPECT_EQ(stats.inference_count, 2u);
    EXPECT_EQ(stats.execution_count, 1u);
    EXPECT_EQ(stats.last_inference_ms, ran_ms);
    EXPECT_EQ(cache.counters().hits, 2u);
}

TEST_F(CachedAnswersTest, a_model_that_is_loaded_again_starts_without_answers) {
    const ModelConfig config = cached_config();
    auto model = make_counting(config);
    ask(*model, request(1));
    auto newer = make_counting(config);  // beside the old one, as in a reload
    ask(*newer, request(1));
    EXPECT_EQ(executions, 2);
    EXPECT_EQ(cache.counters().entries, 2u);
    model.reset();
    EXPECT_EQ(cache.counters().entries, 1u);
    ask(*newer, request(1));
    EXPECT_EQ(executions, 2);
}

TEST_F(CachedAnswersTest, where_order_is_kept_a_cached_answer_overtakes_nobody) {
    ModelConfig config = cached_config();
    config.batcher.preserve_ordering = true;
    auto model = make_counting(config);
    ask(*model, request(1, 1));
    ASSERT_TRUE(infer(*model, request(1, 2)).ok());
    ASSERT_TRUE(infer(*model, request(1, 1)).ok());
    EXPECT_EQ(sink.size(), 0u);
    model->instances()[0]->run_once();
    EXPECT_EQ(sink.tags(), (std::vector<uint64_t>{2, 1}));
    sink.take();
    ASSERT_TRUE(infer(*model, request(1, 1)).ok());
    EXPECT_EQ(sink.size(), 1u);
}

TEST_F(CachedAnswersTest, without_a_cache_or_a_config_that_asks_for_it_nothing_is_kept) {
    auto plain = make_counting(make_config());
    ask(*plain, request(1));
    ask(*plain, request(1));
    EXPECT_EQ(executions, 2);
    response_cache = nullptr;
    auto model = make_counting(cached_config());
    ask(*model, request(1));
    ask(*model, request(1));
    EXPECT_EQ(executions, 4);
    EXPECT_EQ(model->statistics().cache_miss.count, 0u);
    EXPECT_EQ(cache.counters().lookups, 0u);
}

}  // namespace
}  // namespace tritonpy
