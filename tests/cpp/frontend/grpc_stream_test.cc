// Goal: ModelStreamInfer carries many requests at once, answers in order, outlives errors, and
// keeps no more than it should of a client that sends faster than it reads.
// Method: nghttp2's client and real models; executions that wait, and responses that a model
// gives before its last one, put into the core's hands by the execution itself.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "frontend/grpc_fixture.h"
#include "support/request_builder.h"

namespace tritonpy {
namespace {

// Takes the outputs off a response on its way, as a model does that has nothing more to say.
class StrippingSink final : public ResponseSink {
  public:
    void attach(InferenceRequest& request) {
        inner_ = request.sink;
        request.sink = this;
    }
    void deliver(std::unique_ptr<InferenceResponse> response) override {
        response->outputs.clear();
        inner_->deliver(std::move(response));
    }

  private:
    ResponseSink* inner_ = nullptr;
};

// Gives a response before the last one, with an output of that data.
void deliver_one(InferenceRequest& request, float value, Status status = Status(),
                 int64_t count = 1) {
    auto response = std::make_unique<InferenceResponse>();
    auto identity = std::make_shared<ModelIdentity>();
    identity->name = request.model_name;
    identity->version = 1;
    response->model = std::move(identity);
    response->final = false;
    response->tag = request.tag;
    response->status = std::move(status);
    if (response->status.ok()) {
        response->outputs.push_back(make_tensor<float>(
            "OUTPUT0", {1, count}, std::vector<float>(static_cast<size_t>(count), value)));
    }
    request.sink->deliver(std::move(response));
}

std::string float_bytes(float value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

struct GrpcStreamTest : GrpcTest {
    static GrpcInferMessage numbered(int number, std::string model = "model") {
        GrpcInferMessage message;
        message.model = std::move(model);
        message.id = std::to_string(number);
        message.data = float_bytes(static_cast<float>(number));
        return message;
    }
    static std::vector<std::string> ids_of(const GrpcTestCall& call) {
        std::vector<std::string> ids;
        for (const std::string& message : call.messages()) {
            ids.push_back(StreamAnswerMessage(message).response.id);
        }
        return ids;
    }
    static std::vector<std::string> numbers(int from, int to) {
        std::vector<std::string> all;
        for (int number = from; number < to; ++number) {
            all.push_back(std::to_string(number));
        }
        return all;
    }
};

TEST_F(GrpcStreamTest, responses_keep_the_order_of_their_requests) {
    auto client = connect_grpc();
    int32_t id = client->start("ModelStreamInfer");
    for (int number = 0; number < 2000; ++number) {
        client->send(id, framed(numbered(number).bytes()));
    }
    client->finish(id);
    const GrpcTestCall& call = client->wait_for(id);
    EXPECT_EQ(call.status(), kGrpcOk);
    EXPECT_EQ(ids_of(call), numbers(0, 2000));
    const std::vector<std::string> messages = call.messages();
    for (int number = 0; number < 2000; ++number) {
        StreamAnswerMessage answer(messages[static_cast<size_t>(number)]);
        ASSERT_EQ(answer.response.data, float_bytes(static_cast<float>(number)));
        ASSERT_EQ(answer.error, "");
        ASSERT_TRUE(answer.final);
    }
}

TEST_F(GrpcStreamTest, requests_are_answered_while_the_stream_is_open) {
    auto client = connect_grpc();
    int32_t id = client->start("ModelStreamInfer");
    for (int number = 0; number < 20; ++number) {
        client->send(id, framed(numbered(number).bytes()));
        client->wait([&] { return client->call(id).messages().size() > size_t(number); });
    }
    EXPECT_FALSE(client->call(id).closed);
    client->finish(id);
    EXPECT_EQ(client->wait_for(id).status(), kGrpcOk);
    EXPECT_EQ(ids_of(client->call(id)), numbers(0, 20));
}

TEST_F(GrpcStreamTest, stream_without_requests_ends_well) {
    auto client = connect_grpc();
    int32_t id = client->start("ModelStreamInfer");
    client->finish(id);
    EXPECT_EQ(client->wait_for(id).status(), kGrpcOk);
    EXPECT_TRUE(client->call(id).messages().empty());
}

TEST_F(GrpcStreamTest, errors_are_answered_in_their_turn_and_the_stream_lives_on) {
    on_execute = [&](Batch& batch) {
        if (batch.requests[0]->id == "0") {
            executing.release();
            may_execute.acquire();
        }
    };
    auto client = connect_grpc();
    int32_t id = client->start("ModelStreamInfer");
    client->send(id, framed(numbered(0).bytes()));
    client->flush();
    executing.acquire();
    client->send(id, framed(numbered(1, "nobody").bytes()));
    client->send(id, framed("\xFF\xFF"));
    GrpcInferMessage wrong = numbered(3);
    wrong.data.clear();
    std::string undecodable = wrong.bytes() + std::string("\x3A\x00", 2);  // raw data too many
    client->send(id, framed(undecodable));
    client->send(id, framed(numbered(4).bytes()));
    client->flush();
    let_io_run();
    EXPECT_FALSE(client->receive_some() && !client->call(id).data.empty());
    may_execute.release();
    client->finish(id);
    const GrpcTestCall& call = client->wait_for(id);
    EXPECT_EQ(call.status(), kGrpcOk);
    EXPECT_EQ(ids_of(call), (std::vector<std::string>{"0", "1", "", "3", "4"}));
    const std::vector<std::string> messages = call.messages();
    EXPECT_EQ(StreamAnswerMessage(messages[1]).error,
              "Request for unknown model: 'nobody' is not found");
    EXPECT_NE(StreamAnswerMessage(messages[2]).error, "");
    EXPECT_NE(StreamAnswerMessage(messages[3]).error, "");
    EXPECT_EQ(StreamAnswerMessage(messages[4]).error, "");
}

TEST_F(GrpcStreamTest, failing_model_is_named_in_its_error) {
    on_execute = [](Batch& batch) { batch.inputs.clear(); };  // echo then gives no output
    auto client = connect_grpc();
    int32_t id = client->start("ModelStreamInfer");
    client->send(id, framed(numbered(5).bytes()));
    client->finish(id);
    const GrpcTestCall& call = client->wait_for(id);
    EXPECT_EQ(call.status(), kGrpcOk);
    StreamAnswerMessage answer(call.messages().at(0));
    EXPECT_NE(answer.error, "");
    EXPECT_EQ(answer.response.id, "5");
    EXPECT_EQ(answer.response.model, "model");
    EXPECT_TRUE(answer.final);
}

TEST_F(GrpcStreamTest, client_that_asks_for_it_gets_the_first_error_as_status) {
    auto client = connect_grpc();
    int32_t id = client->start("ModelStreamInfer", {{"triton_grpc_error", "true"}});
    client->send(id, framed(numbered(0).bytes()));
    client->send(id, framed(numbered(1, "nobody").bytes()));
    client->send(id, framed(numbered(2).bytes()));
    const GrpcTestCall& call = client->wait_for(id);
    EXPECT_EQ(call.status(), kGrpcNotFound);
    EXPECT_EQ(call.text(), "Request for unknown model: 'nobody' is not found");
    EXPECT_EQ(ids_of(call), numbers(0, 1));
    run_until([&] { return held.now() == 0; });
    expect_serves(*client);
}

TEST_F(GrpcStreamTest, stopping_server_says_so_to_each_request) {
    auto client = connect_grpc();
    int32_t id = client->start("ModelStreamInfer");
    client->send(id, framed(numbered(0).bytes()));
    client->wait([&] { return client->call(id).messages().size() == 1; });
    health.exiting = true;
    EXPECT_TRUE(server.drain(steady_clock.now_ns() + int64_t{60'000'000'000}));
    client->send(id, framed(numbered(1).bytes()));
    client->finish(id);
    const GrpcTestCall& call = client->wait_for(id);
    EXPECT_EQ(call.status(), kGrpcOk);
    EXPECT_EQ(StreamAnswerMessage(call.messages().at(1)).error,
              "GRPC server is shutting down and has stopped accepting new requests.");
    EXPECT_EQ(ids_of(call), numbers(0, 2));
}

TEST_F(GrpcStreamTest, broken_framing_ends_the_stream) {
    auto client = connect_grpc();
    int32_t id = client->start("ModelStreamInfer");
    client->send(id, framed(numbered(0).bytes()) + std::string("\x07\0\0\0\0", 5));
    EXPECT_EQ(client->wait_for(id).status(), kGrpcInternal);
    int32_t cut = client->start("ModelStreamInfer");
    client->send(cut, framed(numbered(0).bytes()).substr(0, 12));
    client->finish(cut);
    EXPECT_EQ(client->wait_for(cut).status(), kGrpcInternal);
    expect_serves(*client);
}

TEST_F(GrpcStreamTest, deadline_ends_the_stream_behind_what_was_answered) {
    on_execute = [&](Batch& batch) {
        if (batch.requests[0]->id == "3") {
            executing.release();
            may_execute.acquire();
        }
    };
    auto client = connect_grpc();
    int32_t id = client->start("ModelStreamInfer", {{"grpc-timeout", "1S"}});
    for (int number = 0; number < 3; ++number) {
        client->send(id, framed(numbered(number).bytes()));
    }
    client->wait([&] { return client->call(id).messages().size() == 3; });
    client->send(id, framed(numbered(3).bytes()));
    client->flush();
    executing.acquire();
    advance_ms(1001);
    EXPECT_EQ(client->wait_for(id).status(), kGrpcDeadlineExceeded);
    EXPECT_EQ(ids_of(client->call(id)), numbers(0, 3));
    may_execute.release();
    run_until([&] { return held.now() == 0; });
}

TEST_F(GrpcStreamTest, reset_cancels_all_requests_of_the_stream) {
    holds = true;
    auto client = connect_grpc();
    int32_t id = client->start("ModelStreamInfer");
    for (int number = 0; number < 100; ++number) {
        client->send(id, framed(numbered(number).bytes()));
    }
    client->flush();
    executing.acquire();
    let_io_run();
    client->reset(id);
    client->flush();
    let_io_run();
    holds = false;
    may_execute.release(100);
    run_until([&] { return held.now() == 0; });
    EXPECT_LE(server.statistics("model", 1).value().success.count, 8u) << "the batch that ran";
    expect_serves(*client);
}

// --- decoupled models ---------------------------------------------------------------------------

TEST_F(GrpcStreamTest, decoupled_responses_go_out_as_they_come) {
    on_execute = [&](Batch& batch) {
        InferenceRequest& request = *batch.requests[0];
        if (request.model_name == "model") {
            executing.release();
            may_execute.acquire();
        } else {
            deliver_one(request, 10);
            deliver_one(request, 11);
        }
    };
    auto client = connect_grpc();
    int32_t id = client->start("ModelStreamInfer");
    client->send(id, framed(numbered(0).bytes()));
    client->send(id, framed(numbered(1, "many").bytes()));
    client->send(id, framed(numbered(2).bytes()));
    client->wait([&] { return client->call(id).messages().size() == 3; });
    const std::vector<std::string> first = client->call(id).messages();
    const float values[] = {10, 11, 1};  // the last is what the model echoes
    for (size_t index = 0; index < 3; ++index) {
        StreamAnswerMessage answer(first[index]);
        EXPECT_EQ(answer.response.id, "1");
        EXPECT_EQ(answer.response.model, "many");
        EXPECT_EQ(answer.response.data, float_bytes(values[index]));
        EXPECT_EQ(answer.final, index == 2);
    }
    client->finish(id);
    executing.acquire();
    may_execute.release(2);
    EXPECT_EQ(client->wait_for(id).status(), kGrpcOk);
    EXPECT_EQ(ids_of(client->call(id)),
              (std::vector<std::string>{"1", "1", "1", "0", "2"}));
}

TEST_F(GrpcStreamTest, final_response_without_outputs_is_only_sent_to_who_asked) {
    StrippingSink sink;
    on_execute = [&](Batch& batch) { sink.attach(*batch.requests[0]); };
    for (bool asks : {false, true}) {
        auto client = connect_grpc();
        int32_t id = client->start("ModelStreamInfer");
        GrpcInferMessage message = numbered(7, "many");
        message.empty_final = asks;
        client->send(id, framed(message.bytes()));
        client->finish(id);
        const GrpcTestCall& call = client->wait_for(id);
        EXPECT_EQ(call.status(), kGrpcOk);
        ASSERT_EQ(call.messages().size(), asks ? 1u : 0u);
        if (asks) {
            StreamAnswerMessage answer(call.messages()[0]);
            EXPECT_TRUE(answer.final);
            EXPECT_EQ(answer.response.id, "7");
            EXPECT_EQ(answer.response.data, "");
            EXPECT_EQ(answer.error, "");
        }
    }
}

TEST_F(GrpcStreamTest, decoupled_error_before_the_last_response_is_told_with_its_request) {
    on_execute = [&](Batch& batch) { deliver_one(*batch.requests[0], 0, internal_error("bad")); };
    auto client = connect_grpc();
    int32_t id = client->start("ModelStreamInfer");
    client->send(id, framed(numbered(7, "many").bytes()));
    client->finish(id);
    const GrpcTestCall& call = client->wait_for(id);
    ASSERT_EQ(call.messages().size(), 2u);
    StreamAnswerMessage error(call.messages()[0]);
    EXPECT_EQ(error.error, "bad");
    EXPECT_EQ(error.response.id, "7");
    EXPECT_FALSE(error.final);
    EXPECT_TRUE(StreamAnswerMessage(call.messages()[1]).final);
}

TEST_F(GrpcStreamTest, first_error_ends_a_decoupled_stream_that_asked_for_it) {
    on_execute = [&](Batch& batch) {
        deliver_one(*batch.requests[0], 1);
        deliver_one(*batch.requests[0], 0, internal_error("bad"));
        deliver_one(*batch.requests[0], 2);
    };
    auto client = connect_grpc();
    int32_t id = client->start("ModelStreamInfer", {{"triton_grpc_error", "true"}});
    client->send(id, framed(numbered(7, "many").bytes()));
    const GrpcTestCall& call = client->wait_for(id);
    EXPECT_EQ(call.status(), kGrpcInternal);
    EXPECT_EQ(call.text(), "bad");
    EXPECT_EQ(call.messages().size(), 1u);
}

TEST_F(GrpcStreamTest, decoupled_responses_of_a_stream_that_went_are_dropped) {
    on_execute = [&](Batch& batch) {
        if (batch.requests[0]->model_name == "many") {
            deliver_one(*batch.requests[0], 1);
            executing.release();
            may_execute.acquire();
            deliver_one(*batch.requests[0], 2);
        }
    };
    auto client = connect_grpc();
    int32_t id = client->start("ModelStreamInfer");
    client->send(id, framed(numbered(7, "many").bytes()));
    client->wait([&] { return !client->call(id).messages().empty(); });
    executing.acquire();
    client->reset(id);
    client->flush();
    let_io_run();
    may_execute.release();
    run_until([&] { return held.now() == 0; });
    expect_serves(*client);
}

TEST_F(GrpcStreamTest, client_that_reads_too_slowly_for_its_model_is_cut_off) {
    constexpr int kMore = 8;
    constexpr int64_t kFloats = (int64_t{1} << 20) / sizeof(float);
    constexpr size_t kFit = limits::kMaxHeldPerConnection >> 20;  // responses of a MiB
    on_execute = [&](Batch& batch) {
        if (batch.requests[0]->model_name == "many") {
            for (size_t count = 0; count < kFit + kMore; ++count) {
                deliver_one(*batch.requests[0], 1, Status(), kFloats);
            }
            executing.release();
        }
    };
    auto client = connect_grpc(/*window=*/0);
    int32_t id = client->start("ModelStreamInfer");
    client->send(id, framed(numbered(7, "many").bytes()));
    client->flush();
    run_until([&] { return executing.try_acquire(); });
    let_io_run();
    client->give_credit(id, 1 << 30);
    client->give_credit(0, 1 << 30);
    client->send(id, framed(numbered(8).bytes()));
    client->finish(id);
    const GrpcTestCall& call = client->wait_for(id);
    EXPECT_EQ(call.status(), kGrpcOk);
    ASSERT_EQ(call.messages().size(), kFit + 2);
    StreamAnswerMessage last(call.messages()[kFit]);
    EXPECT_EQ(last.response.id, "7");
    EXPECT_NE(last.error.find("were cut off, because its client reads them too slowly"),
              std::string::npos);
    EXPECT_EQ(StreamAnswerMessage(call.messages()[kFit + 1]).response.id, "8");
    run_until([&] { return held.now() == 0; });
}

TEST_F(GrpcStreamTest, unary_call_whose_model_becomes_decoupled_on_its_way_is_refused) {
    on_execute = [&](Batch& batch) { deliver_one(*batch.requests[0], 1); };
    auto client = connect_grpc();
    const GrpcTestCall& call = client->result_of("ModelInfer", numbered(1).bytes());
    EXPECT_EQ(call.status(), kGrpcUnimplemented);
    EXPECT_TRUE(call.data.empty());
    run_until([&] { return held.now() == 0; });
}

// --- what a stream may hold ---------------------------------------------------------------------

TEST_F(GrpcStreamTest, requests_above_the_bound_wait_unread) {
    auto client = connect_grpc();
    expect_serves(*client);  // so that the client knows its windows
    holds = true;
    int32_t id = client->start("ModelStreamInfer");
    constexpr int kCount = 3000;
    for (int number = 0; number < kCount; ++number) {
        client->send(id, framed(numbered(number).bytes()));
    }
    client->finish(id);
    client->flush();
    executing.acquire();
    let_io_run();
    size_t waiting = 0;
    for (const auto& model : server.in_flight()) {
        waiting += model.count;
    }
    EXPECT_EQ(waiting, limits::kStreamRequestsInFlight);
    size_t unread = 0;
    for (int number = static_cast<int>(limits::kStreamRequestsInFlight); number < kCount;
         ++number) {
        unread += framed(numbered(number).bytes()).size();
    }
    EXPECT_EQ(held.now(), limits::kStreamRequestsInFlight * limits::kMinMessageCharge + unread);
    holds = false;
    may_execute.release(kCount);
    EXPECT_EQ(client->wait_for(id).status(), kGrpcOk);
    EXPECT_EQ(ids_of(client->call(id)), numbers(0, kCount));
}

TEST_F(GrpcStreamTest, client_that_does_not_read_its_answers_is_not_served_further) {
    std::atomic<int> executed{0};
    on_execute = [&](Batch& batch) { executed += static_cast<int>(batch.requests.size()); };
    auto client = connect_grpc(/*window=*/0);
    int32_t id = client->start("ModelStreamInfer");
    constexpr int kCount = 100;
    GrpcInferMessage message = numbered(0);
    message.data.assign(200 << 10, 'x');
    for (int number = 0; number < kCount; ++number) {
        message.id = std::to_string(number);
        client->send(id, framed(message.bytes()));
    }
    client->finish(id);
    // The first answers fill what may be unwritten; requests that are in by then are the last.
    client->wait([&] { return !client->call(id).head.empty(); });
    for (int turn = 0; turn < 200; ++turn) {
        client->flush();
        let_io_run();
        client->receive_some();
    }
    EXPECT_LT(executed.load(), kCount);
    EXPECT_LE(held.now(), static_cast<size_t>(limits::kStreamWindow) +
                              limits::kMaxHeldPerConnection);
    client->give_credit(id, 1 << 30);
    client->give_credit(0, 1 << 30);
    EXPECT_EQ(client->wait_for(id).status(), kGrpcOk);
    EXPECT_EQ(ids_of(client->call(id)), numbers(0, kCount));
    EXPECT_EQ(executed.load(), kCount);
}

}  // namespace
}  // namespace tritonpy
