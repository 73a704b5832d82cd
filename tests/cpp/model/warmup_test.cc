// Goal: every scheduled instance runs every sample before its model is there, as often and as large
// as the config says; nothing of it is counted or delivered; whatever fails keeps the model from
// loading, with Triton's text.
// Method: models built with scripted executors of both sorts that note what they are given; the
// log, at verbose, is read back from a file.
#include "model/warmup.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/model_fixture.h"
#include "support/scripted_requests.h"

namespace tritonpy {
namespace {

using Floats = std::vector<float>;

std::string bytes_of(const Floats& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

// A sample of make_config's input.
WarmupSample sample_of(std::string name, uint32_t batch_size = 1, uint32_t count = 1) {
    return {std::move(name),
            batch_size,
            count,
            {{"INPUT0", DataType::kFp32, {1}, bytes_of({7})}}};
}

struct WarmupTest : ModelFixture, ::testing::Test {
    // Builds a model with the samples; notes in `ran` what its instances run.
    Result<std::unique_ptr<Model>> build(ModelConfig config,
                                         const ExecuteFunction& execute = echo) {
        return try_make(config, scripted([this, execute](Batch& batch) {
                            ran.push_back(batch.inputs);
                            return execute(batch);
                        }));
    }
    Status status_of(ModelConfig config, const ExecuteFunction& execute = echo) {
        return build(std::move(config), execute).status();
    }

    std::vector<std::vector<Tensor>> ran;  // inputs of each batch
};

TEST_F(WarmupTest, every_scheduled_instance_runs_every_sample_as_one_batch) {
    ModelConfig config = make_config("model", 1, 8, 3);
    config.instances[1].passive = true;
    config.warmup = {sample_of("one"), sample_of("three", 3, 2)};
    ASSERT_TRUE(build(config).ok());
    ASSERT_EQ(ran.size(), 6u);
    for (size_t instance : {0u, 3u}) {
        EXPECT_EQ(ran[instance].at(0).shape, Shape({1, 1}));
        for (size_t iteration : {1u, 2u}) {
            EXPECT_EQ(ran[instance + iteration].at(0).shape, Shape({3, 1}));
            EXPECT_EQ(values_of<float>(ran[instance + iteration].at(0)), (Floats{7, 7, 7}));
        }
    }
}

TEST_F(WarmupTest, nothing_of_it_is_counted_or_delivered) {
    ModelConfig config = make_config();
    config.warmup = {sample_of("one", 2, 2)};
    auto model = build(config).value();
    EXPECT_EQ(ran.size(), 2u);
    ModelStatsSnapshot stats = model->statistics();
    EXPECT_EQ(stats.inference_count, 0u);
    EXPECT_EQ(stats.execution_count, 0u);
    EXPECT_EQ(stats.success.count, 0u);
    EXPECT_EQ(stats.last_inference_ms, 0u);
    EXPECT_EQ(model->in_flight(), 0u);
    EXPECT_TRUE(sink.take().empty());
}

TEST_F(WarmupTest, sample_of_no_requests_is_left_out_whatever_it_holds) {
    ModelConfig config = make_config();
    config.warmup = {sample_of("none", 0)};
    config.warmup[0].inputs[0].name = "UNKNOWN";
    EXPECT_TRUE(status_of(config).ok());
    EXPECT_TRUE(ran.empty());
}

TEST_F(WarmupTest, batch_may_be_larger_than_requests_may_be) {
    ModelConfig config = make_config("model", 1, 2);
    config.warmup = {sample_of("large", 5)};
    ASSERT_TRUE(build(config).ok());
    EXPECT_EQ(ran.at(0).at(0).shape, Shape({5, 1}));
}

TEST_F(WarmupTest, inputs_have_the_form_that_executors_get) {
    ModelConfig config = make_config();
    config.executor.inputs = {make_spec("INPUTA", DataType::kFp32, {2, 1}),
                              make_spec("INPUTB", DataType::kFp32, {-1})};
    config.executor.inputs[0].reshape = Shape{2};
    config.executor.inputs[1].ragged = true;
    config.batch_inputs = {
        {BatchInputKind::kElementCount, {"COUNTS"}, DataType::kInt32, "INPUTB"}};
    config.warmup = {{"both",
                      2,
                      1,
                      {{"INPUTB", DataType::kFp32, {3}, bytes_of({1, 2, 3})},
                       {"INPUTA", DataType::kFp32, {2, 1}, bytes_of({4, 5})}}}};
    ASSERT_TRUE(build(config).ok());
    const std::vector<Tensor>& inputs = ran.at(0);
    ASSERT_EQ(inputs.size(), 3u);
    EXPECT_EQ(inputs[0].name, "INPUTA");
    EXPECT_EQ(inputs[0].shape, Shape({2, 2}));
    EXPECT_EQ(inputs[1].shape, Shape({6}));
    EXPECT_EQ(values_of<int32_t>(inputs[2]), (std::vector<int32_t>{3, 3}));
}

TEST_F(WarmupTest, model_without_batching_gets_the_dims_alone) {
    ModelConfig config = make_config("model", 1, 0);
    config.warmup = {sample_of("one")};
    ASSERT_TRUE(build(config).ok());
    EXPECT_EQ(ran.at(0).at(0).shape, Shape({1}));
}

TEST_F(WarmupTest, inputs_that_the_config_does_not_name_go_to_the_backend) {
    ModelConfig config = make_config();
    config.warmup = {sample_of("control", 2)};
    config.warmup[0].inputs.push_back({"START", DataType::kFp32, {1}, bytes_of({1})});
    ASSERT_TRUE(build(config).ok());
    ASSERT_EQ(ran.at(0).size(), 2u);
    EXPECT_EQ(ran[0][1].name, "START");
    EXPECT_EQ(ran[0][1].shape, Shape({2, 1}));
}

TEST_F(WarmupTest, failure_says_the_error_of_every_request_and_ends_it) {
    ModelConfig config = make_config();
    config.warmup = {sample_of("good"), sample_of("zero sample", 2, 5), sample_of("later")};
    const Status status = status_of(config, [this](Batch& batch) {
        return ran.size() == 2 ? unavailable("An Error Occurred") : echo(batch);
    });
    EXPECT_EQ(status, invalid_arg("failed to run warmup sample 'zero sample': An Error Occurred; "
                                  "An Error Occurred; "));
    EXPECT_EQ(ran.size(), 2u);
}

TEST_F(WarmupTest, what_no_request_may_be_is_refused_with_the_text_that_clients_get) {
    ModelConfig config = make_config();
    config.warmup = {sample_of("wide")};
    config.warmup[0].inputs[0].dims = {2};
    config.warmup[0].inputs[0].data = bytes_of({1, 2});
    Status status = status_of(config);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArg);
    EXPECT_TRUE(status.message().starts_with(
        "[request id: <id_unknown>] unexpected shape for input 'INPUT0' for model 'model'"));
    config.warmup[0].inputs.clear();
    EXPECT_EQ(status_of(config).code(), StatusCode::kInvalidArg);
    EXPECT_TRUE(ran.empty());
}

TEST_F(WarmupTest, says_in_the_verbose_log_what_it_does) {
    const std::filesystem::path path =
        testing::TempDir() + "warmup_test_" + std::to_string(getpid());
    LogSettings settings;
    settings.file = path;
    settings.verbose_level = 1;
    ASSERT_TRUE(log.configure(settings).ok());
    ModelConfig config = make_config();
    config.warmup = {sample_of("none", 0), sample_of("regular sample", 1, 2), sample_of("bad")};
    EXPECT_FALSE(status_of(config, [this](Batch& batch) {
                     return ran.size() == 3 ? internal_error("no") : echo(batch);
                 }).ok());
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    std::filesystem::remove(path);
    size_t position = 0;
    for (const char* line :
         {"Skipping batch 0 warmup sample 'none'",
          "Generating warmup sample data for 'regular sample'",
          "model 'model' instance model_0_0 is running warmup sample 'regular sample' for "
          "iteration 1",
          "is running warmup sample 'regular sample' for iteration 2",
          "model 'model' instance model_0_0 is running warmup sample 'bad' for iteration 1",
          "model 'model' instance model_0_0 failed to run warmup sample 'bad'"}) {
        position = text.str().find(line, position);
        ASSERT_NE(position, std::string::npos) << line << " is not in its place in\n"
                                               << text.str();
    }
}

// ---- executors that answer requests themselves

struct AnsweringWarmupTest : ModelFixture, ::testing::Test {
    Result<std::unique_ptr<Model>> build(ModelConfig config) {
        return try_make(config, scripted_requests({&script}));
    }

