// Goal: requests that name no version go where the rollout says, labels are found, a bad version
// loses its traffic, and none of it changes an answer.
// Method: a server with real instances and scripted versions, asked one request after the other.
#include "model/rollout.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <latch>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/inference_server.h"
#include "support/collecting_sink.h"
#include "support/request_builder.h"
#include "support/scripted_model.h"

namespace tritonpy {
namespace {

RolloutConfig split(uint32_t stable, uint32_t canary,
                    std::optional<RollbackRule> rollback = std::nullopt) {
    RolloutConfig config;
    config.targets = {{"stable", 1, stable}, {"canary", 2, canary}};
    config.rollback = std::move(rollback);
    return config;
}

struct RolloutTest : ::testing::Test {
    SteadyClock clock;
    Log log;
    CollectingSink sink;
    std::atomic<bool> fails{false};
    std::function<void(Batch& batch)> on_execute = [](Batch&) {};  // set before the first request
    std::unique_ptr<InferenceServer> server;

    void SetUp() override {
        ServerOptions options;
        options.make_factory = scripted([this](Batch& batch) {
            on_execute(batch);
            return fails ? internal_error("it broke") : echo(batch);
        });
        server = std::make_unique<InferenceServer>(std::move(options), clock, log);
        publish({1, 2, 3});
    }

    void publish(const std::vector<int64_t>& versions, const std::vector<int64_t>& retire = {}) {
        std::vector<std::unique_ptr<Model>> models;
        for (int64_t version : versions) {
            models.push_back(server->build_model(make_config("model", version)).value());
        }
        server->publish("model", std::move(models), retire);
    }

    // The version that answers, and 0 for one that fails.
    int64_t ask(int64_t version = -1, uint64_t correlation_id = 0,
                std::vector<RequestHeader> headers = {}) {
        auto request = make_rows_request(1, &sink, 77);
        request->model_version = version;
        request->correlation_id = correlation_id;
        request->headers = std::move(headers);
        EXPECT_TRUE(server->infer(request).ok());
        auto response = std::move(sink.wait_and_take(1)[0]);
        EXPECT_EQ(response->tag, 77u);
        EXPECT_EQ(response->request->sink, &sink);
        return response->status.ok() ? response->model->version : 0;
    }

