// Goal: a server with models in workers: requests and readiness through its one door, models that
// ask other models (with answers, errors, streams and cancellation), and unloading in any state.
// Method: a real server with real threads and sockets, whose workers are scripts.
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/worker_calls.h"
#include "server/inference_server.h"
#include "support/collecting_sink.h"
#include "support/fake_launcher.h"
#include "support/request_builder.h"
#include "support/scripted_model.h"

namespace tritonpy {
namespace {

using Floats = std::vector<float>;

struct WorkerModelsTest : ::testing::Test {
    WorkerModelsTest() {
        LogSettings silent;
        silent.error = false;
        EXPECT_TRUE(log.configure(silent).ok());
        ServerOptions options;
        options.worker_launcher = &launcher;
        server = std::make_unique<InferenceServer>(std::move(options), clock, log);
    }

    void publish(const std::string& name, const std::string& backend, bool decoupled = false) {
        ModelConfig config = make_config(name);
        config.executor.backend = backend;
        config.decoupled = config.executor.decoupled = decoupled;
        std::vector<std::unique_ptr<Model>> models;
        models.push_back(server->build_model(config).value());
        server->publish(name, std::move(models), {});
    }
    void publish_ensemble_of(const std::string& model) {
        ModelConfig config = make_config("ensemble");
        config.instances.clear();
        EnsembleStep& step = config.ensemble.emplace().steps.emplace_back();
        step.model_name = model;
        step.inputs.push_back({"INPUT0", "INPUT0", false, 2});
        step.outputs.push_back({"OUTPUT0", "OUTPUT0"});
        std::vector<std::unique_ptr<Model>> models;
        models.push_back(server->build_model(config).value());
        server->publish("ensemble", std::move(models), {});
    }
    Status infer(const std::string& model, uint64_t tag) {
        auto request = make_rows_request(1, &sink, tag);
        request->model_name = model;
        return server->infer(request);
    }
    // Lets a worker do what `script` says before it answers its first request with an echo.
    void publish_caller(FakeLauncher::Script script) {
        launcher.add([script](FakeWorker& worker) {
            while (auto requests = worker.read_execute()) {
                script(worker);
                worker.answer(FakeWorker::echoes(*requests));
            }
        });
        publish("caller", "python");
        ASSERT_TRUE(infer("caller", 1).ok());
        EXPECT_TRUE(sink.wait_and_take(1)[0]->status.ok());
    }