    RequestScript script;
};

TEST_F(AnsweringWarmupTest, waits_for_late_answers_and_counts_none) {
    size_t seen = 0;
    std::vector<std::jthread> late;
    script.run = [&](Batch& batch, ResponseOutlet& outlet) {
        seen = batch.requests.size();
        late.emplace_back([&outlet, requests = std::move(batch.requests)]() mutable {
            for (auto& request : requests) {
                outlet.respond(*request, echo_of(*request));
                outlet.finish(std::move(request), nullptr);
            }
        });
        return Status();
    };
    ModelConfig config = make_config();
    config.warmup = {sample_of("late", 3, 2)};
    auto model = build(config).value();
    EXPECT_EQ(seen, 3u);
    EXPECT_EQ(late.size(), 2u);
    EXPECT_EQ(model->statistics().execution_count, 0u);

    // The outlet of the instance comes after that of the warm-up.
    script.run = echo_requests;
    ASSERT_TRUE(infer(*model, request(1, 5)).ok());
    model->instances()[0]->run_once();
    EXPECT_EQ(sink.take().at(0)->tag, 5u);
    EXPECT_EQ(model->statistics().success.count, 1u);
}

TEST_F(AnsweringWarmupTest, errors_of_answers_and_of_what_was_not_taken_both_fail) {
    script.run = [](Batch& batch, ResponseOutlet& outlet) {
        auto response = std::make_unique<InferenceResponse>();
        response->status = internal_error("first");
        outlet.finish(std::move(batch.requests[0]), std::move(response));
        batch.requests.erase(batch.requests.begin());
        return unavailable("the rest");
    };
    ModelConfig config = make_config();
    config.warmup = {sample_of("mixed", 2)};
    EXPECT_EQ(build(config).status(),
              invalid_arg("failed to run warmup sample 'mixed': first; the rest; "));
}

TEST_F(AnsweringWarmupTest, input_that_the_config_does_not_name_is_refused) {
    ModelConfig config = make_config();
    config.warmup = {sample_of("control")};
    config.warmup[0].inputs.push_back({"START", DataType::kFp32, {1}, bytes_of({1})});
    EXPECT_EQ(build(config).status(),
              invalid_arg("unexpected inference input 'START' for model 'model'"));
}

}  // namespace
}  // namespace tritonpy
