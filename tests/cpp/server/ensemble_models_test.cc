// Goal: ensembles in a server: many at once on real threads, unloaded, reloaded and drained with
// requests inside, counted as the statistics extension says.
// Method: servers with scripted executors that block where a request must be in flight.
#include <gtest/gtest.h>

#include <latch>
#include <limits>
#include <memory>
#include <semaphore>
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

// A chain of models from INPUT0 to OUTPUT0, called "ensemble".
ModelConfig chain(const std::vector<std::string>& models, const std::string& name = "ensemble") {
    ModelConfig config = make_config(name);
    config.instances.clear();
    config.ensemble.emplace();
    for (size_t index = 0; index < models.size(); ++index) {
        EnsembleStep step;
        step.model_name = models[index];
        const std::string from = index == 0 ? "INPUT0" : "t" + std::to_string(index);
        const std::string to =
            index + 1 == models.size() ? "OUTPUT0" : "t" + std::to_string(index + 1);
        step.inputs.push_back({"INPUT0", from, false, 2});
        step.outputs.push_back({"OUTPUT0", to});
        config.ensemble->steps.push_back(std::move(step));
    }
    return config;
}

struct EnsembleModelsTest : ::testing::Test {
    SteadyClock clock;
    Log log;
    CollectingSink sink;
    std::unique_ptr<InferenceServer> server;

    void start(ExecuteFunction execute = echo, size_t response_cache_bytes = 0) {
        ServerOptions options;
        options.response_cache_bytes = response_cache_bytes;
        options.make_factory = scripted(std::move(execute));
        server = std::make_unique<InferenceServer>(std::move(options), clock, log);
    }
    void publish(const ModelConfig& config, const std::vector<int64_t>& retire = {}) {
        std::vector<std::unique_ptr<Model>> models;
        models.push_back(server->build_model(config).value());
        server->publish(config.executor.model_name, std::move(models), retire);
    }
    void send(uint64_t tag = 0, const std::string& model = "ensemble") {
        auto request = make_rows_request(2, &sink, tag);
        request->model_name = model;
        ASSERT_TRUE(server->infer(request).ok());
    }
    ModelStatsSnapshot statistics(const std::string& model) {
        return server->statistics(model, -1).value();
    }
};

// Blocks the first batch of every model until it is let go.
struct Hold {
    std::binary_semaphore begun{0};
    std::counting_semaphore<> let_go{0};

    ExecuteFunction echo_when_let_go() {
        return [this](Batch& batch) {
            begun.release();
            let_go.acquire();
            return echo(batch);
        };
    }
};

TEST_F(EnsembleModelsTest, a_chain_answers_and_counts_as_one_model) {
    start();
    publish(make_config("a"));
    publish(chain({"a", "a", "a"}));
    send(5);
    auto responses = sink.wait_and_take(1);
    ASSERT_TRUE(responses[0]->status.ok()) << responses[0]->status.message();
    EXPECT_EQ(responses[0]->model->name, "ensemble");
    EXPECT_EQ(values_of<float>(responses[0]->outputs[0]), (std::vector<float>{5, 6}));
    EXPECT_EQ(responses[0]->request->tag, 5u);
    ModelStatsSnapshot whole = statistics("ensemble");
    ModelStatsSnapshot steps = statistics("a");
    EXPECT_EQ(whole.success.count, 1u);
    EXPECT_EQ(whole.inference_count, 2u);
    EXPECT_EQ(whole.execution_count, 1u);
    EXPECT_EQ(steps.success.count, 3u);
    EXPECT_EQ(whole.compute_infer.ns, steps.compute_infer.ns);
    EXPECT_EQ(whole.compute_input.ns, steps.compute_input.ns);
    EXPECT_EQ(whole.compute_output.ns, steps.compute_output.ns);
    EXPECT_EQ(whole.batch_stats.at(2).compute_infer.count, 1u);
}