    SteadyClock clock;
    Log log;
    FakeLauncher launcher;
    CollectingSink sink;
    std::unique_ptr<InferenceServer> server;
};

TEST_F(WorkerModelsTest, a_request_passes_through_a_worker) {
    launcher.add(echo_script);
    publish("model", "python");
    EXPECT_TRUE(server->check_ready("model", -1).ok());
    publish_ensemble_of("model");
    EXPECT_TRUE(server->check_ready("ensemble", -1).ok());
    ASSERT_TRUE(infer("model", 5).ok());
    auto responses = sink.wait_and_take(1);
    ASSERT_TRUE(responses[0]->status.ok());
    EXPECT_EQ(values_of<float>(responses[0]->outputs[0]), (Floats{5}));
    EXPECT_EQ(server->statistics("model", 1).value().success.count, 1u);
    server->publish("model", {}, {1});
    EXPECT_EQ(launcher.alive(), 0u);
    EXPECT_EQ(values_of<float>(responses[0]->outputs[0]), (Floats{5}));  // it holds its memory
}

TEST_F(WorkerModelsTest, readiness_tells_of_a_worker_that_is_down) {
    launcher.add([](FakeWorker& worker) { worker.read_execute(); });
    launcher.add_failure(internal_error("not now"));
    publish("model", "python");
    ASSERT_TRUE(infer("model", 1).ok());
    EXPECT_EQ(sink.wait_and_take(1)[0]->status,
              internal_error("Stub process 'model_0_0' is not healthy."));
    launcher.wait_for_launches(3);  // the second has failed
    const Status unhealthy = unavailable("Stub process 'model_0_0' is not healthy.");
    EXPECT_EQ(server->check_ready("model", 1), unhealthy);
    EXPECT_EQ(infer("model", 2), unhealthy);
    publish_ensemble_of("model");
    EXPECT_EQ(server->check_ready("ensemble", -1),
              unavailable("in ensemble 'ensemble', Stub process 'model_0_0' is not healthy."));
    EXPECT_EQ(server->check_ready("other", -1),
              not_found("Request for unknown model: 'other' is not found"));
}

TEST_F(WorkerModelsTest, a_model_asks_another_and_gets_its_answer) {
    publish("native", "identity");
    publish_caller([](FakeWorker& worker) {
        worker.infer(42, "native", {1, 2, 3});
        auto answer = worker.read_answer();
        ASSERT_TRUE(answer.has_value());
        EXPECT_EQ(answer->call, 42u);
        EXPECT_TRUE(answer->final);
        EXPECT_FALSE(answer->has_error);
        ASSERT_EQ(answer->outputs.size(), 1u);
        EXPECT_EQ(answer->outputs[0].name, "OUTPUT0");
        EXPECT_EQ(answer->outputs[0].dims, (std::vector<int64_t>{3, 1}));
        EXPECT_EQ(answer->outputs[0].bytes, FakeWorker::bytes_of({1, 2, 3}));
        EXPECT_EQ(worker.outputs().lent_blocks(), 0u);  // the input has come home
    });
}

TEST_F(WorkerModelsTest, calls_that_cannot_be_are_answered_with_the_reason) {
    publish("native", "identity");
    publish_caller([](FakeWorker& worker) {
        worker.infer(1, "missing", {1});
        auto answer = worker.read_answer();
        EXPECT_EQ(answer->error,
                  "Failed for execute the inference request. Model 'missing' is not ready.");
        EXPECT_EQ(answer->code, 2);
        worker.infer(2, "native", Floats(9));
        answer = worker.read_answer();
        EXPECT_EQ(answer->call, 2u);
        EXPECT_TRUE(answer->final);
        EXPECT_TRUE(answer->has_error);
        EXPECT_EQ(answer->error,
                  "[request id: <id_unknown>] inference request batch-size must be <= 8 for "
                  "'native'");
    });
}

TEST_F(WorkerModelsTest, a_decoupled_model_answers_a_call_many_times_if_it_may) {
    launcher.add([](FakeWorker& worker) {
        while (auto requests = worker.read_execute()) {
            worker.leave_open(1);
            for (int i = 0; i < 3; ++i) {
                worker.respond(requests->at(0).key, false, FakeWorker::echoes(*requests)[0]);
            }
            worker.respond(requests->at(0).key, true, std::nullopt);
        }
    });
    publish("stream", "python", true);
    publish_caller([](FakeWorker& worker) {
        worker.infer(1, "stream", {7});
        auto refused = worker.read_answer();
        EXPECT_TRUE(refused->error.starts_with("Model stream is using the decoupled."));
        worker.infer(2, "stream", {7}, true);
        for (int i = 0; i < 3; ++i) {
            auto answer = worker.read_answer();
            EXPECT_FALSE(answer->final);
            EXPECT_EQ(answer->outputs.at(0).bytes, FakeWorker::bytes_of({7}));
        }
        auto last = worker.read_answer();
        EXPECT_TRUE(last->final);
        EXPECT_TRUE(last->outputs.empty());
    });
}

// A decoupled model that answers its first request with ten answers of 1 MiB, each of one letter, a
// to j, and the final one, and all others with the final one alone.
void answer_much_once(FakeWorker& worker) {
    for (char letter = 'a'; auto requests = worker.read_execute();) {
        worker.leave_open(1);
        for (; letter <= 'j'; ++letter) {
            const std::string much(size_t{1} << 20, letter);
            worker.respond(requests->at(0).key, false,
                           MadeResponse{{}, {}, {{0, 11, {1 << 18, 1}, much}}});
        }
        worker.respond(requests->at(0).key, true, std::nullopt);
    }
}

TEST_F(WorkerModelsTest, answers_that_a_caller_does_not_take_stay_where_they_are) {
    launcher.add(answer_much_once);
    publish("stream", "python", true);
    publish_caller([](FakeWorker& worker) {
        worker.infer(1, "stream", {7}, true);
        std::vector<SeenAnswer> seen = {worker.read_answer().value()};
        worker.infer(2, "stream", {7}, true);
        for (uint64_t call : {1, 1, 1, 2}) {  // the second call's comes past those of the first
            seen.push_back(worker.read_answer().value());
            ASSERT_EQ(seen.back().call, call);
            EXPECT_EQ(seen.back().final, call == 2);
        }
        EXPECT_EQ(seen[0].charge, uint64_t{1} << 20);
        EXPECT_EQ(seen[4].charge, SharedArena::kSmallestBlock);
        for (char letter : std::string("efghij")) {  // for each that is taken one follows
            worker.take(seen[0]);
            auto next = worker.read_answer();
            EXPECT_EQ(next->call, 1u);
            EXPECT_EQ(next->outputs.at(0).bytes.front(), letter);
        }
        worker.take(seen[0]);
        EXPECT_TRUE(worker.read_answer()->final);
        worker.take(seen[0]);  // of a call that is no more
    });
}

TEST_F(WorkerModelsTest, a_caller_that_cancels_gets_the_end_of_what_waits_for_it) {
    launcher.add(answer_much_once);
    publish("stream", "python", true);
    publish_caller([](FakeWorker& worker) {
        worker.infer(1, "stream", {7}, true);
        ASSERT_EQ(worker.read_answer()->call, 1u);
        worker.infer(2, "stream", {7}, true);
        for (uint64_t call : {1, 1, 1, 2}) {
            ASSERT_EQ(worker.read_answer()->call, call);
        }
        worker.cancel(1);
        auto last = worker.read_answer();
        EXPECT_EQ(last->call, 1u);
        EXPECT_TRUE(last->final);
    });
}

TEST_F(WorkerModelsTest, answers_without_bytes_that_nobody_takes_end_their_call) {
    constexpr uint64_t kSent = WorkerCalls::kMaxUnread / SharedArena::kSmallestBlock;
    launcher.add([](FakeWorker& worker) {
        while (auto requests = worker.read_execute()) {
            worker.leave_open(1);
            for (uint64_t count = kSent + WorkerCalls::kMaxWaiting + 1; count > 0; --count) {
                worker.respond(requests->at(0).key, false, MadeResponse());
            }
            worker.respond(requests->at(0).key, true, std::nullopt);
        }
    });
    publish("stream", "python", true);
    publish_caller([](FakeWorker& worker) {
        worker.infer(1, "stream", {7}, true);
        for (uint64_t count = 0; count < kSent; ++count) {
            ASSERT_FALSE(worker.read_answer()->final);
        }
        auto last = worker.read_answer();
        EXPECT_TRUE(last->final);
        EXPECT_EQ(last->error, "model 'stream' has answered 16384 times more than the model that "
                               "asked it has read");
    });
}

TEST_F(WorkerModelsTest, an_answer_larger_than_what_may_lie_unread_passes) {
    const std::string huge(WorkerCalls::kMaxUnread + sizeof(float), 'x');
    launcher.add([&](FakeWorker& worker) {
        auto requests = worker.read_execute();
        worker.leave_open(1);
        const auto rows = static_cast<int64_t>(huge.size() / sizeof(float));
        const MadeResponse one{{}, {}, {{0, 11, {rows, 1}, huge}}};
        worker.respond(requests->at(0).key, false, one);
        worker.respond(requests->at(0).key, true, one);
        worker.read_execute();
    });
    publish("stream", "python", true);
    publish_caller([&](FakeWorker& worker) {
        worker.infer(1, "stream", {7}, true);
        auto first = worker.read_answer();
        EXPECT_EQ(first->outputs.at(0).bytes, huge);
        worker.take(*first);
        auto second = worker.read_answer();
        EXPECT_EQ(second->outputs.at(0).bytes, huge);
        EXPECT_TRUE(second->final);
    });
}

TEST_F(WorkerModelsTest, a_call_that_is_cancelled_reaches_the_model_that_runs_it) {
    std::promise<void> running;  // before that, the queue would drop what is cancelled
    launcher.add([&](FakeWorker& worker) {
        auto requests = worker.read_execute();
        running.set_value();
        worker.leave_open(1);
        while (!worker.is_cancelled(requests->at(0).cancel_index)) {
            std::this_thread::yield();
        }
        worker.respond(requests->at(0).key, true, MadeResponse{{{7, "stopped"}}, {}, {}});
        worker.read_execute();
    });
    publish("slow", "python", true);
    publish_caller([&](FakeWorker& worker) {
        worker.infer(9, "slow", {7}, true);
        running.get_future().wait();
        worker.cancel(9);
        auto answer = worker.read_answer();
        EXPECT_TRUE(answer->final);
        EXPECT_EQ(answer->code, 7);
    });
}

TEST_F(WorkerModelsTest, a_caller_that_dies_leaves_its_calls_to_be_answered_to_nobody) {
    std::promise<void> asked;
    std::promise<void> may_answer;
    launcher.add([&](FakeWorker& worker) {
        worker.read_execute();
        asked.set_value();
        may_answer.get_future().wait();
        worker.fail_batch(1, "too late for anybody");
        worker.read_execute();
    });
    launcher.add([&](FakeWorker& worker) {
        worker.read_execute();
        worker.infer(9, "slow", {7}, true);
        asked.get_future().wait();  // and dies
    });
    launcher.add(echo_script);
    publish("slow", "python", true);
    publish("caller", "python");
    ASSERT_TRUE(infer("caller", 1).ok());
    EXPECT_FALSE(sink.wait_and_take(1)[0]->status.ok());
    launcher.wait_for_launches(3);
    may_answer.set_value();
    launcher.wait_for_health_changes(2);
    while (!server->check_ready("caller", -1).ok()) {
        std::this_thread::yield();
    }
    ASSERT_TRUE(infer("caller", 2).ok());
    EXPECT_TRUE(sink.wait_and_take(1)[0]->status.ok());
}

}  // namespace
}  // namespace tritonpy
