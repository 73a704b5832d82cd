// Goal: requests for a model that is not in memory wait for it, each is answered once, a model is
// taken out only when it has nothing to do, and nobody notices but by waiting.
// Method: a server with real instances and scripted executors; the test plays the control plane,
// and in the last case races it against clients.
#include "model/model_demand.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <limits>
#include <memory>
#include <mutex>
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

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();
constexpr int64_t kSecondNs = 1'000'000'000;

std::shared_ptr<const ModelIdentity> expected() {
    auto identity = std::make_shared<ModelIdentity>();
    identity->name = "model";
    identity->version = -1;
    return identity;
}

struct ModelsOnDemandTest : ::testing::Test {
    SteadyClock clock;
    Log log;
    CollectingSink sink;
    ExecuteFunction execute = echo;
    std::unique_ptr<InferenceServer> server;

    void SetUp() override {
        ServerOptions options;
        options.make_factory = scripted([this](Batch& batch) { return execute(batch); });
        server = std::make_unique<InferenceServer>(std::move(options), clock, log);
        server->offer("model", expected(), false);
    }

    void load(int64_t version = 1) {
        std::vector<std::unique_ptr<Model>> models;
        models.push_back(server->build_model(make_config("model", version)).value());
        server->publish("model", std::move(models), {});
        server->let_in("model");
    }

    Status ask(uint64_t tag = 0, int64_t version = -1) {
        auto request = make_rows_request(1, &sink, tag);
        request->model_version = version;
        Status status = server->infer(request);
        EXPECT_EQ(status.ok(), request == nullptr);
        return status;
    }

    std::vector<std::string> answers(size_t count) {
        std::vector<std::string> texts;
        for (const auto& response : sink.wait_and_take(count)) {
            EXPECT_NE(response->request, nullptr);
            EXPECT_EQ(response->status.ok(), response->outputs.size() == 1);
            texts.emplace_back(response->status.message());
        }
        return texts;
    }

    bool evict() { return server->evict("model", kForever); }
    DemandCounters counters() { return server->demand_counters().at(0); }
};

TEST_F(ModelsOnDemandTest, requests_wait_for_one_load_and_run_in_their_order) {
    for (uint64_t tag = 1; tag <= 3; ++tag) {
        ASSERT_TRUE(ask(tag).ok());
    }
    EXPECT_EQ(server->next_wanted(), "model");
    EXPECT_EQ(counters().waiting, 3u);
    load();
    std::vector<uint64_t> order;
    for (const auto& response : sink.wait_and_take(3)) {
        EXPECT_TRUE(response->status.ok());
        order.push_back(response->tag);
    }
    EXPECT_EQ(order, (std::vector<uint64_t>{1, 2, 3}));
    ASSERT_TRUE(ask().ok());
    EXPECT_EQ(answers(1), std::vector<std::string>{""});
    EXPECT_EQ(counters().waits, 3u);
    EXPECT_EQ(counters().hits, 1u);
    EXPECT_TRUE(counters().is_in);
}

TEST_F(ModelsOnDemandTest, what_is_expected_stands_in_for_a_model_that_is_out) {
    EXPECT_EQ(server->model_identity("model", 7).value()->version, -1);
    EXPECT_EQ(server->resolve_version("model", -1).status().code(), StatusCode::kNotFound);
    EXPECT_TRUE(server->check_ready("model", -1).ok());
    EXPECT_TRUE(server->is_out("model").value());
    EXPECT_FALSE(server->is_out("other").value());
    load(3);
    EXPECT_EQ(server->model_identity("model", -1).value()->version, 3);
    EXPECT_FALSE(server->is_out("model").value());
    ASSERT_TRUE(evict());
    EXPECT_EQ(server->model_identity("model", -1).value()->version, 3);
}

TEST_F(ModelsOnDemandTest, a_version_that_there_is_not_is_said_once_the_model_is_there) {
    ASSERT_TRUE(ask(0, 9).ok());
    load();
    EXPECT_EQ(answers(1), std::vector<std::string>{
                              "Request for unknown model: 'model' version 9 is not found"});
}

TEST_F(ModelsOnDemandTest, a_model_that_does_not_load_is_refused_for_as_long_as_is_said) {
    ASSERT_TRUE(ask().ok());
    EXPECT_EQ(server->next_wanted(), "model");
    server->refuse_waiting("model", unavailable("no weights"), 3600 * kSecondNs);
    EXPECT_EQ(answers(1), std::vector<std::string>{"no weights"});
    EXPECT_EQ(ask(), unavailable("no weights"));
    EXPECT_EQ(server->check_ready("model", -1), unavailable("no weights"));
    EXPECT_EQ(server->is_out("model").status(), unavailable("no weights"));
    server->offer("model", expected(), false);  // its files have changed
    ASSERT_TRUE(ask().ok());
    EXPECT_EQ(server->next_wanted(), "model");
    server->refuse_waiting("model", unavailable("no weights"), 0);
    EXPECT_EQ(answers(1), std::vector<std::string>{"no weights"});
    ASSERT_TRUE(ask().ok());
    EXPECT_EQ(server->next_wanted(), "model");
    load();
    EXPECT_EQ(answers(1), std::vector<std::string>{""});
}

