// Goal: whatever a worker does (answers now or later, says nonsense, hangs, dies), each request is
// answered exactly once, with its own outputs or a clear error; memory goes back and forth without
// loss; a worker that died is started again.
// Method: a scripted worker on a thread at the other end of real sockets and memfds, and an outlet
// that collects. Nothing waits for time: tests wait for answers, launches and flags.
#include "backend/worker_executor.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <memory>
#include <semaphore>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/collecting_outlet.h"
#include "support/fake_launcher.h"
#include "support/request_builder.h"
#include "support/scripted_model.h"

namespace tritonpy {
namespace {

using Floats = std::vector<float>;

const Status kUnhealthy = internal_error("Stub process 'model_0_0' is not healthy.");

struct WorkerExecutorTest : ::testing::Test {
    WorkerExecutorTest() {
        config.model_name = "model";
        config.backend = "python";
        config.worker = "the spec";
        config.max_batch_size = 8;
        config.inputs = {make_spec("INPUT0", DataType::kFp32, {1})};
        config.outputs = {make_spec("OUTPUT0", DataType::kFp32, {1})};
        instance.name = "model_0_0";
        LogSettings silent;
        silent.error = false;
        EXPECT_TRUE(log.configure(silent).ok());
    }

    void start(FakeLauncher::Script script) {
        launcher.add(std::move(script));
        start();
    }
    void start() {
        executor = WorkerExecutor::create(config, {clock, log, pool, "", &launcher}, instance)
                       .value();
        executor->open(outlet);
    }

    Status run(std::vector<std::unique_ptr<InferenceRequest>> requests) {
        Batch batch;
        for (auto& request : requests) {
            batch.add(std::move(request));
        }
        Status status = executor->run(batch, times);
        left = batch.requests.size();
        return status;
    }
    Status run(uint64_t tag) {
        std::vector<std::unique_ptr<InferenceRequest>> requests;
        requests.push_back(make_rows_request(1, nullptr, tag));
        return run(std::move(requests));
    }
    static Batch batch_of(int64_t rows, uint64_t tag) {
        Batch batch;
        batch.add(make_rows_request(rows, nullptr, tag));
        return batch;
    }
    bool try_start(Batch& batch) {
        const Result<bool> started = executor->try_start(batch, times);
        EXPECT_TRUE(started.ok()) << started.status().message();
        return started.value();
    }
    // Runs one request; for a worker that was just started again.
    void run_when_healthy(uint64_t tag) {
        while (!executor->wait_until_healthy()) {
        }
        EXPECT_TRUE(run(tag).ok());
    }

    static Floats values(const CollectingOutlet::Answer& answer) {
        return values_of<float>(answer.response->outputs.at(0));
    }