    uint64_t requests_of(size_t target) {
        return server->rollout_counters("model").value().targets[target].requests;
    }
    std::string reason() { return server->rollout_counters("model").value().rolled_back; }
};

TEST_F(RolloutTest, without_one_the_newest_answers_and_there_are_no_labels) {
    EXPECT_EQ(ask(), 3);
    EXPECT_FALSE(server->rollout_counters("model").has_value());
    EXPECT_FALSE(server->labelled_version("model", "stable").has_value());
    EXPECT_FALSE(server->labelled_version("other", "stable").has_value());
}

TEST_F(RolloutTest, requests_are_split_by_weight_and_counted_by_label) {
    server->set_rollout("model", split(50, 50));
    uint64_t canary = 0;
    for (int request = 0; request < 100; ++request) {
        canary += ask() == 2 ? 1 : 0;
    }
    EXPECT_EQ(canary, 49u);  // give or take one, but no dice: always the same
    EXPECT_EQ(ask(2), 2);
    EXPECT_EQ(ask(3), 3);  // has no label, and is nobody's
    EXPECT_EQ(requests_of(0), 51u);
    EXPECT_EQ(requests_of(1), 50u);
    server->set_rollout("model", split(0, 100));
    EXPECT_EQ(ask(), 2);
    EXPECT_EQ(requests_of(1), 51u);  // it goes on counting
    server->set_rollout("model", std::nullopt);
    EXPECT_EQ(ask(), 3);
}

TEST_F(RolloutTest, labels_lead_to_versions_or_to_the_labels_that_there_are) {
    server->set_rollout("model", split(100, 0));
    EXPECT_EQ(server->labelled_version("model", "canary").value().value(), 2);
    EXPECT_EQ(server->labelled_version("model", "next").value().status(),
              invalid_arg("model 'model' has no version label 'next', only 'stable', 'canary'"));
}

TEST_F(RolloutTest, what_is_no_inference_gets_the_version_with_most_of_the_traffic) {
    server->set_rollout("model", split(60, 40));
    EXPECT_EQ(server->resolve_version("model", -1).value(), 1);
    server->set_rollout("model", split(40, 60));
    EXPECT_EQ(server->resolve_version("model", -1).value(), 2);
    publish({}, {2});
    EXPECT_EQ(server->resolve_version("model", -1).value(), 3);
}

TEST_F(RolloutTest, a_version_that_is_not_ready_fails_nobody) {
    server->set_rollout("model", split(60, 40));
    publish({}, {2});
    for (int request = 0; request < 20; ++request) {
        EXPECT_EQ(ask(), 1);
    }
    publish({}, {1});
    EXPECT_EQ(ask(), 3);
}

TEST_F(RolloutTest, requests_of_one_correlation_id_stay_together) {
    server->set_rollout("model", split(50, 50));
    for (uint64_t id = 1; id <= 20; ++id) {
        const int64_t version = ask(-1, id);
        EXPECT_EQ(ask(-1, id), version);
        EXPECT_EQ(ask(-1, id), version);
    }
    EXPECT_GT(requests_of(0), 0u);
    EXPECT_GT(requests_of(1), 0u);
}

TEST_F(RolloutTest, a_header_leads_to_its_label_while_that_is_ready_and_not_rolled_back) {
    RolloutConfig config = split(100, 0, RollbackRule{0, 0.0, std::nullopt, 10});
    config.headers = {{"x-beta", "yes", 1}};
    server->set_rollout("model", config);
    EXPECT_EQ(*server->routing_headers(), RoutingHeaders::Names{"x-beta"});
    EXPECT_EQ(ask(), 1);
    EXPECT_EQ(ask(-1, 0, {{"x-beta", "yes"}}), 2);
    EXPECT_EQ(ask(-1, 0, {{"x-beta", "no"}}), 1);
    EXPECT_EQ(ask(3, 0, {{"x-beta", "yes"}}), 3);  // who names a version means it
    publish({}, {2});
    EXPECT_EQ(ask(-1, 0, {{"x-beta", "yes"}}), 1);
    publish({2});
    fails = true;
    EXPECT_EQ(ask(-1, 0, {{"x-beta", "yes"}}), 0);
    fails = false;
    EXPECT_EQ(reason(), "label 'canary' (version 2): 1 of the last 10 requests failed");
    EXPECT_EQ(ask(-1, 0, {{"x-beta", "yes"}}), 1);
    server->set_rollout("model", split(100, 0));
    EXPECT_EQ(server->routing_headers(), nullptr);
}

TEST_F(RolloutTest, a_version_that_fails_too_often_loses_its_traffic) {
    server->set_rollout("model", split(50, 50, RollbackRule{0, 0.1, std::nullopt, 20}));
    fails = true;
    EXPECT_EQ(ask(1), 0);
    EXPECT_EQ(ask(1), 0);
    EXPECT_EQ(ask(1), 0);  // the version that it would go back to
    EXPECT_EQ(ask(2), 0);
    EXPECT_EQ(ask(2), 0);
    EXPECT_EQ(reason(), "");
    EXPECT_EQ(ask(2), 0);
    EXPECT_EQ(reason(), "label 'canary' (version 2): 3 of the last 20 requests failed");
    EXPECT_EQ(server->rollout_counters("model").value().targets[1].failures, 3u);
    fails = false;
    for (int request = 0; request < 20; ++request) {
        EXPECT_EQ(ask(), 1);
    }
    EXPECT_EQ(ask(2), 2);  // who names it still gets it
    server->set_rollout("model", split(0, 100, RollbackRule{0, 0.1, std::nullopt, 20}));
    EXPECT_EQ(ask(), 2);
    EXPECT_EQ(reason(), "");
}

TEST_F(RolloutTest, slow_answers_count_and_a_wrong_request_does_not) {
    server->set_rollout("model", split(0, 100, RollbackRule{0, 0.0, int64_t{0}, 100}));
    auto wrong = make_rows_request(9, &sink);  // more rows than a batch may have
    EXPECT_EQ(server->infer(wrong).code(), StatusCode::kInvalidArg);
    EXPECT_EQ(wrong->sink, &sink);
    EXPECT_EQ(reason(), "");
    EXPECT_EQ(ask(), 2);
    EXPECT_EQ(reason(), "");  // one in a hundred may be slow
    EXPECT_EQ(ask(), 2);
    EXPECT_EQ(reason(),
              "label 'canary' (version 2): 2 of the last 100 requests took more than 0 ms");
    EXPECT_EQ(ask(), 1);
}

struct ShadowTest : RolloutTest {
    RolloutConfig shadowed(uint32_t percent) {
        RolloutConfig config = split(100, 0);
        config.shadow = ShadowRule{"canary", 2, percent, {}};
        return config;
    }

