// Goal: the core's one door keeps its promises while models come, go and are replaced: every
// request taken is answered once, a reload fails nobody, a drain loses nothing.
// Method: servers with real instance threads and scripted executors that block where a test needs
// a request to be in flight; one test hammers a server with clients while it reloads.
#include "server/inference_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/collecting_sink.h"
#include "support/request_builder.h"
#include "support/scripted_model.h"

namespace tritonpy {
namespace {

constexpr int64_t kNoDeadline = std::numeric_limits<int64_t>::max();

struct InferenceServerTest : ::testing::Test {
    SteadyClock clock;
    Log log;
    CollectingSink sink;

    std::unique_ptr<InferenceServer> make_server(ExecuteFunction execute = echo) {
        ServerOptions options;
        options.make_factory = scripted(std::move(execute));
        return std::make_unique<InferenceServer>(std::move(options), clock, log);
    }

    void publish(InferenceServer& server, const std::vector<ModelConfig>& configs,
                 const std::vector<int64_t>& retire = {}) {
        std::vector<std::unique_ptr<Model>> models;
        for (const ModelConfig& config : configs) {
            auto model = server.build_model(config);
            ASSERT_TRUE(model.ok()) << model.status().message();
            models.push_back(std::move(model).value());
        }
        server.publish("model", std::move(models), retire);
    }