TEST_F(EnsembleModelsTest, an_answer_from_the_cache_runs_no_step) {
    start(echo, 1 << 20);
    publish(make_config("a"));
    ModelConfig config = chain({"a", "a"});
    config.response_cache = true;
    publish(config);
    for (uint64_t tag : {5, 5, 6}) {
        send(tag);
        auto responses = sink.wait_and_take(1);
        ASSERT_TRUE(responses[0]->status.ok()) << responses[0]->status.message();
        EXPECT_EQ(responses[0]->model->name, "ensemble");
        EXPECT_EQ(values_of<float>(responses[0]->outputs[0])[0], static_cast<float>(tag));
    }
    const ModelStatsSnapshot whole = statistics("ensemble");
    EXPECT_EQ(whole.success.count, 3u);
    EXPECT_EQ(whole.cache_hit.count, 1u);
    EXPECT_EQ(whole.cache_miss.count, 2u);
    EXPECT_EQ(whole.inference_count, 4u);
    EXPECT_EQ(statistics("a").success.count, 4u);
}

TEST_F(EnsembleModelsTest, a_request_of_a_sequence_is_not_answered_from_the_cache) {
    start(echo, 1 << 20);
    publish(make_config("a"));
    ModelConfig config = chain({"a"});
    config.response_cache = true;
    publish(config);
    for (int i = 0; i < 2; ++i) {
        auto request = make_rows_request(1, &sink);
        request->model_name = "ensemble";
        request->correlation_id = uint64_t{7};
        ASSERT_TRUE(server->infer(request).ok());
        EXPECT_TRUE(sink.wait_and_take(1)[0]->status.ok());
    }
    EXPECT_EQ(statistics("ensemble").cache_hit.count, 0u);
    EXPECT_EQ(statistics("a").success.count, 2u);
}

TEST_F(EnsembleModelsTest, a_step_that_fails_is_counted_as_other) {
    start([](Batch&) { return internal_error("broken"); });
    publish(make_config("a"));
    publish(chain({"a", "a"}, "inner"));
    publish(chain({"inner", "a"}));
    send();
    auto responses = sink.wait_and_take(1);
    EXPECT_EQ(responses[0]->status,
              internal_error("in ensemble 'ensemble', in ensemble 'inner', broken"));
    EXPECT_EQ(statistics("ensemble").failures_by_reason,
              (std::array<uint64_t, kFailureReasons>{0, 0, 0, 1}));
    EXPECT_EQ(statistics("a").failures_by_reason,
              (std::array<uint64_t, kFailureReasons>{0, 0, 1, 0}));
}

TEST_F(EnsembleModelsTest, what_a_step_says_of_its_sequence_holds_for_the_steps_after_it) {
    std::vector<std::pair<uint64_t, uint32_t>> seen;
    start([&](Batch& batch) {
        const InferenceRequest& request = *batch.requests[0];
        seen.emplace_back(std::get<uint64_t>(request.correlation_id), request.flags);
        if (seen.size() == 1) {
            batch.response_parameters = {{"sequence_id", uint64_t{77}},
                                         {"sequence_start", false},
                                         {"sequence_end", true}};
        }
        return echo(batch);
    });
    publish(make_config("a"));
    publish(chain({"a", "a"}));
    auto request = make_rows_request(1, &sink);
    request->model_name = "ensemble";
    request->correlation_id = uint64_t{5};
    request->flags = InferenceRequest::kSequenceStart;
    ASSERT_TRUE(server->infer(request).ok());
    ASSERT_TRUE(sink.wait_and_take(1)[0]->status.ok());
    using Seen = std::vector<std::pair<uint64_t, uint32_t>>;
    EXPECT_EQ(seen, (Seen{{5, InferenceRequest::kSequenceStart},
                          {77, InferenceRequest::kSequenceEnd}}));
}

TEST_F(EnsembleModelsTest, a_cancelled_request_begins_no_more_steps) {
    Hold hold;
    start(hold.echo_when_let_go());
    publish(make_config("a"));
    publish(make_config("b"));
    publish(chain({"a", "b"}));
    auto request = make_rows_request(1, &sink);
    request->model_name = "ensemble";
    auto cancellation = request->cancellation = std::make_shared<Cancellation>();
    ASSERT_TRUE(server->infer(request).ok());
    hold.begun.acquire();
    cancellation->requested.store(true);
    hold.let_go.release();
    EXPECT_EQ(sink.wait_and_take(1)[0]->status.code(), StatusCode::kCancelled);
    EXPECT_EQ(statistics("b").success.count + statistics("b").fail.count, 0u);
}

