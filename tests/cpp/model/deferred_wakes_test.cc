// Goal: models that get requests in one burst are woken together, however the requests are made.
// Method: models without threads, whose sink looks at the burst that its answers come in.
#include "model/deferred_wakes.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "support/model_fixture.h"

namespace tritonpy {
namespace {

struct DeferredWakesTest : ModelFixture, ::testing::Test {};

TEST_F(DeferredWakesTest, keeps_a_model_open_until_it_has_woken_it) {
    auto model = make(make_config());
    DeferredWakes wakes;
    wakes.add(ModelRef(*model));
    wakes.add(ModelRef(*model));
    EXPECT_TRUE(model->is_entered());
    wakes.wake_all();
    EXPECT_FALSE(model->is_entered());
}

TEST_F(DeferredWakesTest, bursts_nest) {
    EXPECT_EQ(DeferredWakes::of_burst(), nullptr);
    DeferredWakes outer;
    DeferredWakes inner;
    {
        DeferredWakes::Burst outer_burst(outer);
        {
            DeferredWakes::Burst inner_burst(inner);
            EXPECT_EQ(DeferredWakes::of_burst(), &inner);
        }
        EXPECT_EQ(DeferredWakes::of_burst(), &outer);
    }
    EXPECT_EQ(DeferredWakes::of_burst(), nullptr);
}

// Asks the next model, as a step of an ensemble that gets its input would.
class NextStep final : public ResponseSink {
  public:
    explicit NextStep(Model& next) : next_(next) {}
    void deliver(std::unique_ptr<InferenceResponse>) override {
        DeferredWakes* const burst = DeferredWakes::of_burst();
        was_asleep_.push_back(burst != nullptr);
        if (burst != nullptr) {
            burst->add(ModelRef(next_));
        }
    }
    const std::vector<bool>& was_asleep() const { return was_asleep_; }

  private:
    Model& next_;
    std::vector<bool> was_asleep_;
};

TEST_F(DeferredWakesTest, what_the_answers_of_a_batch_begin_is_one_burst) {
    auto next = make(make_config("next"));
    NextStep step(*next);
    auto model = make(make_config());
    for (uint64_t tag : {0, 1}) {
        ASSERT_TRUE(infer(*model, make_rows_request(1, &step, tag)).ok());
    }
    EXPECT_TRUE(model->run_queued());
    EXPECT_EQ(step.was_asleep(), (std::vector<bool>{true, true}));
    EXPECT_FALSE(next->is_entered());
    EXPECT_EQ(DeferredWakes::of_burst(), nullptr);
}

}  // namespace
}  // namespace tritonpy