    Status infer(InferenceServer& server, uint64_t tag = 0, int64_t version = -1) {
        auto request = make_rows_request(1, &sink, tag);
        request->model_version = version;
        request->id = std::to_string(tag);
        Status status = server.infer(request);
        EXPECT_EQ(status.ok(), request == nullptr);
        return status;
    }
};

TEST_F(InferenceServerTest, serves_the_identity_backend_by_default) {
    InferenceServer server(ServerOptions{}, clock, log);
    ModelConfig config = make_config();
    config.executor.backend = "identity";
    publish(server, {config});
    ASSERT_TRUE(infer(server, 5).ok());
    auto responses = sink.wait_and_take(1);
    ASSERT_TRUE(responses[0]->status.ok());
    EXPECT_EQ(values_of<float>(responses[0]->outputs[0]), (std::vector<float>{5}));
}

TEST_F(InferenceServerTest, versions_published_together_answer_by_number_or_the_newest) {
    auto server = make_server();
    publish(*server, {make_config("model", 1), make_config("model", 3)});
    EXPECT_EQ(server->resolve_version("model", -1).value(), 3);
    EXPECT_EQ(server->resolve_version("model", 1).value(), 1);
    EXPECT_EQ(server->model_identity("model", 1).value()->version, 1);
    ASSERT_TRUE(infer(*server, 0, 1).ok());
    EXPECT_EQ(sink.wait_and_take(1)[0]->model->version, 1);
    EXPECT_EQ(server->statistics("model", 1).value().success.count, 1u);
    EXPECT_EQ(server->statistics("model", 3).value().success.count, 0u);
}

TEST_F(InferenceServerTest, unknown_models_get_the_same_text_from_every_question) {
    auto server = make_server();
    server->note_unavailable("model", {2});
    const Status unknown = not_found("Request for unknown model: 'model' version 1 is not found");
    EXPECT_EQ(infer(*server, 0, 1), unknown);
    EXPECT_EQ(server->resolve_version("model", 1).status(), unknown);
    EXPECT_EQ(server->model_identity("model", 1).status(), unknown);
    EXPECT_EQ(server->statistics("model", 1).status(), unknown);
    EXPECT_EQ(infer(*server, 0, 2),
              unavailable("Request for unknown model: 'model' version 2 is not at ready state"));
}

TEST_F(InferenceServerTest, a_build_that_fails_changes_nothing) {
    auto server = make_server();
    publish(*server, {make_config()});
    ModelConfig broken = make_config();
    broken.instances[0].kind = "KIND_GPU";
    EXPECT_EQ(server->build_model(broken).status(), internal_error("GPU instances not supported"));
    EXPECT_TRUE(infer(*server).ok());
    EXPECT_TRUE(sink.wait_and_take(1)[0]->status.ok());
}

TEST_F(InferenceServerTest, unloading_answers_what_is_queued_without_waiting_for_the_batch_delay) {
    auto server = make_server();
    ModelConfig config = make_config();
    config.batcher.max_queue_delay_us = int64_t{3600} * 1'000'000;  // would hang the test
    publish(*server, {config});
    ASSERT_TRUE(infer(*server, 1).ok());
    publish(*server, {}, {1});
    EXPECT_EQ(sink.size(), 1u);
    EXPECT_EQ(infer(*server, 0, 1),
              unavailable("Request for unknown model: 'model' version 1 is not at ready state"));
    EXPECT_EQ(infer(*server), not_found("Request for unknown model: 'model' has no available "
                                        "versions"));
}

TEST_F(InferenceServerTest, a_drain_refuses_reports_and_ends_with_the_last_answer) {
    std::latch executing(1);
    std::latch may_finish(1);
    auto server = make_server([&](Batch& batch) {
        executing.count_down();
        may_finish.wait();
        return echo(batch);
    });
    publish(*server, {make_config("model", 4)});
    ASSERT_TRUE(infer(*server, 1).ok());
    executing.wait();

    EXPECT_FALSE(server->drain(clock.now_ns()));
    EXPECT_EQ(infer(*server, 42),
              unavailable("[request id: 42] Server is stopping, scheduler for model has stopped "
                          "accepting new inference requests"));
    auto in_flight = server->in_flight();
    ASSERT_EQ(in_flight.size(), 1u);
    EXPECT_EQ(in_flight[0].model_name, "model");
    EXPECT_EQ(in_flight[0].model_version, 4);
    EXPECT_EQ(in_flight[0].count, 1u);
    EXPECT_TRUE(server->statistics("model", 4).ok());

    std::thread finisher([&] { may_finish.count_down(); });
    EXPECT_TRUE(server->drain(kNoDeadline));
    EXPECT_EQ(sink.size(), 1u);
    EXPECT_TRUE(server->in_flight().empty());
    finisher.join();
}

TEST_F(InferenceServerTest, a_drain_waits_for_a_model_that_is_being_unloaded) {
    std::latch executing(1);
    std::latch may_finish(1);
    auto server = make_server([&](Batch& batch) {
        executing.count_down();
        may_finish.wait();
        return echo(batch);
    });
    publish(*server, {make_config()});
    ASSERT_TRUE(infer(*server).ok());
    executing.wait();
    std::thread unloader([&] { server->publish("model", {}, {1}); });
    while (server->resolve_version("model", 1).ok()) {
        std::this_thread::yield();  // until the unload has taken it out
    }
    EXPECT_FALSE(server->drain(clock.now_ns()));
    EXPECT_EQ(server->in_flight().size(), 1u);
    may_finish.count_down();
    EXPECT_TRUE(server->drain(kNoDeadline));
    EXPECT_EQ(sink.size(), 1u);
    unloader.join();
}

TEST_F(InferenceServerTest, a_reload_under_load_fails_nobody) {
    constexpr int kClients = 3;
    constexpr int kReloads = 60;
    auto server = make_server();
    publish(*server, {make_config("model", 1, 4, 2)});
    std::atomic<bool> reloading{true};
    std::atomic<uint64_t> answered{0};
    auto client = [&](uint64_t tag) {
        CollectingSink own_sink;
        do {
            for (uint64_t i = 0; i < 4; ++i) {
                auto request = make_rows_request(1, &own_sink, tag + i);
                Status status = server->infer(request);
                ASSERT_TRUE(status.ok()) << status.message();
            }
            std::vector<std::unique_ptr<InferenceResponse>> responses;
            while (responses.size() < 4) {
                for (auto& response : own_sink.wait_and_take(1)) {
                    ASSERT_TRUE(response->status.ok()) << response->status.message();
                    ASSERT_EQ(values_of<float>(response->outputs[0])[0],
                              static_cast<float>(response->request->tag));
                    responses.push_back(std::move(response));
                }
            }
            answered += 4;
        } while (reloading);
    };
    std::vector<std::thread> clients;
    for (uint64_t index = 0; index < kClients; ++index) {
        clients.emplace_back(client, 100 * index);
    }
    for (int reload = 0; reload < kReloads; ++reload) {
        // In turns the same version anew, and another one in its place.
        int64_t version = 1 + (reload / 2) % 2;
        publish(*server, {make_config("model", version, 4, 2)}, {3 - version});
    }
    reloading = false;
    for (std::thread& thread : clients) {
        thread.join();
    }
    EXPECT_GE(answered, uint64_t{4 * kClients});
    EXPECT_TRUE(server->drain(kNoDeadline));
}

TEST_F(InferenceServerTest, drains_race_clients_and_every_request_taken_is_answered) {
    constexpr int kRounds = 20;
    for (int round = 0; round < kRounds; ++round) {
        auto server = make_server();
        publish(*server, {make_config("model", 1, 4, 2)});
        CollectingSink own_sink;
        std::atomic<uint64_t> taken{0};
        std::vector<std::thread> clients;
        for (int index = 0; index < 2; ++index) {
            clients.emplace_back([&] {
                for (int i = 0; i < 200; ++i) {
                    auto request = make_rows_request(1, &own_sink);
                    if (!server->infer(request).ok()) {
                        return;
                    }
                    ++taken;
                }
            });
        }
        EXPECT_TRUE(server->drain(kNoDeadline));
        size_t answered = own_sink.size();
        for (std::thread& thread : clients) {
            thread.join();
        }
        EXPECT_EQ(answered, taken);
        EXPECT_EQ(own_sink.size(), taken);
    }
}

}  // namespace
}  // namespace tritonpy
