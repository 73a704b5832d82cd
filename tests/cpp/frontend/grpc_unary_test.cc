// Goal: ModelInfer and the health calls are answered as gRPC and V2 say, whatever the request is.
// Method: nghttp2's client on a socket pair, an io thread and a server with real models behind it.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "frontend/grpc_fixture.h"
#include "support/request_builder.h"

namespace tritonpy {
namespace {

using GrpcUnaryTest = GrpcTest;

TEST_F(GrpcUnaryTest, answer_has_head_message_and_trailers) {
    auto client = connect_grpc();
    GrpcInferMessage message;
    message.id = "id7";
    const GrpcTestCall& call = client->result_of("ModelInfer", message.bytes());
    EXPECT_EQ(call.status(), kGrpcOk);
    EXPECT_EQ(call.head.at(":status"), "200");
    EXPECT_EQ(call.head.at("content-type"), "application/grpc");
    EXPECT_EQ(call.head.at("grpc-accept-encoding"), "identity, deflate, gzip");
    EXPECT_FALSE(call.head.contains("grpc-encoding"));
    EXPECT_FALSE(call.trailers.contains("grpc-message"));
    EXPECT_EQ(call.reset, 0u);
    ASSERT_EQ(call.messages().size(), 1u);
    InferAnswer answer(call.messages()[0]);
    EXPECT_EQ(answer.model, "model");
    EXPECT_EQ(answer.id, "id7");
    EXPECT_EQ(answer.data, message.data);
}

TEST_F(GrpcUnaryTest, large_tensors_pass_both_ways) {
    auto client = connect_grpc();
    GrpcInferMessage message;
    for (size_t size : {size_t{4} << 10, size_t{1} << 20, size_t{40} << 20}) {
        message.data.assign(size, 'a');
        message.data[size / 2] = 'b';
        const GrpcTestCall& call = client->result_of("ModelInfer", message.bytes());
        ASSERT_EQ(call.status(), kGrpcOk) << call.text();
        EXPECT_EQ(InferAnswer(call.messages().at(0)).data, message.data);
    }
}

TEST_F(GrpcUnaryTest, calls_of_one_connection_run_side_by_side) {
    auto client = connect_grpc();
    std::vector<int32_t> ids;
    for (int number = 0; number < 500; ++number) {
        GrpcInferMessage message;
        message.id = std::to_string(number);
        ids.push_back(client->unary("ModelInfer", message.bytes()));
    }
    for (int number = 0; number < 500; ++number) {
        const GrpcTestCall& call = client->wait_for(ids[static_cast<size_t>(number)]);
        ASSERT_EQ(call.status(), kGrpcOk);
        EXPECT_EQ(InferAnswer(call.messages().at(0)).id, std::to_string(number));
    }
}

TEST_F(GrpcUnaryTest, errors_are_one_head_with_status_and_text) {
    auto client = connect_grpc();
    GrpcInferMessage unknown;
    unknown.model = "nobody";
    GrpcInferMessage empty;
    empty.data.clear();
    GrpcInferMessage decoupled;
    decoupled.model = "many";
    struct {
        std::string message;
        int status;
        std::string text;
    } const cases[] = {
        {"\xFF\xFF", kGrpcInvalidArgument, ""},
        {unknown.bytes(), kGrpcNotFound, "Request for unknown model: 'nobody' is not found"},
        {decoupled.bytes(), kGrpcUnimplemented,
         "ModelInfer RPC doesn't support models with decoupled transaction policy"},
        {GrpcInferMessage{}.bytes().substr(0, 7), kGrpcInvalidArgument,
         "%5Brequest id: <id_unknown>%5D"},
    };
    for (const auto& one : cases) {
        const GrpcTestCall& call = client->result_of("ModelInfer", one.message);
        EXPECT_EQ(call.status(), one.status) << call.text();
        EXPECT_TRUE(call.trailers.empty());
        EXPECT_TRUE(call.data.empty());
        EXPECT_FALSE(call.text().empty());
        if (one.status != kGrpcInvalidArgument) {
            EXPECT_EQ(call.text(), one.text);
        }
    }
    expect_serves(*client);
}

TEST_F(GrpcUnaryTest, failing_model_gives_its_error) {
    on_execute = [](Batch& batch) { batch.inputs.clear(); };  // echo then gives no output
    auto client = connect_grpc();
    const GrpcTestCall& call = client->result_of("ModelInfer", GrpcInferMessage{}.bytes());
    EXPECT_EQ(call.status(), kGrpcInternal);
    EXPECT_NE(call.text().find("model"), std::string::npos);
}

TEST_F(GrpcUnaryTest, stopping_server_says_so) {
    auto client = connect_grpc();
    expect_serves(*client);
    health.exiting = true;
    EXPECT_TRUE(server.drain(steady_clock.now_ns() + int64_t{60'000'000'000}));
    const GrpcTestCall& call = client->result_of("ModelInfer", GrpcInferMessage{}.bytes());
    EXPECT_EQ(call.status(), kGrpcUnavailable);
    EXPECT_EQ(call.text(), "GRPC server is shutting down and has stopped accepting new requests.");
}

TEST_F(GrpcUnaryTest, call_has_exactly_one_request_message) {
    auto client = connect_grpc();
    int32_t none = client->start("ModelInfer");
    client->finish(none);
    EXPECT_EQ(client->wait_for(none).status(), kGrpcUnimplemented);
    EXPECT_EQ(client->call(none).text(), "the call has no request message");
    int32_t two = client->start("ModelInfer");
    client->send(two, framed(GrpcInferMessage{}.bytes()) + framed(GrpcInferMessage{}.bytes()));
    EXPECT_EQ(client->wait_for(two).status(), kGrpcUnimplemented);
    EXPECT_EQ(client->call(two).text(), "the call has more than one request message");
    int32_t cut = client->start("ModelInfer");
    client->send(cut, framed(GrpcInferMessage{}.bytes()).substr(0, 20));
    client->finish(cut);
    EXPECT_EQ(client->wait_for(cut).status(), kGrpcInternal);
    EXPECT_EQ(client->call(cut).text(), "the request ends inside a message");
    expect_serves(*client);
}

TEST_F(GrpcUnaryTest, request_may_come_in_frames_of_a_byte) {
    auto client = connect_grpc();
    int32_t id = client->start("ModelInfer");
    for (char byte : framed(GrpcInferMessage{}.bytes())) {
        client->send(id, std::string_view(&byte, 1));
        client->flush();
        let_io_run();
    }
    client->finish(id);
    EXPECT_EQ(client->wait_for(id).status(), kGrpcOk);
}

TEST_F(GrpcUnaryTest, message_above_the_limit_is_refused_at_its_prefix) {
    options.grpc->max_receive_message_size = 1000;
    auto client = connect_grpc();
    int32_t id = client->start("ModelInfer");
    client->send(id, std::string("\0\0\0\x03\xE9", 5));
    EXPECT_EQ(client->wait_for(id).status(), kGrpcResourceExhausted);
    EXPECT_NE(client->call(id).text().find("Received message larger than max (1001 vs. 1000)"),
              std::string::npos);
    expect_serves(*client);
}

TEST_F(GrpcUnaryTest, requests_beyond_what_the_front_end_may_hold_are_refused) {
    auto client = connect_grpc();
    expect_serves(*client);
    ASSERT_TRUE(held.try_add(limits::kMaxHeld - 2000));
    expect_serves(*client);
    GrpcInferMessage message;
    message.data.assign(4000, 'x');
    const GrpcTestCall& whole = client->result_of("ModelInfer", message.bytes());
    EXPECT_EQ(whole.status(), kGrpcResourceExhausted);
    int32_t part = client->start("ModelInfer");
    client->send(part, framed(message.bytes()).substr(0, 3000));
    EXPECT_EQ(client->wait_for(part).status(), kGrpcResourceExhausted);
    held.remove(limits::kMaxHeld - 2000);
    expect_serves(*client);
    run_until([&] { return held.now() == 0; });
}

TEST_F(GrpcUnaryTest, answers_beyond_what_the_front_end_may_hold_are_refused) {
    on_execute = [&](Batch& batch) {
        EXPECT_TRUE(held.try_add(limits::kMaxHeld - held.now()));
        batch.inputs[0] = make_tensor<float>("INPUT0", {1, 50'000}, std::vector<float>(50'000));
    };
    auto client = connect_grpc();
    const GrpcTestCall& call = client->result_of("ModelInfer", GrpcInferMessage{}.bytes());
    EXPECT_EQ(call.status(), kGrpcResourceExhausted);
    EXPECT_TRUE(call.data.empty());
    held.remove(held.now());
}

TEST_F(GrpcUnaryTest, requests_may_be_compressed) {
    auto client = connect_grpc();
    EncodedBody body;
    GrpcInferMessage message;
    message.data.assign(100'000, 'x');
    body.append_owned(message.bytes());
    for (ContentCoding coding : {ContentCoding::kGzip, ContentCoding::kDeflate}) {
        int32_t id = client->start("ModelInfer",
                                   {{"grpc-encoding", std::string(name_of(coding))}});
        client->send(id, framed(compress(body, coding, 6), true));
        client->finish(id);
        const GrpcTestCall& call = client->wait_for(id);
        ASSERT_EQ(call.status(), kGrpcOk) << call.text();
        EXPECT_EQ(InferAnswer(call.messages().at(0)).data, message.data);
    }
}

TEST_F(GrpcUnaryTest, compressed_message_without_a_coding_is_refused) {
    auto client = connect_grpc();
    int32_t id = client->start("ModelInfer");
    client->send(id, framed("abc", true));
    EXPECT_EQ(client->wait_for(id).status(), kGrpcInternal);
    const GrpcTestCall& unknown =
        client->result_of("ModelInfer", "abc", {{"grpc-encoding", "snappy"}});
    EXPECT_EQ(unknown.status(), kGrpcUnimplemented);
    EXPECT_EQ(unknown.head.at("grpc-accept-encoding"), "identity, deflate, gzip");
    expect_serves(*client);
}

TEST_F(GrpcUnaryTest, answers_are_compressed_as_the_level_says_for_clients_that_accept_it) {
    GrpcInferMessage message;
    message.data.assign(100'000, 'x');
    struct {
        int level;
        std::string accepts;
        std::string coding;  // "" for none
    } const cases[] = {{0, "gzip, deflate", ""},       {1, "identity, deflate, gzip", "gzip"},
                       {2, "gzip,deflate", "deflate"}, {3, "deflate", "deflate"},
                       {1, "deflate", ""},             {3, "gzip", ""},
                       {2, "", ""}};
    for (const auto& one : cases) {
        options.grpc->compression_level = one.level;
        auto client = connect_grpc();
        GrpcFields more;
        if (!one.accepts.empty()) {
            more.emplace_back("grpc-accept-encoding", one.accepts);
        }
        const GrpcTestCall& call = client->result_of("ModelInfer", message.bytes(), more);
        ASSERT_EQ(call.status(), kGrpcOk);
        EXPECT_EQ(call.head.contains("grpc-encoding"), !one.coding.empty());
        EXPECT_EQ(call.flagged_messages().at(0).first, !one.coding.empty());
        if (!one.coding.empty()) {
            EXPECT_EQ(call.head.at("grpc-encoding"), one.coding);
            EXPECT_LT(call.data.size(), 10'000u);
        }
        // Only infer responses are: a health call is not.
        EXPECT_FALSE(client->result_of("ServerLive", "", more).head.contains("grpc-encoding"));
    }
}

TEST_F(GrpcUnaryTest, what_is_no_grpc_gets_a_status_of_http) {
    auto client = connect_grpc();
    int32_t get = client->start("ModelInfer", {{":method", "GET"}});
    client->finish(get);
    EXPECT_EQ(client->wait_for(get).head.at(":status"), "405");
    EXPECT_EQ(client->call(get).status(), kGrpcInternal);
    int32_t json = client->unary("ModelInfer", "{}", {{"content-type", "application/json"}});
    EXPECT_EQ(client->wait_for(json).head.at(":status"), "415");
    expect_serves(*client);
}

// --- deadlines ----------------------------------------------------------------------------------

TEST_F(GrpcUnaryTest, deadline_ends_a_call_at_once_and_cancels_its_request) {
    holds = true;
    auto client = connect_grpc();
    int32_t running = client->unary("ModelInfer", GrpcInferMessage{}.bytes());
    client->flush();
    executing.acquire();
    int32_t waiting =
        client->unary("ModelInfer", GrpcInferMessage{}.bytes(), {{"grpc-timeout", "20m"}});
    client->flush();
    let_io_run();
    advance_ms(19);
    EXPECT_FALSE(client->receive_some() && client->call(waiting).closed);
    advance_ms(2);
    EXPECT_EQ(client->wait_for(waiting).status(), kGrpcDeadlineExceeded);
    EXPECT_EQ(client->call(waiting).text(), "Deadline Exceeded");
    EXPECT_GE(held.now(), 2 * limits::kMinMessageCharge) << "the core still has both requests";
    holds = false;
    may_execute.release();
    EXPECT_EQ(client->wait_for(running).status(), kGrpcOk);
    run_until([&] { return held.now() == 0; });
    EXPECT_EQ(server.statistics("model", 1).value().success.count, 1u);
}

TEST_F(GrpcUnaryTest, deadline_also_ends_a_call_whose_request_is_not_there_yet) {
    auto client = connect_grpc();
    int32_t id = client->start("ModelInfer", {{"grpc-timeout", "1S"}});
    client->send(id, framed(GrpcInferMessage{}.bytes()).substr(0, 10));
    client->flush();
    let_io_run();
    advance_ms(1001);
    EXPECT_EQ(client->wait_for(id).status(), kGrpcDeadlineExceeded);
    expect_serves(*client);
}

TEST_F(GrpcUnaryTest, deadline_that_has_passed_is_one) {
    holds = true;
    auto client = connect_grpc();
    int32_t id = client->unary("ModelInfer", GrpcInferMessage{}.bytes(), {{"grpc-timeout", "0n"}});
    client->flush();
    let_io_run();
    advance_ms(1);
    EXPECT_EQ(client->wait_for(id).status(), kGrpcDeadlineExceeded);
    holds = false;
    may_execute.release();
}

TEST_F(GrpcUnaryTest, deadline_drops_an_answer_that_its_client_does_not_read) {
    auto client = connect_grpc(/*window=*/0);
    GrpcInferMessage message;
    message.data.assign(1 << 20, 'x');
    int32_t id = client->unary("ModelInfer", message.bytes(), {{"grpc-timeout", "1S"}});
    client->wait([&] { return !client->call(id).head.empty(); });
    EXPECT_GE(held.now(), size_t{1} << 20);
    advance_ms(1001);
    EXPECT_EQ(client->wait_for(id).reset, uint32_t{NGHTTP2_CANCEL});
    run_until([&] { return held.now() == 0; });
}

TEST_F(GrpcUnaryTest, call_that_ends_in_time_hears_nothing_of_its_deadline) {
    auto client = connect_grpc();
    const GrpcTestCall& call =
        client->result_of("ModelInfer", GrpcInferMessage{}.bytes(), {{"grpc-timeout", "1S"}});
    EXPECT_EQ(call.status(), kGrpcOk);
    advance_ms(2000);
    expect_serves(*client);
}

// --- cancellation -------------------------------------------------------------------------------

TEST_F(GrpcUnaryTest, reset_of_a_waiting_call_cancels_its_request) {
    holds = true;
    auto client = connect_grpc();
    int32_t running = client->unary("ModelInfer", GrpcInferMessage{}.bytes());
    client->flush();
    executing.acquire();
    std::vector<int32_t> waiting;
    for (int count = 0; count < 5; ++count) {
        waiting.push_back(client->unary("ModelInfer", GrpcInferMessage{}.bytes()));
    }
    client->flush();
    let_io_run();
    for (int32_t id : waiting) {
        client->reset(id);
    }
    client->flush();
    let_io_run();
    EXPECT_EQ(held.now(), 6 * limits::kMinMessageCharge) << "the core still has them";
    holds = false;
    may_execute.release();
    EXPECT_EQ(client->wait_for(running).status(), kGrpcOk);
    run_until([&] { return held.now() == 0; });
    EXPECT_EQ(server.statistics("model", 1).value().success.count, 1u);
    expect_serves(*client);
}

TEST_F(GrpcUnaryTest, connection_that_goes_cancels_all_its_requests) {
    holds = true;
    auto client = connect_grpc();
    for (int count = 0; count < 10; ++count) {
        client->unary("ModelInfer", GrpcInferMessage{}.bytes());
    }
    client->flush();
    executing.acquire();
    client->leave();
    wait_until_all_closed();
    EXPECT_GT(held.now(), 0u);
    holds = false;
    may_execute.release(20);
    run_until([&] { return held.now() == 0; });
    EXPECT_TRUE(server.in_flight().empty());
}

TEST_F(GrpcUnaryTest, client_that_cancels_endlessly_is_refused_new_calls) {
    holds = true;
    auto client = connect_grpc();
    client->unary("ModelInfer", GrpcInferMessage{}.bytes());
    client->flush();
    executing.acquire();
    // Resets are bounded in number and rate; time passes for that.
    size_t refused = 0;
    for (size_t count = 0; count < limits::kMaxCallsPerConnection + 100; ++count) {
        int32_t id = client->unary("ModelInfer", GrpcInferMessage{}.bytes());
        client->flush();
        let_io_run();
        while (client->receive_some()) {
        }
        if (client->call(id).closed) {
            EXPECT_EQ(client->call(id).reset, uint32_t{NGHTTP2_REFUSED_STREAM});
            ++refused;
        } else {
            client->reset(id);
        }
        advance_ms(31);
    }
    EXPECT_GE(refused, 50u);
    EXPECT_LE(held.now(), (limits::kMaxCallsPerConnection + 1) * limits::kMinMessageCharge);
    holds = false;
    may_execute.release(10'000);
    run_until([&] { return held.now() == 0; });
    expect_serves(*client);
}

// --- health -------------------------------------------------------------------------------------

std::string model_ready_message(std::string_view name, std::string_view version = "") {
    ProtobufWriter out;
    out.string_field_unless_empty(1, name);
    out.string_field_unless_empty(2, version);
    return out.take();
}

TEST_F(GrpcUnaryTest, live_and_ready_say_what_the_control_plane_knows) {
    auto client = connect_grpc();
    const std::string yes("\x08\x01", 2);
    EXPECT_EQ(client->result_of("ServerLive", "").messages().at(0), yes);
    EXPECT_EQ(client->result_of("ServerReady", "").messages().at(0), yes);
    health.ready = false;
    EXPECT_EQ(client->result_of("ServerLive", "").messages().at(0), yes);
    EXPECT_EQ(client->result_of("ServerReady", "").messages().at(0), "");
    health.exiting = true;
    for (std::string_view method : {"ServerLive", "ServerReady"}) {
        const GrpcTestCall& call = client->result_of(method, "");
        EXPECT_EQ(call.status(), kGrpcUnavailable);
        EXPECT_EQ(call.text(), "Server exiting");
    }
}

TEST_F(GrpcUnaryTest, model_ready_is_a_question_of_versions_that_serve) {
    auto client = connect_grpc();
    const std::string yes("\x08\x01", 2);
    auto ready = [&](std::string_view name, std::string_view version = "") {
        const GrpcTestCall& call =
            client->result_of("ModelReady", model_ready_message(name, version));
        EXPECT_EQ(call.status(), kGrpcOk) << call.text();
        return call.messages().at(0) == yes;
    };
    EXPECT_TRUE(ready("model"));
    EXPECT_TRUE(ready("model", "1"));
    EXPECT_TRUE(ready("many"));
    EXPECT_FALSE(ready("model", "2"));
    EXPECT_FALSE(ready("nobody"));
    EXPECT_FALSE(ready(""));
    const GrpcTestCall& call =
        client->result_of("ModelReady", model_ready_message("model", "one"));
    EXPECT_EQ(call.status(), kGrpcInvalidArgument);
}

TEST_F(GrpcUnaryTest, health_message_that_cannot_be_parsed_is_explained) {
    auto client = connect_grpc();
    for (std::string method : {"ServerLive", "ServerReady", "ModelReady"}) {
        const GrpcTestCall& call = client->result_of(method, "\xFF\xFF");
        EXPECT_EQ(call.status(), kGrpcInvalidArgument);
        EXPECT_TRUE(call.text().starts_with("failed to parse " + method + "Request: "));
    }
}

}  // namespace
}  // namespace tritonpy
