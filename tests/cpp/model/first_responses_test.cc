// Goal: the time to a request's first response is counted once, whoever answers it and however.
// Method: durations counted by hand, then models stepped by hand under a manual clock.
#include "model/first_responses.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "model/model.h"
#include "support/model_fixture.h"
#include "support/scripted_requests.h"

namespace tritonpy {
namespace {

constexpr int64_t kMs = 1'000'000;

TEST(FirstResponses, durations_fall_into_the_bucket_whose_bound_they_do_not_exceed) {
    FirstResponses histogram({1, 2.5});
    for (int64_t duration_ns : {-5L, kMs, kMs + 1, 5 * kMs / 2, 3 * kMs}) {
        histogram.count(duration_ns);
    }
    FirstResponseCounts now = histogram.snapshot();
    EXPECT_EQ(now.bounds_ms, (std::vector<double>{1, 2.5}));
    EXPECT_EQ(now.counts, (std::vector<uint64_t>{2, 2, 1}));
    EXPECT_EQ(now.ns, static_cast<uint64_t>(kMs + kMs + 1 + 5 * kMs / 2 + 3 * kMs));
}

TEST(FirstResponses, without_bounds_there_is_nothing) {
    FirstResponseCounts now = FirstResponses({}).snapshot();
    EXPECT_TRUE(now.bounds_ms.empty());
    EXPECT_TRUE(now.counts.empty());
}

struct ModelFirstResponsesTest : ModelFixture, ::testing::Test {
    ModelConfig measured() {
        ModelConfig config = make_config();
        config.first_response_bounds_ms = {10};
        return config;
    }
    RequestScript script;
};

TEST_F(ModelFirstResponsesTest, every_request_of_a_batch_counts_whether_it_succeeds_or_not) {
    bool fails = false;
    auto model = make(measured(), [&](Batch& batch) {
        clock.advance_ns(fails ? 20 * kMs : 5 * kMs);
        return fails ? internal_error("it failed") : echo(batch);
    });
    for (int round = 0; round < 2; ++round) {
        ASSERT_TRUE(infer(*model, request(1)).ok());
        ASSERT_TRUE(infer(*model, request(1)).ok());
        model->instances()[0]->run_once();
        fails = true;
    }
    EXPECT_EQ(model->statistics().first_responses.counts, (std::vector<uint64_t>{2, 2}));
}

TEST_F(ModelFirstResponsesTest, the_first_of_many_counts_and_no_other) {
    script.run = [this](Batch& batch, ResponseOutlet& outlet) {
        clock.advance_ns(5 * kMs);
        for (int repeat = 0; repeat < 3; ++repeat) {
            outlet.respond(*batch.requests[0], echo_of(*batch.requests[0]));
            clock.advance_ns(20 * kMs);
        }
        outlet.finish(std::move(batch.requests[0]), nullptr);
        batch.requests.clear();
        return Status();
    };
    ModelConfig config = measured();
    config.decoupled = true;
    const ExecutorFactoryMaker maker = scripted_requests({&script});
    auto model = try_make(config, maker).value();
    ASSERT_TRUE(infer(*model, request(1)).ok());
    model->instances()[0]->run_once();
    EXPECT_EQ(sink.take().size(), 4u);
    EXPECT_EQ(model->statistics().first_responses.counts, (std::vector<uint64_t>{1, 0}));
    EXPECT_EQ(model->statistics().first_responses.ns, static_cast<uint64_t>(5 * kMs));
}

TEST_F(ModelFirstResponsesTest, an_end_without_a_response_is_none_and_an_error_is_one) {
    script.run = [this](Batch& batch, ResponseOutlet& outlet) {
        clock.advance_ns(15 * kMs);
        outlet.finish(std::move(batch.requests[0]), nullptr);
        auto error = std::make_unique<InferenceResponse>();
        error->status = not_found("nothing");
        outlet.finish(std::move(batch.requests[1]), std::move(error));
        batch.requests.clear();
        return Status();
    };
    ModelConfig config = measured();
    config.decoupled = true;
    const ExecutorFactoryMaker maker = scripted_requests({&script});
    auto model = try_make(config, maker).value();
    ASSERT_TRUE(infer(*model, request(1)).ok());
    ASSERT_TRUE(infer(*model, request(1)).ok());
    model->instances()[0]->run_once();
    EXPECT_EQ(model->statistics().first_responses.counts, (std::vector<uint64_t>{0, 1}));
}

}  // namespace
}  // namespace tritonpy