    ShadowCounters counted() { return *server->rollout_counters("model").value().shadow; }
    uint64_t total() {
        const ShadowCounters now = counted();
        return now.equal + now.different + now.failed + now.skipped;
    }
    // A shadow is asked after the client has its answer.
    void wait_for_total(uint64_t count) {
        while (total() < count) {
            std::this_thread::yield();
        }
    }
    void drain() { server->drain(std::numeric_limits<int64_t>::max()); }
};

TEST_F(ShadowTest, a_shadow_answers_what_others_answered_and_nobody_sees_it) {
    server->set_rollout("model", shadowed(100));
    EXPECT_EQ(ask(2), 2);      // its own traffic is no second answer
    EXPECT_EQ(ask(-1, 4), 1);  // nor is a sequence to be asked twice
    for (int request = 0; request < 3; ++request) {
        EXPECT_EQ(ask(), 1);
    }
    wait_for_total(3);
    EXPECT_EQ(counted().equal, 3u);
    EXPECT_EQ(total(), 3u);
    EXPECT_EQ(sink.size(), 0u);
    EXPECT_EQ(requests_of(1), 1u);  // what it was asked so is no request of the label
    EXPECT_EQ(server->statistics("model", 2).value().success.count, 4u);
}

TEST_F(ShadowTest, a_share_of_nothing_asks_nothing) {
    server->set_rollout("model", shadowed(0));
    EXPECT_EQ(ask(), 1);
    drain();
    EXPECT_EQ(total(), 0u);
    EXPECT_EQ(server->statistics("model", 2).value().success.count, 0u);
}

TEST_F(ShadowTest, a_shadow_that_is_not_there_fails_nobody_but_itself) {
    server->set_rollout("model", shadowed(100));
    publish({}, {2});
    EXPECT_EQ(ask(), 1);
    wait_for_total(1);
    EXPECT_EQ(counted().failed, 1u);
}

TEST_F(ShadowTest, a_shadow_that_is_behind_is_not_asked_for_more_than_it_has) {
    std::latch may_answer(1);
    on_execute = [&](Batch& batch) {
        if (batch.requests[0]->model_version == 2) {  // which nobody but the shadow names
            may_answer.wait();
        }
    };
    server->set_rollout("model", shadowed(100));
    for (size_t request = 0; request < ShadowTraffic::kMaxInFlight + 2; ++request) {
        EXPECT_EQ(ask(), 1);
    }
    wait_for_total(2);
    EXPECT_EQ(counted().skipped, 2u);
    may_answer.count_down();
    wait_for_total(ShadowTraffic::kMaxInFlight + 2);
    EXPECT_EQ(counted().equal, ShadowTraffic::kMaxInFlight);
    EXPECT_EQ(ask(), 1);
    wait_for_total(ShadowTraffic::kMaxInFlight + 3);
    EXPECT_EQ(counted().skipped, 2u);
}

TEST_F(ShadowTest, what_failed_is_not_asked_again) {
    server->set_rollout("model", shadowed(100));
    fails = true;
    EXPECT_EQ(ask(), 0);
    drain();
    EXPECT_EQ(total(), 0u);
}

}  // namespace
}  // namespace tritonpy
