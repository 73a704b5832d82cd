// Goal: a request that is too large for its model is run in parts, and its client sees one answer:
// all rows in order, or the first error; whoever asks for nothing of the kind is refused as ever.
// Method: models stepped by hand with scripted executors; queues made so short that parts do not
// fit.
#include "model/split_request.h"

#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "model/model.h"
#include "support/model_fixture.h"

namespace tritonpy {
namespace {

using Floats = std::vector<float>;
using Responses = std::vector<std::unique_ptr<InferenceResponse>>;

struct SplitRequestTest : ModelFixture, ::testing::Test {
    // Batches of at most four rows.
    static ModelConfig splitting(uint32_t max_queue_size = 16) {
        ModelConfig config = make_config("model", 1, 4);
        config.split_large_requests = true;
        config.batcher.queue.default_policy.max_queue_size = max_queue_size;
        return config;
    }
    std::unique_ptr<Model> make_noting(const ModelConfig& config,
                                       const ExecuteFunction& execute = echo) {
        return make(config, [this, execute](Batch& batch) {
            rows_run.push_back(batch.rows);
            return execute(batch);
        });
    }
    Responses run(Model& model, size_t times) {
        for (size_t i = 0; i < times; ++i) {
            model.instances()[0]->run_once();
        }
        return sink.take();
    }