TEST_F(ModelsOnDemandTest, too_many_that_wait_are_refused) {
    for (size_t tag = 0; tag < ModelDemand::kMaxWaiting; ++tag) {
        ASSERT_TRUE(ask(tag).ok());
    }
    EXPECT_EQ(ask(), unavailable("[request id: <id_unknown>] Exceeds maximum queue size"));
    server->refuse_waiting("model", unavailable("enough"), 0);
    EXPECT_EQ(sink.wait_and_take(ModelDemand::kMaxWaiting).size(), ModelDemand::kMaxWaiting);
}

TEST_F(ModelsOnDemandTest, an_evicted_model_comes_back_when_it_is_wanted) {
    load();
    ASSERT_TRUE(evict());
    EXPECT_FALSE(evict());  // it is out
    ASSERT_TRUE(ask().ok());
    EXPECT_EQ(server->next_wanted(), "model");
    load();
    EXPECT_EQ(answers(1), std::vector<std::string>{""});
}

TEST_F(ModelsOnDemandTest, a_busy_model_goes_when_it_has_answered_and_others_wait_meanwhile) {
    std::latch entered(1), released(1);
    execute = [&](Batch& batch) {
        entered.count_down();
        released.wait();
        return echo(batch);
    };
    load();
    ASSERT_TRUE(ask(1).ok());
    entered.wait();
    EXPECT_FALSE(server->evict("model", clock.now_ns()));  // it has no time
    std::atomic<bool> evicted{false};
    std::thread evicting([&] { evicted = evict(); });
    while (!server->is_out("model").value()) {
        std::this_thread::yield();
    }
    ASSERT_TRUE(ask(2).ok());
    EXPECT_EQ(counters().waiting, 1u);
    EXPECT_FALSE(evicted);
    released.count_down();
    evicting.join();
    EXPECT_TRUE(evicted);
    EXPECT_EQ(answers(1), std::vector<std::string>{""});
    EXPECT_EQ(server->next_wanted(), "model");
    load();
    EXPECT_EQ(answers(1), std::vector<std::string>{""});
}

TEST_F(ModelsOnDemandTest, a_withdrawn_model_is_there_or_not) {
    ASSERT_TRUE(ask().ok());
    server->withdraw("model");
    EXPECT_EQ(answers(1), std::vector<std::string>{
                              "Request for unknown model: 'model' has no available versions"});
    EXPECT_EQ(ask().code(), StatusCode::kNotFound);
    load();
    ASSERT_TRUE(ask().ok());
    EXPECT_EQ(answers(1), std::vector<std::string>{""});
    EXPECT_FALSE(evict());  // it is on demand no longer
    EXPECT_TRUE(server->demand_counters().empty());
}

TEST_F(ModelsOnDemandTest, a_drain_answers_who_waits_and_ends_the_wanting) {
    ASSERT_TRUE(ask().ok());
    EXPECT_TRUE(server->drain(kForever));
    EXPECT_EQ(answers(1), std::vector<std::string>{"Server is stopping"});
    EXPECT_EQ(server->next_wanted(), std::nullopt);
    EXPECT_EQ(ask().code(), StatusCode::kUnavailable);
}

TEST_F(ModelsOnDemandTest, clients_race_loads_and_evictions_and_all_are_answered) {
    constexpr int kClients = 4;
    constexpr uint64_t kRequests = 300;
    std::atomic<bool> done{false};
    std::mutex changes;  // of one model one comes after the other, as in the control plane
    std::thread loader([&] {
        while (server->next_wanted()) {
            std::lock_guard lock(changes);
            load();
        }
    });
    std::thread evicting([&] {
        while (!done) {
            std::lock_guard lock(changes);
            server->evict("model", clock.now_ns() + kSecondNs);
        }
    });
    std::vector<std::thread> clients;
    for (int client = 0; client < kClients; ++client) {
        clients.emplace_back([&] {
            CollectingSink own;
            for (uint64_t tag = 0; tag < kRequests; ++tag) {
                auto request = make_rows_request(1, &own, tag);
                ASSERT_TRUE(server->infer(request).ok());
                auto responses = own.wait_and_take(1);
                EXPECT_TRUE(responses[0]->status.ok()) << responses[0]->status.message();
                EXPECT_EQ(responses[0]->tag, tag);
            }
        });
    }
    for (std::thread& client : clients) {
        client.join();
    }
    done = true;
    evicting.join();
    server->stop_wanting();
    loader.join();
    EXPECT_GT(counters().waits, 0u);
    EXPECT_EQ(counters().hits + counters().waits, kClients * kRequests);
}

}  // namespace
}  // namespace tritonpy
