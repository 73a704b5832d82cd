// Goal: models share answers through redis, and nothing that redis does fails a request.
// Method: models that count their executions, on a redis that the test holds, breaks and mends.
#include "model/remote_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/cached_answer_bytes.h"
#include "support/model_fixture.h"
#include "support/scripted_redis.h"

namespace tritonpy {
namespace {

struct RemoteCacheTest : ModelFixture, ::testing::Test {
    ScriptedRedis redis;
    std::atomic<int> executions{0};
    std::unique_ptr<RemoteCache> cache;

    RemoteCacheTest() {
        start_threads = true;
        cache = make_cache();
        response_cache = cache.get();
    }
    std::unique_ptr<RemoteCache> make_cache() {
        const RemoteCacheTimes times{1'000'000, 1, 1};
        auto made = RemoteCache::create(redis.connector(), times, clock, log);
        TRITONPY_CHECK(made.ok());
        return std::move(made).value();
    }
    static ModelConfig cached_config(const std::string& digest = "digest") {
        ModelConfig config = make_config();
        config.response_cache = true;
        config.content_digest = digest;
        return config;
    }
    std::unique_ptr<Model> make_counting(const ModelConfig& config) {
        return make(config, [this](Batch& batch) {
            ++executions;
            return echo(batch);
        });
    }
    std::unique_ptr<InferenceResponse> ask(Model& model, std::unique_ptr<InferenceRequest> one) {
        EXPECT_TRUE(model.infer(one).ok());
        EXPECT_EQ(one, nullptr);
        auto responses = sink.wait_and_take(1);
        EXPECT_EQ(responses.size(), 1u);
        EXPECT_EQ(responses.front()->request->sink, &sink);
        return std::move(responses.front());
    }
    // The same until it is answered without being run: redis may be on its way back.
    void ask_until_kept(Model& model, uint64_t tag) {
        for (int before = -1; before != executions;) {
            before = executions;
            EXPECT_TRUE(ask(model, request(1, tag))->status.ok());
        }
    }
};

TEST_F(RemoteCacheTest, an_equal_request_is_answered_from_redis) {
    auto model = make_counting(cached_config());
    ask(*model, request(2, 5));
    redis.wait_for_sets(1);
    EXPECT_TRUE(redis.values().begin()->first.starts_with("tritonpy:answer:1:model:1:"));
    auto again = ask(*model, request(2, 5));
    EXPECT_EQ(executions, 1);
    EXPECT_EQ(again->model, model->identity());
    EXPECT_EQ(again->tag, 5u);
    EXPECT_EQ(values_of<float>(again->outputs[0]), (std::vector<float>{5, 6}));
    const ModelStatsSnapshot stats = model->statistics();
    EXPECT_EQ(stats.cache_hit.count, 1u);
    EXPECT_EQ(stats.cache_miss.count, 1u);
    EXPECT_EQ(stats.success.count, 2u);
    EXPECT_EQ(cache->counters().lookups, 2u);
    EXPECT_EQ(cache->counters().hits, 1u);
    EXPECT_EQ(cache->counters().capacity, 0u);
    model.reset();
}

TEST_F(RemoteCacheTest, servers_share_answers_of_models_that_are_the_same) {
    auto model = make_counting(cached_config());
    ask(*model, request(1));
    redis.wait_for_sets(1);
    const auto other_cache = make_cache();
    response_cache = other_cache.get();
    auto same = make_counting(cached_config());
    ask(*same, request(1));
    EXPECT_EQ(executions, 1);
    auto changed = make_counting(cached_config("other files"));
    ask(*changed, request(1));
    EXPECT_EQ(executions, 2);
    ModelConfig newer = cached_config();
    newer.executor.model_version = 2;
    auto version = make_counting(newer);
    ask(*version, request(1));
    EXPECT_EQ(executions, 3);
}

TEST_F(RemoteCacheTest, a_value_that_is_no_answer_is_a_miss) {
    auto model = make_counting(cached_config());
    ask(*model, request(1));
    redis.wait_for_sets(1);
    const std::string key = redis.values().begin()->first;
    const std::string good = redis.values().begin()->second;
    size_t expected = 1;
    for (const std::string& value : {std::string(), std::string("x"), good + "x"}) {
        redis.plant(key, value);
        EXPECT_EQ(values_of<float>(ask(*model, request(1))->outputs[0]), std::vector<float>{0});
        EXPECT_EQ(static_cast<size_t>(executions), ++expected);
        redis.wait_for_sets(expected);  // the good one is there again, and will not come late
    }
}

TEST_F(RemoteCacheTest, a_refused_command_is_a_miss) {
    auto model = make_counting(cached_config());
    redis.set_refusal("OOM command not allowed");
    ask(*model, request(1));
    ask(*model, request(1));
    EXPECT_EQ(executions, 2);
    redis.set_refusal("");
    ask_until_kept(*model, 0);
}

TEST_F(RemoteCacheTest, without_redis_models_go_on_and_with_it_they_have_answers_again) {
    auto model = make_counting(cached_config());
    ask(*model, request(1));
    redis.wait_for_sets(1);
    redis.set_down(true);
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(ask(*model, request(1))->status.ok());
    }
    EXPECT_EQ(executions, 4);
    redis.wait_for_connects(4);
    redis.set_down(false);
    ask_until_kept(*model, 0);
}

TEST_F(RemoteCacheTest, a_lookup_that_waits_too_long_is_not_made) {
    auto model = make_counting(cached_config());
    redis.set_held(true);
    auto first = request(1, 1);
    ASSERT_TRUE(model->infer(first).ok());
    redis.wait_until_waiting();
    auto late = request(1, 2);
    ASSERT_TRUE(model->infer(late).ok());
    EXPECT_EQ(model->in_flight(), 2u);
    EXPECT_EQ(executions, 0);
    clock.advance_ns(1'000'001);
    redis.set_held(false);
    for (const auto& response : sink.wait_and_take(2)) {
        EXPECT_TRUE(response->status.ok());
    }
    EXPECT_EQ(redis.gets(), 1u);
    EXPECT_EQ(model->statistics().cache_hit.count, 0u);
}

TEST_F(RemoteCacheTest, when_the_inbox_is_full_requests_run_without_a_lookup) {
    auto model = make_counting(cached_config());
    redis.set_held(true);
    auto first = request(1, 1);
    ASSERT_TRUE(model->infer(first).ok());
    redis.wait_until_waiting();
    for (uint64_t tag = 2; tag < RemoteCache::kMaxLookups + 2; ++tag) {
        auto one = request(1, tag);
        ASSERT_TRUE(model->infer(one).ok());
    }
    EXPECT_EQ(sink.size(), 0u);
    auto one = request(1, 1'000'000);
    ASSERT_TRUE(model->infer(one).ok());
    EXPECT_EQ(sink.wait_and_take(1)[0]->tag, 1'000'000u);
    redis.set_held(false);
    sink.wait_and_take(RemoteCache::kMaxLookups + 1);
}

TEST_F(RemoteCacheTest, a_request_that_is_refused_after_its_lookup_is_told_so) {
    ModelConfig config = cached_config();
    config.batcher.queue.default_policy.max_queue_size = 1;
    start_threads = false;  // nobody takes what is queued
    auto model = make_counting(config);
    auto first = request(1, 1);
    ASSERT_TRUE(model->infer(first).ok());
    auto second = request(1, 2);
    ASSERT_TRUE(model->infer(second).ok());
    const auto responses = sink.wait_and_take(1);
    EXPECT_EQ(responses[0]->tag, 2u);
    EXPECT_TRUE(responses[0]->final);
    EXPECT_EQ(responses[0]->status.code(), StatusCode::kUnavailable);
    EXPECT_EQ(responses[0]->request->sink, &sink);
    EXPECT_EQ(model->statistics().fail.count, 1u);
    model->stop();
    EXPECT_EQ(sink.wait_and_take(1)[0]->tag, 1u);
    EXPECT_EQ(model->in_flight(), 0u);
}

TEST_F(RemoteCacheTest, closing_a_model_waits_for_its_lookups) {
    auto model = make_counting(cached_config());
    redis.set_held(true);
    auto one = request(1, 1);
    ASSERT_TRUE(model->infer(one).ok());
    redis.wait_until_waiting();
    EXPECT_TRUE(model->is_entered());
    model->shut();
    auto refused = request(1, 2);
    EXPECT_FALSE(static_cast<bool>(ModelRef(*model)));
    redis.set_held(false);
    model->stop();
    const auto responses = sink.take();
    ASSERT_EQ(responses.size(), 1u);
    EXPECT_TRUE(responses[0]->status.ok());
    EXPECT_FALSE(model->is_entered());
}

TEST_F(RemoteCacheTest, an_answer_that_is_too_large_is_given_and_not_kept) {
    const auto shelf = cache->open(std::make_shared<ModelIdentity>(), "");
    const std::vector<std::byte> bytes(RemoteCache::kMaxBytes);
    InferenceResponse response;
    response.outputs.push_back(make_raw_tensor(
        "OUTPUT0", DataType::kUint8, {static_cast<int64_t>(bytes.size())}, bytes));
    const Status kept = shelf->insert({}, response);
    EXPECT_EQ(kept.code(), StatusCode::kInvalidArg);
    EXPECT_TRUE(kept.message().starts_with("Failed to insert key: ")) << kept.message();
}

TEST_F(RemoteCacheTest, a_model_that_keeps_order_has_no_answers_elsewhere) {
    ModelConfig config = cached_config();
    config.batcher.preserve_ordering = true;
    auto model = make_counting(config);
    ask(*model, request(1));
    ask(*model, request(1));
    EXPECT_EQ(executions, 2);
    EXPECT_EQ(cache->counters().lookups, 0u);
}

TEST_F(RemoteCacheTest, a_server_that_is_away_at_the_start_is_an_error) {
    redis.set_down(true);
    const auto made = RemoteCache::create(redis.connector(), {}, clock, log);
    EXPECT_EQ(made.status(), internal_error("failed to connect"));
}

TEST_F(RemoteCacheTest, ends_at_once_while_redis_is_away) {
    const RemoteCacheTimes times{1'000'000, int64_t{3600} * 1'000'000'000, 1};
    auto made = RemoteCache::create(redis.connector(), times, clock, log);
    ASSERT_TRUE(made.ok());
    auto patient = std::move(made).value();
    response_cache = patient.get();
    auto model = make_counting(cached_config());
    redis.set_down(true);
    EXPECT_TRUE(ask(*model, request(1))->status.ok());
    model.reset();
    patient.reset();
}

}  // namespace
}  // namespace tritonpy
