// Goal: every other call reaches the control plane whole and in order, and its answer the client,
// whoever of the two goes first.
// Method: the test is the control plane, and nghttp2's client calls it.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/grpc_fixture.h"

namespace tritonpy {
namespace {

using EventKind = ControlEvent::Kind;
using AnswerKind = ControlAnswer::Kind;

std::string text_of(const BufferRef& body) {
    return std::string(reinterpret_cast<const char*>(body->data()), body->size());
}

struct GrpcControlTest : GrpcTest {
    ControlEvent expect_event(EventKind kind, uint64_t call_id) {
        ControlEvent event = next_event();
        EXPECT_EQ(event.kind, kind);
        EXPECT_EQ(event.call_id, call_id);
        return event;
    }
    // The head, the message and the half-close of a whole call.
    uint64_t expect_call(std::string_view message) {
        ControlEvent head = next_event();
        EXPECT_EQ(head.kind, EventKind::kGrpcCall);
        EXPECT_EQ(text_of(expect_event(EventKind::kGrpcMessage, head.call_id).body), message);
        expect_event(EventKind::kHalfClose, head.call_id);
        return head.call_id;
    }
};

TEST_F(GrpcControlTest, call_goes_over_with_its_path_and_metadata) {
    auto client = connect_grpc();
    int32_t id = client->unary("ModelMetadata", "question", {{"x-key", "value"}});
    client->flush();
    ControlEvent head = next_event();
    EXPECT_EQ(head.kind, EventKind::kGrpcCall);
    EXPECT_EQ(head.target, "/inference.GRPCInferenceService/ModelMetadata");
    auto has = [&](const std::string& name, const std::string& value) {
        return std::count(head.headers.begin(), head.headers.end(), std::pair(name, value)) == 1;
    };
    EXPECT_TRUE(has("x-key", "value"));
    EXPECT_TRUE(has("content-type", "application/grpc"));
    EXPECT_TRUE(std::none_of(head.headers.begin(), head.headers.end(),
                             [](const auto& field) { return field.first[0] == ':'; }));
    EXPECT_EQ(text_of(expect_event(EventKind::kGrpcMessage, head.call_id).body), "question");
    expect_event(EventKind::kHalfClose, head.call_id);
    answer(head.call_id, AnswerKind::kPiece, "answer");
    expect_event(EventKind::kTaken, head.call_id);
    answer(head.call_id, AnswerKind::kEnd, "", 0);
    const GrpcTestCall& call = client->wait_for(id);
    EXPECT_EQ(call.status(), kGrpcOk);
    EXPECT_EQ(call.head.at("content-type"), "application/grpc");
    EXPECT_EQ(call.messages(), std::vector<std::string>{"answer"});
    EXPECT_FALSE(has_event());
}

TEST_F(GrpcControlTest, any_service_and_method_is_the_control_planes_to_know) {
    auto client = connect_grpc();
    for (std::string path : {"/grpc.health.v1.Health/Check", "/x", "/"}) {
        int32_t id = client->unary(path, "");
        client->flush();
        ControlEvent head = next_event();
        EXPECT_EQ(head.target, path);
        answer(head.call_id, AnswerKind::kEnd, "no such call", kGrpcUnimplemented);
        const GrpcTestCall& call = client->wait_for(id);
        EXPECT_EQ(call.status(), kGrpcUnimplemented);
        EXPECT_EQ(call.text(), "no such call");
        EXPECT_TRUE(call.trailers.empty());
        while (has_event()) {
            next_event();
        }
    }
}

TEST_F(GrpcControlTest, statuses_and_texts_pass_as_they_are) {
    auto client = connect_grpc();
    for (int status : {1, 2, 7, 16, 99}) {
        int32_t id = client->unary("ModelConfig", "");
        client->flush();
        answer(expect_call(""), AnswerKind::kEnd, "100% \n", status);
        const GrpcTestCall& call = client->wait_for(id);
        EXPECT_EQ(call.status(), status == 99 ? 2 : status);
        EXPECT_EQ(call.text(), "100%25 %0A");
    }
}

TEST_F(GrpcControlTest, call_may_go_on_both_ways) {
    auto client = connect_grpc();
    int32_t id = client->start("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo");
    client->flush();
    uint64_t call_id = next_event().call_id;
    for (int number = 0; number < 200; ++number) {
        std::string text = std::to_string(number);
        client->send(id, framed(text));
        client->flush();
        EXPECT_EQ(text_of(expect_event(EventKind::kGrpcMessage, call_id).body), text);
        answer(call_id, AnswerKind::kPiece, "re " + text);
        expect_event(EventKind::kTaken, call_id);
        client->wait([&] { return client->call(id).messages().size() > size_t(number); });
        EXPECT_EQ(client->call(id).messages().back(), "re " + text);
    }
    client->finish(id);
    client->flush();
    expect_event(EventKind::kHalfClose, call_id);
    answer(call_id, AnswerKind::kEnd);
    EXPECT_EQ(client->wait_for(id).status(), kGrpcOk);
    run_until([&] { return held.now() == 0; });
}

TEST_F(GrpcControlTest, messages_above_the_bound_wait_until_others_are_answered) {
    auto client = connect_grpc();
    int32_t id = client->start("/any.Service/Call");
    for (int number = 0; number < 100; ++number) {
        client->send(id, framed(std::to_string(number)));
    }
    client->finish(id);
    client->flush();
    uint64_t call_id = next_event().call_id;
    size_t messages = 0;
    while (has_event()) {
        EXPECT_EQ(text_of(expect_event(EventKind::kGrpcMessage, call_id).body),
                  std::to_string(messages++));
    }
    EXPECT_EQ(messages, limits::kControlMessagesInFlight);
    while (messages < 100) {
        answer(call_id, AnswerKind::kPiece, "one");
        expect_event(EventKind::kTaken, call_id);
        EXPECT_EQ(text_of(expect_event(EventKind::kGrpcMessage, call_id).body),
                  std::to_string(messages++));
    }
    expect_event(EventKind::kHalfClose, call_id);
    answer(call_id, AnswerKind::kEnd);
    EXPECT_EQ(client->wait_for(id).status(), kGrpcOk);
    EXPECT_EQ(client->call(id).messages().size(), 100 - limits::kControlMessagesInFlight);
}

TEST_F(GrpcControlTest, requests_may_be_compressed) {
    auto client = connect_grpc();
    EncodedBody body;
    body.append_owned("question");
    int32_t id = client->start("ModelConfig", {{"grpc-encoding", "gzip"}});
    client->send(id, framed(compress(body, ContentCoding::kGzip, 6), true));
    client->finish(id);
    client->flush();
    answer(expect_call("question"), AnswerKind::kEnd);
    EXPECT_EQ(client->wait_for(id).status(), kGrpcOk);
}

TEST_F(GrpcControlTest, large_answer_is_taken_when_its_client_has_read_enough_of_it) {
    auto client = connect_grpc(/*window=*/100'000);
    int32_t id = client->unary("ModelConfig", "");
    client->flush();
    uint64_t call_id = expect_call("");
    const std::string piece(3 << 20, 'x');
    answer(call_id, AnswerKind::kPiece, piece);
    EXPECT_FALSE(has_event());
    client->wait([&] { return client->call(id).data.size() >= piece.size(); });
    expect_event(EventKind::kTaken, call_id);
    answer(call_id, AnswerKind::kEnd);
    EXPECT_EQ(client->wait_for(id).messages(), std::vector<std::string>{piece});
    run_until([&] { return held.now() == 0; });
}

TEST_F(GrpcControlTest, control_plane_hears_that_a_client_has_gone) {
    auto client = connect_grpc();
    int32_t id = client->unary("ModelConfig", "");
    client->flush();
    uint64_t first = expect_call("");
    client->reset(id);
    client->flush();
    expect_event(EventKind::kGone, first);
    answer(first, AnswerKind::kPiece, "nobody hears this");
    client->unary("ModelConfig", "");
    client->flush();
    uint64_t second = expect_call("");
    client->leave();
    expect_event(EventKind::kGone, second);
    answer(second, AnswerKind::kEnd);
    EXPECT_FALSE(has_event());
}

TEST_F(GrpcControlTest, control_plane_hears_that_a_deadline_has_passed) {
    auto client = connect_grpc();
    int32_t id = client->unary("ModelConfig", "", {{"grpc-timeout", "10m"}});
    client->flush();
    uint64_t call_id = expect_call("");
    advance_ms(11);
    EXPECT_EQ(client->wait_for(id).status(), kGrpcDeadlineExceeded);
    expect_event(EventKind::kGone, call_id);
}

TEST_F(GrpcControlTest, answer_may_come_before_the_client_has_said_its_last) {
    auto client = connect_grpc();
    int32_t id = client->start("ModelConfig");
    client->send(id, framed("question").substr(0, 7));
    client->flush();
    answer(next_event().call_id, AnswerKind::kEnd, "no", kGrpcUnimplemented);
    EXPECT_EQ(client->wait_for(id).status(), kGrpcUnimplemented);
    expect_serves(*client);
}

TEST_F(GrpcControlTest, closed_control_plane_is_unavailable) {
    auto client = connect_grpc();
    bridge.close();
    const GrpcTestCall& call = client->result_of("ModelConfig", "");
    EXPECT_EQ(call.status(), kGrpcUnavailable);
    expect_serves(*client);
}

TEST_F(GrpcControlTest, answer_beyond_what_the_front_end_may_hold_ends_the_call) {
    auto client = connect_grpc();
    int32_t id = client->unary("ModelConfig", "");
    client->flush();
    uint64_t call_id = expect_call("");
    size_t rest = limits::kMaxHeld - held.now() - 100;
    ASSERT_TRUE(held.try_add(rest));
    answer(call_id, AnswerKind::kPiece, std::string(100'000, 'x'));
    EXPECT_EQ(client->wait_for(id).status(), kGrpcResourceExhausted);
    expect_event(EventKind::kGone, call_id);
    held.remove(rest);
}

}  // namespace
}  // namespace tritonpy