    std::vector<int64_t> rows_run;
};

Floats counting_from(float first, size_t count) {
    Floats values(count);
    std::iota(values.begin(), values.end(), first);
    return values;
}

TEST_F(SplitRequestTest, parts_run_and_one_answer_has_all_rows_in_order) {
    auto model = make_noting(splitting(), [](Batch& batch) {
        batch.response_parameters = {{"key", true}};
        return echo(batch);
    });
    auto one = request(10, 100);
    one->id = "big";
    ASSERT_TRUE(infer(*model, std::move(one)).ok());
    EXPECT_TRUE(run(*model, 2).empty());
    Responses responses = run(*model, 1);
    ASSERT_EQ(responses.size(), 1u);
    EXPECT_EQ(rows_run, (std::vector<int64_t>{4, 4, 2}));
    const InferenceResponse& response = *responses[0];
    EXPECT_TRUE(response.final);
    EXPECT_EQ(response.model, model->identity());
    EXPECT_EQ(response.tag, 100u);
    ASSERT_NE(response.request, nullptr);
    EXPECT_EQ(response.request->id, "big");
    EXPECT_EQ(response.request->rows, 10);
    EXPECT_FALSE(response.parameters.empty());
    EXPECT_EQ(response.outputs.at(0).shape, Shape({10, 1}));
    EXPECT_EQ(values_of<float>(response.outputs[0]), counting_from(100, 10));
    EXPECT_EQ(model->in_flight(), 0u);
    EXPECT_EQ(model->statistics().inference_count, 10u);
    EXPECT_EQ(model->statistics().execution_count, 3u);
}

TEST_F(SplitRequestTest, last_part_shares_its_batch_with_others) {
    auto model = make_noting(splitting());
    ASSERT_TRUE(infer(*model, request(5, 0)).ok());
    ASSERT_TRUE(infer(*model, request(3, 50)).ok());
    Responses responses = run(*model, 2);
    EXPECT_EQ(rows_run, (std::vector<int64_t>{4, 4}));
    ASSERT_EQ(responses.size(), 2u);
    EXPECT_EQ(values_of<float>(responses[0]->outputs.at(0)), counting_from(0, 5));
    EXPECT_EQ(values_of<float>(responses[1]->outputs.at(0)), counting_from(50, 3));
}

TEST_F(SplitRequestTest, strings_are_cut_between_rows_and_only_wanted_outputs_come) {
    ModelConfig config = splitting();
    config.executor.inputs.push_back(make_spec("INPUT1", DataType::kBytes, {2}));
    config.executor.outputs.push_back(make_spec("OUTPUT1", DataType::kBytes, {2}));
    auto model = make_noting(config);
    auto one = request(5);
    std::vector<std::string> strings;
    for (size_t index = 0; index < 10; ++index) {
        strings.push_back(std::string(index, 'x'));
    }
    one->inputs.push_back(make_string_tensor("INPUT1", {5, 2}, strings));
    one->outputs.emplace_back().name = "OUTPUT1";
    ASSERT_TRUE(infer(*model, std::move(one)).ok());
    Responses responses = run(*model, 2);
    ASSERT_EQ(responses.at(0)->outputs.size(), 1u);
    EXPECT_EQ(responses[0]->outputs[0].shape, Shape({5, 2}));
    EXPECT_EQ(strings_of(responses[0]->outputs[0]), strings);
}

TEST_F(SplitRequestTest, what_fits_is_not_split_and_what_is_wrong_is_refused) {
    auto model = make_noting(splitting());
    ASSERT_TRUE(infer(*model, request(4)).ok());
    EXPECT_EQ(run(*model, 1).size(), 1u);
    auto wrong = request(9);
    wrong->inputs[0].shape = {9, 2};
    EXPECT_EQ(infer(*model, std::move(wrong)).code(), StatusCode::kInvalidArg);

    ModelConfig config = splitting();
    config.split_large_requests = false;
    EXPECT_EQ(infer(*make(config), request(5)),
              invalid_arg("[request id: <id_unknown>] inference request batch-size must be <= 4 "
                          "for 'model'"));
}

TEST_F(SplitRequestTest, failure_of_a_part_is_that_of_the_whole_and_spares_the_rest) {
    auto model = make_noting(splitting(), [this](Batch& batch) {
        return rows_run.size() == 2 ? unavailable("the second failed") : echo(batch);
    });
    ASSERT_TRUE(infer(*model, request(16, 7)).ok());
    EXPECT_TRUE(run(*model, 2).empty());
    Responses responses = run(*model, 1);  // drops what waits
    EXPECT_EQ(rows_run.size(), 2u);
    ASSERT_EQ(responses.size(), 1u);
    EXPECT_EQ(responses[0]->status, unavailable("the second failed"));
    EXPECT_TRUE(responses[0]->outputs.empty());
    EXPECT_EQ(responses[0]->tag, 7u);
    EXPECT_EQ(model->in_flight(), 0u);
}

TEST_F(SplitRequestTest, client_that_leaves_takes_its_parts_along) {
    auto model = make_noting(splitting());
    auto one = request(12);
    one->cancellation = std::make_shared<Cancellation>();
    const std::shared_ptr<Cancellation> cancellation = one->cancellation;
    ASSERT_TRUE(infer(*model, std::move(one)).ok());
    EXPECT_TRUE(run(*model, 1).empty());
    cancellation->requested = true;
    Responses responses = run(*model, 1);
    EXPECT_EQ(rows_run.size(), 1u);
    ASSERT_EQ(responses.size(), 1u);
    EXPECT_EQ(responses[0]->status, cancelled(""));
}

TEST_F(SplitRequestTest, full_queue_refuses_the_first_part_and_the_whole_stays_as_it_was) {
    auto model = make_noting(splitting(1));
    ASSERT_TRUE(infer(*model, request(1)).ok());
    auto one = request(9, 3);
    Status status = model->infer(one);
    EXPECT_EQ(status, unavailable("[request id: <id_unknown>] Exceeds maximum queue size"));
    ASSERT_NE(one, nullptr);
    EXPECT_EQ(one->inputs.at(0).shape, Shape({9, 1}));
    EXPECT_EQ(run(*model, 1).size(), 1u);
    EXPECT_EQ(model->in_flight(), 0u);
}

TEST_F(SplitRequestTest, full_queue_refuses_a_later_part_and_the_whole_fails_once) {
    auto model = make_noting(splitting(2));
    ASSERT_TRUE(infer(*model, request(16, 3)).ok());  // it is taken: its first parts are
    Responses responses = run(*model, 1);
    EXPECT_TRUE(rows_run.empty());
    ASSERT_EQ(responses.size(), 1u);
    EXPECT_EQ(responses[0]->status,
              unavailable("[request id: <id_unknown>] Exceeds maximum queue size"));
    EXPECT_EQ(responses[0]->tag, 3u);
    EXPECT_EQ(model->in_flight(), 0u);
}

TEST_F(SplitRequestTest, parts_whose_shapes_differ_are_internal) {
    ModelConfig config = splitting();
    config.executor.outputs[0].dims = {-1};
    auto model = make_noting(config, [this](Batch& batch) {
        const int64_t width = static_cast<int64_t>(rows_run.size());
        batch.outputs.push_back(make_tensor<float>(
            "OUTPUT0", {batch.rows, width}, Floats(static_cast<size_t>(batch.rows * width))));
        return Status();
    });
    ASSERT_TRUE(infer(*model, request(8)).ok());
    EXPECT_EQ(run(*model, 2).at(0)->status,
              internal_error("unexpected output 'OUTPUT0' of model 'model': the parts of a request "
                             "that was split have other outputs or shapes than [4,1]"));
}

TEST_F(SplitRequestTest, threads_answer_each_whole_once) {
    start_threads = true;
    ModelConfig config = splitting(4096);
    for (const char* name : {"model_0_1", "model_0_2"}) {
        config.instances.emplace_back().name = name;
    }
    auto model = make(config);
    for (uint64_t tag = 0; tag < 200; ++tag) {
        ASSERT_TRUE(infer(*model, request(1 + static_cast<int64_t>(tag % 23), tag)).ok());
    }
    model->stop();
    Responses responses = sink.take();
    ASSERT_EQ(responses.size(), 200u);
    for (const auto& response : responses) {
        ASSERT_TRUE(response->status.ok());
        EXPECT_EQ(values_of<float>(response->outputs.at(0)),
                  counting_from(static_cast<float>(response->tag), 1 + response->tag % 23));
    }
}

}  // namespace
}  // namespace tritonpy