    ManualClock clock{1000};
    Log log;
    BlockPool pool;
    ExecutorConfig config;
    InstanceSpec instance;
    FakeLauncher launcher;
    CollectingOutlet outlet;
    size_t left = 0;
    RequestTrace times;
    std::unique_ptr<WorkerExecutor> executor;
};

TEST_F(WorkerExecutorTest, a_batch_goes_out_and_comes_back_in_lock_step) {
    start(echo_script);
    EXPECT_EQ(launcher.last_spec(), "the spec");
    EXPECT_TRUE(executor->healthy());
    std::vector<std::unique_ptr<InferenceRequest>> requests;
    requests.push_back(make_rows_request(2, nullptr, 10));
    requests.push_back(make_rows_request(1, nullptr, 20));
    ASSERT_TRUE(run(std::move(requests)).ok());
    auto answers = outlet.take(2);
    EXPECT_EQ(answers[0].request->tag, 10u);
    EXPECT_EQ(values(answers[0]), (Floats{10, 11}));
    EXPECT_EQ(answers[0].response->outputs[0].name, "OUTPUT0");
    EXPECT_EQ(answers[0].response->outputs[0].shape, (Shape{2, 1}));
    EXPECT_EQ(values(answers[1]), (Floats{20}));
    EXPECT_GT(answers[1].request->trace.compute_input_end_ns, 0);
}

TEST_F(WorkerExecutorTest, the_worker_sees_all_of_a_request) {
    config.inputs.push_back(make_spec("INPUT1", DataType::kBytes, {-1}));
    config.inputs[0].optional = true;
    config.outputs.push_back(make_spec("OUTPUT1", DataType::kFp32, {1}));
    std::vector<SeenRequest> seen;
    start([&](FakeWorker& worker) {
        while (auto requests = worker.read_execute()) {
            seen = *requests;
            worker.answer({MadeResponse{{}, {{"said", std::string("yes")}}, {}}});
        }
    });
    std::vector<Tensor> inputs;
    inputs.push_back(make_string_tensor("INPUT1", {1, 2}, {"ab", ""}));
    auto one = make_request(std::move(inputs), {"OUTPUT1"});
    one->id = "the id";
    one->correlation_id = std::string("sequence");
    one->timeout_us = 5;
    one->priority = 6;
    one->flags = InferenceRequest::kSequenceStart;
    one->parameters = {{"p", true}};
    one->cancellation = std::make_shared<Cancellation>();
    std::vector<std::unique_ptr<InferenceRequest>> requests;
    requests.push_back(std::move(one));
    ASSERT_TRUE(run(std::move(requests)).ok());
    auto answers = outlet.take(1);
    executor.reset();
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_EQ(seen[0].id, "the id");
    EXPECT_TRUE(seen[0].correlation_is_text);
    EXPECT_EQ(seen[0].correlation, "sequence");
    EXPECT_EQ(seen[0].timeout_us, 5u);
    EXPECT_EQ(seen[0].priority, 6u);
    EXPECT_EQ(seen[0].flags, 1u);
    EXPECT_EQ(seen[0].parameters, (std::vector<Parameter>{{"p", true}}));
    EXPECT_LT(seen[0].cancel_index, SharedArena::kReserved);
    ASSERT_EQ(seen[0].inputs.size(), 1u);
    EXPECT_EQ(seen[0].inputs[0].index, 1u);  // the optional one before it is left out
    EXPECT_EQ(seen[0].inputs[0].dims, (std::vector<int64_t>{1, 2}));
    EXPECT_EQ(seen[0].inputs[0].bytes, std::string("\2\0\0\0ab\0\0\0\0", 10));
    EXPECT_EQ(seen[0].outputs, (std::vector<uint16_t>{1}));
    EXPECT_EQ(answers[0].response->parameters,
              (std::vector<Parameter>{{"said", std::string("yes")}}));
    EXPECT_TRUE(answers[0].response->outputs.empty());
}

TEST_F(WorkerExecutorTest, blocks_come_home_when_the_responses_have_gone) {
    size_t lent = 1000;
    start([&](FakeWorker& worker) {
        while (auto requests = worker.read_execute()) {
            lent = worker.outputs().lent_blocks();
            worker.answer(FakeWorker::echoes(*requests));
        }
    });
    for (int round = 0; round < 100; ++round) {
        ASSERT_TRUE(run(1).ok());
        outlet.take(1);
    }
    ASSERT_TRUE(run(1).ok());
    auto held = outlet.take(1);
    ASSERT_TRUE(run(2).ok());
    executor.reset();
    EXPECT_EQ(lent, 1u);
    EXPECT_EQ(values(held[0]), (Floats{1}));  // also when the worker has gone
}

TEST_F(WorkerExecutorTest, inputs_that_are_named_back_are_answered_where_they_lie) {
    start([&](FakeWorker& worker) {
        while (auto requests = worker.read_execute(true)) {
            worker.answer_in_place(*requests);
        }
    });
    std::vector<CollectingOutlet::Answer> held;
    for (int round = 0; round < 100; ++round) {  // none is written over by a later batch
        std::vector<std::unique_ptr<InferenceRequest>> requests;
        requests.push_back(make_rows_request(2, nullptr, 10));
        requests.push_back(make_rows_request(1, nullptr, static_cast<uint64_t>(round)));
        ASSERT_TRUE(run(std::move(requests)).ok());
        auto answers = outlet.take(2);
        EXPECT_EQ(values(answers[0]), (Floats{10, 11}));
        held.push_back(std::move(answers[1]));
    }
    executor.reset();
    for (size_t round = 0; round < held.size(); ++round) {
        EXPECT_EQ(values(held[round]), (Floats{static_cast<float>(round)}));
    }
}

TEST_F(WorkerExecutorTest, a_place_that_was_not_lent_cannot_be_named_back) {
    start([&](FakeWorker& worker) {
        while (auto requests = worker.read_execute(true)) {
            requests->at(0).inputs.at(0).offset += 1 << 20;
            worker.answer_in_place(*requests);
        }
    });
    const std::string said(run(1).message());
    EXPECT_TRUE(said.starts_with("no lent block of shared memory has 4 bytes at byte ")) << said;
    outlet.take(1);
}

TEST_F(WorkerExecutorTest, a_batch_that_fails_as_a_whole_gives_each_request_its_text) {
    start([](FakeWorker& worker) {
        while (auto requests = worker.read_execute()) {
            worker.fail_batch(1, "Failed to process");
        }
    });
    EXPECT_FALSE(run(1).ok());
    EXPECT_EQ(left, 0u);
    auto answers = outlet.take(1);
    EXPECT_EQ(answers[0].response->status, internal_error("Failed to process"));
    EXPECT_TRUE(executor->healthy());
    EXPECT_EQ(launcher.launches(), 1u);
}

TEST_F(WorkerExecutorTest, one_request_of_a_batch_may_fail) {
    start([](FakeWorker& worker) {
        while (auto requests = worker.read_execute()) {
            auto responses = FakeWorker::echoes(*requests);
            responses[0] = {{{3, "wrong number"}}, {}, {}};
            worker.answer(responses);
        }
    });
    std::vector<std::unique_ptr<InferenceRequest>> requests;
    requests.push_back(make_rows_request(1, nullptr, 1));
    requests.push_back(make_rows_request(1, nullptr, 2));
    EXPECT_TRUE(run(std::move(requests)).ok());
    auto answers = outlet.take(2);
    EXPECT_EQ(answers[0].response->status, invalid_arg("wrong number"));
    EXPECT_TRUE(answers[1].response->status.ok());
}

TEST_F(WorkerExecutorTest, a_decoupled_model_answers_as_often_and_as_late_as_it_likes) {
    config.decoupled = true;
    start([](FakeWorker& worker) {
        auto requests = worker.read_execute();
        uint64_t key = requests->at(0).key;
        worker.respond(key, false, FakeWorker::echoes(*requests)[0]);
        worker.leave_open(1);
        worker.respond(key, false, FakeWorker::echoes(*requests)[0]);
        worker.respond(key, true, std::nullopt);
        worker.respond(key, false, FakeWorker::echoes(*requests)[0]);  // too late: dropped
        worker.read_execute();
    });
    EXPECT_TRUE(run(7).ok());
    auto answers = outlet.take(3);
    for (size_t index : {0, 1}) {
        EXPECT_EQ(answers[index].request, nullptr);
        EXPECT_EQ(values(answers[index]), (Floats{7}));
    }
    EXPECT_EQ(answers[2].request->tag, 7u);
    EXPECT_EQ(answers[2].response, nullptr);
    executor.reset();
    EXPECT_EQ(outlet.size(), 0u);
}

TEST_F(WorkerExecutorTest, a_sender_of_a_model_that_is_not_decoupled_gives_one_response) {
    start([](FakeWorker& worker) {
        auto requests = worker.read_execute();
        worker.leave_open(requests->size());
        worker.respond(requests->at(0).key, false, FakeWorker::echoes(*requests)[0]);
        worker.respond(requests->at(0).key, true, std::nullopt);
        worker.respond(requests->at(1).key, true, FakeWorker::echoes(*requests)[1]);
        worker.respond(requests->at(2).key, true, std::nullopt);
        worker.read_execute();
    });
    std::vector<std::unique_ptr<InferenceRequest>> requests;
    for (uint64_t tag : {1, 2, 3}) {
        requests.push_back(make_rows_request(1, nullptr, tag));
    }
    EXPECT_TRUE(run(std::move(requests)).ok());
    auto answers = outlet.take(3);
    EXPECT_EQ(values(answers[0]), (Floats{1}));
    EXPECT_EQ(values(answers[1]), (Floats{2}));
    EXPECT_EQ(answers[2].response->status,
              internal_error("model instance 'model_0_0' sent no response"));
}

TEST_F(WorkerExecutorTest, a_rescheduled_request_goes_back) {
    start([](FakeWorker& worker) {
        while (auto requests = worker.read_execute()) {
            worker.leave_open(requests->size(), 2);
        }
    });
    EXPECT_TRUE(run(1).ok());
    const std::vector<CollectingOutlet::Answer> answers = outlet.take(1);
    EXPECT_TRUE(answers[0].rescheduled);
    EXPECT_EQ(answers[0].request->tag, 1u);
}

TEST_F(WorkerExecutorTest, the_worker_learns_that_a_client_has_gone) {
    auto cancellation = std::make_shared<Cancellation>();
    config.decoupled = true;
    start([&](FakeWorker& worker) {
        auto requests = worker.read_execute();
        worker.leave_open(1);
        EXPECT_FALSE(worker.is_cancelled(requests->at(0).cancel_index));
        cancellation->requested = true;
        while (!worker.is_cancelled(requests->at(0).cancel_index)) {
            std::this_thread::yield();
        }
        worker.respond(requests->at(0).key, true, MadeResponse{{{7, "gone"}}, {}, {}});
        worker.read_execute();
    });
    std::vector<std::unique_ptr<InferenceRequest>> requests;
    requests.push_back(make_rows_request(1));
    requests[0]->cancellation = cancellation;
    EXPECT_TRUE(run(std::move(requests)).ok());
    EXPECT_EQ(outlet.take(1)[0].response->status, cancelled("gone"));
}

TEST_F(WorkerExecutorTest, a_worker_that_dies_fails_what_it_had_and_comes_back) {
    launcher.add([](FakeWorker& worker) { worker.read_execute(); });
    start(echo_script);
    EXPECT_EQ(run(1), kUnhealthy);
    EXPECT_EQ(left, 0u);
    EXPECT_EQ(outlet.take(1)[0].response->status, kUnhealthy);
    run_when_healthy(2);
    EXPECT_EQ(values(outlet.take(1)[0]), (Floats{2}));
    EXPECT_EQ(launcher.launches(), 2u);
    EXPECT_EQ(launcher.alive(), 1u);
    launcher.wait_for_health_changes(2);  // down, and up again
}

TEST_F(WorkerExecutorTest, a_worker_that_dies_between_batches_fails_what_it_left_open) {
    config.decoupled = true;
    launcher.add([](FakeWorker& worker) {
        worker.read_execute();
        worker.leave_open(1);
    });
    start(echo_script);
    EXPECT_TRUE(run(1).ok());
    EXPECT_EQ(outlet.take(1)[0].response->status, kUnhealthy);
    run_when_healthy(2);
}

TEST_F(WorkerExecutorTest, requests_are_refused_and_kept_while_there_is_no_worker) {
    launcher.add([](FakeWorker& worker) { worker.read_execute(); });
    launcher.add_failure(internal_error("import failed"));
    start();
    EXPECT_FALSE(run(1).ok());
    launcher.wait_for_launches(2);
    while (!executor->hopeless()) {
        std::this_thread::yield();
    }
    EXPECT_FALSE(executor->healthy());
    EXPECT_EQ(run(2), unavailable("Stub process 'model_0_0' is not healthy."));
    EXPECT_EQ(left, 1u);
    EXPECT_EQ(outlet.take(1).size(), 1u);
}

TEST_F(WorkerExecutorTest, the_reason_of_a_first_launch_that_fails_is_the_reason_of_the_load) {
    launcher.add_failure(internal_error("SyntaxError: invalid syntax"));
    auto created = WorkerExecutor::create(config, {clock, log, pool, "", &launcher}, instance);
    EXPECT_EQ(created.status(), internal_error("SyntaxError: invalid syntax"));
    EXPECT_EQ(launcher.launches(), 1u);
}

TEST_F(WorkerExecutorTest, an_execution_that_takes_too_long_costs_the_worker_its_life) {
    config.worker_timeout_s = 1;
    launcher.add([this](FakeWorker& worker) {
        worker.read_execute();
        clock.advance_ns(2'000'000'000);
        worker.read_execute();  // hangs until it is killed
    });
    start(echo_script);
    const Status late = internal_error(
        "Python model instance 'model_0_0' did not answer within 1 seconds and was restarted");
    EXPECT_EQ(run(1), late);
    EXPECT_EQ(outlet.take(1)[0].response->status, late);
    EXPECT_GE(launcher.kills(), 1u);
    run_when_healthy(2);
}

// Sends one wrong message in answer to EXECUTE.
struct WrongAnswer {
    const char* name;
    FakeLauncher::Script script;
};

std::vector<WrongAnswer> wrong_answers() {
    auto execute_first = [](auto then) {
        return [then](FakeWorker& worker) {
            auto requests = worker.read_execute();
            then(worker, *requests);
            worker.read_execute();
        };
    };
    using Requests = std::vector<SeenRequest>;
    return {
        {"too few answers",
         execute_first([](FakeWorker& worker, const Requests&) { worker.answer({}); })},
        {"another message",
         execute_first([](FakeWorker& worker, const Requests&) {
             FakeWorker::send(worker.execute_stream(), WorkerMessageKind::kCancel, Bytes(8));
         })},
        {"a header that cannot be",
         execute_first([](FakeWorker& worker, const Requests&) {
             (void)worker.execute_stream().send(Bytes(8, std::byte{0xFF}));
         })},
        {"a body that is too short",
         execute_first([](FakeWorker& worker, const Requests&) {
             FakeWorker::send(worker.execute_stream(), WorkerMessageKind::kExecuted, Bytes(3));
         })},
        {"a block that is not there",
         execute_first([](FakeWorker& worker, const Requests& requests) {
             Bytes body;
             MessageWriter out(body);
             out.number(uint32_t{0});
             out.number(uint32_t{1});
             out.number(uint64_t{1} << 40);
             out.number(uint32_t{0});
             out.number(uint32_t{1} << 16);
             out.number(uint64_t{64} << 30);
             out.text("");
             out.number(uint16_t{0});
             out.number(uint8_t{11});
             out.number(uint8_t{0});
             out.number(uint32_t{0});
             out.number(uint64_t{0});
             out.number(uint64_t{4});
             FakeWorker::send(worker.execute_stream(), WorkerMessageKind::kExecuted, body);
             EXPECT_EQ(requests.size(), 1u);
         })},
        {"a late response that cannot be",
         execute_first([](FakeWorker& worker, const Requests&) {
             FakeWorker::send(worker.calls_stream(), WorkerMessageKind::kResponse, Bytes(3));
         })},
    };
}

TEST_F(WorkerExecutorTest, nonsense_costs_the_worker_its_life_and_its_requests) {
    for (const WrongAnswer& wrong : wrong_answers()) {
        FakeLauncher own;
        own.add(wrong.script);
        own.add(echo_script);
        executor = WorkerExecutor::create(config, {clock, log, pool, "", &own}, instance).value();
        executor->open(outlet);
        EXPECT_FALSE(run(1).ok()) << wrong.name;
        EXPECT_EQ(left, 0u) << wrong.name;
        EXPECT_EQ(outlet.take(1)[0].response->status.code(), StatusCode::kInternal) << wrong.name;
        run_when_healthy(2);
        EXPECT_EQ(outlet.take(1)[0].request->tag, 2u) << wrong.name;
        executor.reset();
        EXPECT_EQ(own.launches(), 2u) << wrong.name;
    }
}

// ---- for threads that must not block

TEST_F(WorkerExecutorTest, a_small_batch_runs_in_steps) {
    start(echo_script);
    Batch batch = batch_of(1, 5);
    ASSERT_TRUE(try_start(batch));
    EXPECT_TRUE(batch.requests.empty());
    pollfd answer{executor->answer_descriptor(), POLLIN, 0};
    ASSERT_EQ(poll(&answer, 1, -1), 1);
    ASSERT_TRUE(executor->receive());
    EXPECT_TRUE(executor->finish(times).ok());
    EXPECT_EQ(values(outlet.take(1)[0]), (Floats{5}));
    EXPECT_EQ(times.compute_output_start_ns, clock.now_ns());
}

TEST_F(WorkerExecutorTest, what_might_block_is_not_started) {
    start(echo_script);
    Batch large = batch_of(20'000, 0);  // rows: more than 64 KiB of inputs
    Batch wordy = batch_of(1, 0);       // more than a pipe is sure to take
    wordy.requests[0]->parameters = {{"p", std::string(5'000, 'p')}};
    for (Batch* batch : {&large, &wordy}) {
        EXPECT_FALSE(try_start(*batch));
        ASSERT_EQ(batch->requests.size(), 1u);
        EXPECT_TRUE(executor->run(*batch, times).ok());
        EXPECT_TRUE(outlet.take(1)[0].response->status.ok());
    }
}

TEST_F(WorkerExecutorTest, an_answer_may_come_in_pieces) {
    std::binary_semaphore may_go_on{0};
    start([&](FakeWorker& worker) {
        worker.read_execute();
        Bytes message;
        MessageWriter out(message);
        Envelope executed(message, WorkerMessageKind::kExecuted);
        out.number(uint32_t{0});
        out.number(uint32_t{1});
        out.number(worker.outputs().size());
        out.number(uint32_t{2});  // rescheduled
        executed.finish();
        const std::span<const std::byte> all(message);
        (void)worker.execute_stream().send(all.first(5));
        may_go_on.acquire();
        (void)worker.execute_stream().send(all.subspan(5));
        worker.read_execute();
    });
    Batch batch = batch_of(1, 1);
    ASSERT_TRUE(try_start(batch));
    EXPECT_FALSE(executor->receive());
    may_go_on.release();
    EXPECT_TRUE(executor->receive());
    EXPECT_TRUE(executor->finish(times).ok());
    EXPECT_TRUE(outlet.take(1)[0].rescheduled);
}

TEST_F(WorkerExecutorTest, a_worker_that_dies_between_the_steps_fails_what_it_had) {
    launcher.add([](FakeWorker& worker) { worker.read_execute(); });
    start(echo_script);
    Batch batch = batch_of(1, 1);
    ASSERT_TRUE(try_start(batch));
    EXPECT_TRUE(executor->receive());
    EXPECT_EQ(executor->finish(times), kUnhealthy);
    EXPECT_EQ(outlet.take(1)[0].response->status, kUnhealthy);
    run_when_healthy(2);
    EXPECT_EQ(values(outlet.take(1)[0]), (Floats{2}));
}

TEST_F(WorkerExecutorTest, stopping_waits_for_what_the_model_still_has) {
    config.decoupled = true;
    start([](FakeWorker& worker) {
        auto requests = worker.read_execute();
        worker.leave_open(1);
        worker.respond(requests->at(0).key, false, FakeWorker::echoes(*requests)[0]);
        worker.respond(requests->at(0).key, true, std::nullopt);
        EXPECT_FALSE(worker.read_execute().has_value());  // the model is unloaded
    });
    EXPECT_TRUE(run(1).ok());
    executor->stop();
    EXPECT_EQ(outlet.take(2).size(), 2u);
    EXPECT_EQ(launcher.alive(), 0u);
    EXPECT_FALSE(executor->healthy());
}

TEST_F(WorkerExecutorTest, without_a_launcher_there_is_a_clear_error) {
    auto factory = make_executor_factory(config, {clock, log, pool, ""});
    EXPECT_EQ(factory.status(), invalid_arg("model 'model' needs a worker process, but this "
                                            "server can start none"));
}

}  // namespace
}  // namespace tritonpy
