// Goal: sequences that clients are in the middle of end where they began: while their model is
// replaced, unloaded, or the server stops.
// Method: servers with real threads; another thread reloads or drains, and the test goes on with a
// sequence until that is told to be over.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <memory>
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

constexpr int64_t kNoDeadline = std::numeric_limits<int64_t>::max();
constexpr uint32_t kStart = InferenceRequest::kSequenceStart;
constexpr uint32_t kEnd = InferenceRequest::kSequenceEnd;

struct SequenceModelsTest : ::testing::Test {
    SteadyClock clock;
    Log log;
    CollectingSink sink;
    std::unique_ptr<InferenceServer> server;

    SequenceModelsTest() {
        ServerOptions options;
        options.make_factory = scripted(echo);
        server = std::make_unique<InferenceServer>(std::move(options), clock, log);
        publish(1);
    }
    // Its sequences are never idle for too long.
    void publish(int64_t version, const std::vector<int64_t>& retire = {}) {
        ModelConfig config = make_config("model", version);
        config.sequences.emplace();
        config.sequences->max_idle_us = int64_t{3600} * 1'000'000;
        std::vector<std::unique_ptr<Model>> models;
        models.push_back(server->build_model(config).value());
        server->publish("model", std::move(models), retire);
    }
    Status send(uint64_t id, uint32_t flags) {
        auto request = make_rows_request(1, &sink);
        request->model_name = "model";
        request->correlation_id = id;
        request->flags = flags;
        return server->infer(request);
    }
    // The version that answers the next request of a sequence; 0 when it is refused.
    int64_t version_of(uint64_t id, uint32_t flags = 0) {
        if (!send(id, flags).ok()) {
            return 0;
        }
        auto responses = sink.wait_and_take(1);
        return responses[0]->status.ok() ? responses[0]->model->version : 0;
    }
    void wait_for_newest(int64_t version) {
        const auto newest = [&] {
            const Result<int64_t> found = server->resolve_version("model", -1);
            return found.ok() ? found.value() : 0;
        };
        while (newest() != version) {
            std::this_thread::yield();
        }
    }
};

TEST_F(SequenceModelsTest, are_not_ended_to_make_room_for_other_models) {
    server->offer("model", server->model_identity("model", -1).value(), true);
    EXPECT_EQ(version_of(7, kStart), 1);
    EXPECT_FALSE(server->evict("model", std::numeric_limits<int64_t>::max()));
    EXPECT_EQ(version_of(7), 1);
    EXPECT_EQ(version_of(7, kEnd), 1);
    EXPECT_TRUE(server->evict("model", std::numeric_limits<int64_t>::max()));
}

TEST_F(SequenceModelsTest, go_on_in_the_version_where_they_began_while_another_takes_over) {
    EXPECT_EQ(version_of(7, kStart), 1);
    std::thread reload([&] { publish(2, {1}); });
    wait_for_newest(2);
    EXPECT_EQ(version_of(8, kStart), 2);
    EXPECT_EQ(version_of(7), 1);
    EXPECT_EQ(version_of(8), 2);
    EXPECT_EQ(version_of(7, kEnd), 1);
    reload.join();  // which the end of 7 let go on
    EXPECT_EQ(version_of(7, kStart | kEnd), 2);
}

TEST_F(SequenceModelsTest, go_on_while_their_model_is_unloaded_and_new_ones_are_refused) {
    EXPECT_EQ(version_of(7, kStart), 1);
    std::thread unload([&] { server->publish("model", {}, {1}); });
    wait_for_newest(0);
    EXPECT_EQ(send(8, kStart), not_found("Request for unknown model: 'model' has no available "
                                         "versions"));
    EXPECT_EQ(version_of(7), 1);
    EXPECT_EQ(version_of(7, kEnd), 1);
    unload.join();
    EXPECT_EQ(version_of(7), 0);
}

TEST_F(SequenceModelsTest, go_on_while_the_server_stops_and_new_ones_are_refused) {
    EXPECT_EQ(version_of(7, kStart), 1);
    EXPECT_FALSE(server->drain(clock.now_ns(), false));
    EXPECT_EQ(send(8, kStart), unavailable("[request id: <id_unknown>] Server is stopping, "
                                           "scheduler for model has stopped accepting new "
                                           "inference requests"));
    EXPECT_EQ(version_of(7), 1);
    EXPECT_EQ(version_of(7, kEnd), 1);
    EXPECT_TRUE(server->drain(kNoDeadline, false));
}

TEST_F(SequenceModelsTest, end_when_the_server_waits_for_them_no_longer) {
    EXPECT_EQ(version_of(7, kStart), 1);
    EXPECT_FALSE(server->drain(clock.now_ns(), false));
    EXPECT_TRUE(server->drain(kNoDeadline, true));
    EXPECT_EQ(version_of(7), 0);
}

}  // namespace
}  // namespace tritonpy
