// Goal: instances that share resources never run together when they may not, nothing is lost or
// left waiting, and models come and go meanwhile.
// Method: real threads whose executors count who runs beside them; stepped instances where order
// is what matters.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "support/model_fixture.h"

namespace tritonpy {
namespace {

struct RateLimitedModelTest : ModelFixture, ::testing::Test {
    RateLimiter limiter{{}, log};
    std::atomic<int> running{0};
    std::atomic<int> most_running{0};

    RateLimitedModelTest() { rate_limiter = &limiter; }

    static ModelConfig limited_config(const std::string& name, size_t instances, uint64_t units,
                                      uint32_t priority = 1) {
        ModelConfig config = make_config(name, 1, 4, instances);
        config.needs.assign(instances, {0, priority, {{"R1", false, units}}});
        return config;
    }
    std::unique_ptr<Model> make_watched(const ModelConfig& config) {
        return make(config, [this](Batch& batch) {
            const int now = ++running;
            for (int most = most_running; now > most;) {
                most_running.compare_exchange_weak(most, now);
            }
            std::this_thread::yield();
            --running;
            return echo(batch);
        });
    }
    uint64_t held() const {
        uint64_t held = 0;
        for (const ResourceTurns::Use& use : limiter.uses()) {
            held += use.held;
        }
        return held;
    }
};

TEST_F(RateLimitedModelTest, instances_of_two_models_take_turns_and_answer_everything) {
    start_threads = true;
    auto first = make_watched(limited_config("first", 3, 1));
    auto second = make_watched(limited_config("second", 2, 1, 2));
    constexpr size_t kRequests = 400;
    for (size_t i = 0; i < kRequests; ++i) {
        Model& model = i % 2 == 0 ? *first : *second;
        ASSERT_TRUE(infer(model, request(1, i)).ok());
    }
    EXPECT_EQ(sink.wait_and_take(kRequests).size(), kRequests);
    first->stop();
    second->stop();
    EXPECT_EQ(most_running, 1);
    EXPECT_EQ(held(), 0u);
}

TEST_F(RateLimitedModelTest, a_model_is_unloaded_and_drained_while_others_compete) {
    start_threads = true;
    auto steady = make_watched(limited_config("steady", 2, 2));
    size_t sent = 0;
    for (int round = 0; round < 30; ++round) {
        auto brief = make_watched(limited_config("brief", 2, 1));
        for (int i = 0; i < 5; ++i, sent += 2) {
            ASSERT_TRUE(infer(*brief, request(1)).ok());
            ASSERT_TRUE(infer(*steady, request(1)).ok());
        }
        brief->stop();
        EXPECT_EQ(brief->in_flight(), 0u);
    }
    steady->stop();
    EXPECT_EQ(sink.size(), sent);
    EXPECT_EQ(held(), 0u);
}

TEST_F(RateLimitedModelTest, an_idle_model_is_unloaded_while_another_holds_everything) {
    auto busy = make_watched(limited_config("busy", 1, 1));  // stepped
    ASSERT_TRUE(infer(*busy, request(1)).ok());
    busy->instances()[0]->take();
    ASSERT_TRUE(busy->instances()[0]->busy());
    start_threads = true;
    auto idle = make_watched(limited_config("idle", 2, 1));
    idle->stop();
    start_threads = false;
    EXPECT_EQ(held(), 1u);
    busy->instances()[0]->complete();
    EXPECT_EQ(held(), 0u);
}

TEST_F(RateLimitedModelTest, a_batch_forms_when_the_instance_may_run) {
    auto holder = make_watched(limited_config("holder", 1, 1));
    auto waiting = make_watched(limited_config("waiting", 1, 1));
    ASSERT_TRUE(infer(*holder, request(1)).ok());
    holder->instances()[0]->take();
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(infer(*waiting, request(1)).ok());
        EXPECT_EQ(waiting->instances()[0]->take().kind, Pull::Kind::kIdle);
    }
    holder->instances()[0]->complete();
    waiting->instances()[0]->run_once();
    EXPECT_EQ(waiting->statistics().batch_stats[3].compute_infer.count, 1u);
    EXPECT_EQ(held(), 0u);
}

TEST_F(RateLimitedModelTest, a_model_that_could_never_run_is_not_built) {
    RateLimiter small({{"R1", 3, std::nullopt}}, log);
    rate_limiter = &small;
    EXPECT_EQ(try_make(limited_config("model", 1, 4), scripted(echo)).status(),
              invalid_arg("Resource count for \"R1\" is limited to 3 which will prevent scheduling "
                          "of one or more model instances, the minimum required count is 4"));
    EXPECT_TRUE(small.uses().empty());
}

TEST_F(RateLimitedModelTest, a_model_that_fails_to_load_leaves_nothing_behind) {
    ModelConfig config = limited_config("model", 1, 4);
    config.instances[0].kind = "KIND_GPU";
    EXPECT_FALSE(try_make(config, scripted(echo)).ok());
    EXPECT_TRUE(limiter.uses().empty());
}

}  // namespace
}  // namespace tritonpy
