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

// ---- sequences

struct RateLimitedSequencesTest : RateLimitedModelTest {
    static ModelConfig sequence_config(size_t instances) {
        ModelConfig config = limited_config("sequences", instances, 1);
        config.executor.instance_count = instances;
        config.sequences.emplace();
        config.sequences->max_idle_us = 3'600'000'000;
        return config;
    }
    // Slots are numbered over all instances, so that ids 1, 2, 3... begin on instances 0, 1, 0...
    std::unique_ptr<InferenceRequest> in_sequence(uint64_t id, uint64_t tag, uint32_t flags = 0) {
        auto one = request(1, tag);
        one->correlation_id = id;
        one->flags = flags;
        return one;
    }
};

TEST_F(RateLimitedSequencesTest, instances_take_turns_each_with_its_own_sequences) {
    start_threads = true;
    auto model = make_watched(sequence_config(3));
    auto rival = make_watched(limited_config("rival", 1, 1));
    constexpr uint64_t kSequences = 8;
    constexpr uint64_t kLength = 50;
    for (uint64_t place = 0; place < kLength; ++place) {
        for (uint64_t id = 1; id <= kSequences; ++id) {
            const uint32_t flags = (place == 0 ? InferenceRequest::kSequenceStart : 0) |
                                   (place + 1 == kLength ? InferenceRequest::kSequenceEnd : 0);
            ASSERT_TRUE(infer(*model, in_sequence(id, id * 1000 + place, flags)).ok());
        }
        ASSERT_TRUE(infer(*rival, request(1)).ok());
    }
    std::vector<uint64_t> next(kSequences + 1);
    for (const auto& response : sink.wait_and_take((kSequences + 1) * kLength)) {
        EXPECT_EQ(response->status, Status());
        const uint64_t id = response->request->tag / 1000;
        if (id > 0) {
            EXPECT_EQ(response->request->tag % 1000, next[id]++) << "sequence " << id;
        }
    }
    model->stop();
    rival->stop();
    EXPECT_EQ(most_running, 1);
    EXPECT_EQ(held(), 0u);
}

TEST_F(RateLimitedSequencesTest, an_instance_that_holds_units_keeps_others_from_their_sequences) {
    auto model = make_watched(sequence_config(2));
    ASSERT_TRUE(infer(*model, in_sequence(1, 1, InferenceRequest::kSequenceStart)).ok());
    ASSERT_TRUE(infer(*model, in_sequence(2, 2, InferenceRequest::kSequenceStart)).ok());
    EXPECT_EQ(model->instances()[0]->take().kind, Pull::Kind::kBatch);
    EXPECT_EQ(model->instances()[1]->take().kind, Pull::Kind::kIdle);
    model->instances()[0]->complete();
    EXPECT_EQ(model->instances()[1]->run_once().kind, Pull::Kind::kBatch);
    EXPECT_EQ(sink.tags(), (std::vector<uint64_t>{1, 2}));
    EXPECT_EQ(held(), 0u);
}

TEST_F(RateLimitedSequencesTest, unloaded_they_run_what_waits) {
    start_threads = true;
    for (int round = 0; round < 30; ++round) {
        auto model = make_watched(sequence_config(2));
        for (uint64_t id : {1, 2, 3}) {
            ASSERT_TRUE(
                infer(*model, in_sequence(id, id, InferenceRequest::kSequenceStart)).ok());
            ASSERT_TRUE(infer(*model, in_sequence(id, id)).ok());
        }
        model->stop();
        EXPECT_EQ(sink.take().size(), 6u);
    }
    EXPECT_TRUE(limiter.uses().empty());
}

TEST_F(RateLimitedSequencesTest, those_that_could_never_run_are_not_built) {
    RateLimiter small({{"R1", 3, std::nullopt}}, log);
    rate_limiter = &small;
    ModelConfig config = sequence_config(2);
    config.needs[1].resources[0].count = 4;
    EXPECT_EQ(try_make(config, scripted(echo)).status(),
              invalid_arg("Resource count for \"R1\" is limited to 3 which will prevent scheduling "
                          "of one or more model instances, the minimum required count is 4"));
    EXPECT_TRUE(small.uses().empty());
}

// ---- loading

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