TEST_F(EnsembleModelsTest, unloading_an_ensemble_waits_for_the_requests_inside) {
    Hold hold;
    start(hold.echo_when_let_go());
    publish(make_config("a"));
    publish(chain({"a", "a"}));
    send();
    hold.begun.acquire();
    std::thread unload([&] { server->publish("ensemble", {}, {1}); });
    hold.let_go.release(2);
    EXPECT_TRUE(sink.wait_and_take(1)[0]->status.ok());
    unload.join();
    for (const InferenceServer::InFlight& busy : server->in_flight()) {
        EXPECT_NE(busy.model_name, "ensemble");
    }
}

TEST_F(EnsembleModelsTest, a_model_that_goes_fails_the_steps_that_come_after) {
    Hold hold;
    start(hold.echo_when_let_go());
    publish(make_config("a"));
    publish(make_config("b"));
    publish(chain({"a", "b"}));
    send();
    hold.begun.acquire();
    server->publish("b", {}, {1});
    hold.let_go.release();
    EXPECT_EQ(sink.wait_and_take(1)[0]->status,
              not_found("in ensemble 'ensemble', Request for unknown model: 'b' has no available "
                        "versions"));
}

TEST_F(EnsembleModelsTest, a_drain_lets_ensembles_end_and_refuses_clients) {
    Hold hold;
    start(hold.echo_when_let_go());
    publish(make_config("a"));
    publish(chain({"a", "a"}, "inner"));
    publish(chain({"inner", "a"}));
    send(1);
    hold.begun.acquire();
    std::thread draining([&] { EXPECT_TRUE(server->drain(kNoDeadline)); });
    size_t taken = 1;
    Status refused;
    for (; refused.ok(); ++taken) {  // they are taken as long as the drain has not begun
        auto request = make_rows_request(1, &sink);
        request->model_name = "ensemble";
        refused = server->infer(request);
    }
    EXPECT_EQ(refused, unavailable("[request id: <id_unknown>] Server is stopping, scheduler for "
                                   "model has stopped accepting new inference requests"));
    hold.let_go.release(1'000'000);
    draining.join();
    auto responses = sink.take();
    ASSERT_EQ(responses.size(), taken - 1);
    for (const auto& response : responses) {
        if (response->tag == 1) {  // others may have found the queue full
            EXPECT_TRUE(response->status.ok()) << response->status.message();
        }
    }
}

TEST_F(EnsembleModelsTest, a_server_that_goes_answers_what_ensembles_have) {
    Hold hold;
    start(hold.echo_when_let_go());
    publish(make_config("a"));
    publish(chain({"a", "a"}));
    send();
    hold.begun.acquire();
    hold.let_go.release(2);
    server.reset();
    auto responses = sink.wait_and_take(1);  // in time or refused half-way, but answered
    EXPECT_EQ(responses[0]->request->inputs.size(), 1u);
}

TEST_F(EnsembleModelsTest, many_requests_on_many_threads_while_a_model_reloads) {
    start();
    publish(make_config("a", 1, 8, 3));
    publish(chain({"a", "a"}, "inner"));
    ModelConfig outer = chain({"a", "inner", "a"});
    outer.ensemble->max_inflight_requests = 2;
    publish(outer);
    constexpr size_t kThreads = 4;
    constexpr size_t kRequests = 300;
    std::vector<std::thread> clients;
    for (size_t thread = 0; thread < kThreads; ++thread) {
        clients.emplace_back([&, thread] {
            for (size_t number = 0; number < kRequests; ++number) {
                send(thread * kRequests + number);
            }
        });
    }
    for (int reload = 0; reload < 20; ++reload) {
        publish(make_config("a", 1, 8, 3));
        publish(outer);
    }
    for (std::thread& client : clients) {
        client.join();
    }
    auto responses = sink.wait_and_take(kThreads * kRequests);
    for (const auto& response : responses) {
        ASSERT_TRUE(response->status.ok()) << response->status.message();
        const auto first = static_cast<float>(response->request->tag);
        EXPECT_EQ(values_of<float>(response->outputs[0]), (std::vector<float>{first, first + 1}));
    }
}

}  // namespace
}  // namespace tritonpy
