// Goal: requests that the control plane answers reach it whole, and its answers reach the client as
// HTTP/1.1 frames them, streamed ones too, never faster than the client reads.
// Method: the test is the control plane behind a real io thread.
#include "frontend/http_control.h"

#include <gtest/gtest.h>

#include <string>

#include "frontend/http_fixture.h"

namespace tritonpy {
namespace {

using Kind = ControlAnswer::Kind;

struct HttpControlTest : HttpTest {
    static std::string text_of(const BufferRef& body) {
        return body ? std::string(reinterpret_cast<const char*>(body->data()), body->size()) : "";
    }
};

TEST_F(HttpControlTest, a_request_comes_whole_with_names_in_lower_case) {
    HttpTestClient client = connect();
    client.send(with_body("/v2/repository/index?a=b", "{\"ready\":true}",
                          "X-Mine:  Some Value \r\nX-Mine: more\r\n"));
    ControlEvent event = next_event();
    EXPECT_EQ(event.kind, ControlEvent::Kind::kHttpRequest);
    EXPECT_EQ(event.method, "POST");
    EXPECT_EQ(event.target, "/v2/repository/index?a=b");
    EXPECT_EQ(event.minor_version, 1);
    EXPECT_EQ(event.headers, (ControlHeaders{{"host", "a"},
                                             {"x-mine", "Some Value"},
                                             {"x-mine", "more"},
                                             {"content-length", "14"}}));
    EXPECT_EQ(text_of(event.body), "{\"ready\":true}");
    EXPECT_EQ(event.chunks, 0u);
    answer_whole(event.call_id, "[]");
    HttpAnswer answer = client.read_answer();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.headers["x-app"], "yes");
    EXPECT_EQ(answer.body, "[]");
}

TEST_F(HttpControlTest, a_body_in_chunks_comes_without_them_but_as_it_was_coded) {
    HttpTestClient client = connect();
    client.send("POST /v2/logging HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
                "Content-Encoding: br\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n");
    ControlEvent event = next_event();
    EXPECT_EQ(text_of(event.body), "abcde");
    EXPECT_EQ(event.chunks, 3u);
    answer_whole(event.call_id, "");
    EXPECT_EQ(client.read_answer().status, 200);
}

TEST_F(HttpControlTest, inference_with_the_wrong_verb_is_the_control_planes_to_refuse) {
    HttpTestClient client = connect();
    client.send(get("/v2/models/model/infer"));
    answer(next_event().call_id, Kind::kHead, "", 405, {{"content-length", "0"}});
    let_io_run();
    client.close();
    wait_until_all_closed();
}

TEST_F(HttpControlTest, an_answer_without_length_goes_in_chunks_or_until_the_end) {
    for (int minor : {1, 0}) {
        HttpTestClient client = connect();
        std::string request = "GET /v2 HTTP/1." + std::to_string(minor) + "\r\n";
        client.send(request + "Connection: keep-alive\r\n\r\n");
        uint64_t call = next_event().call_id;
        answer(call, Kind::kHead, "", 200, {{"content-type", "text/plain"}});
        answer(call, Kind::kPiece, "one ");
        EXPECT_EQ(next_event().kind, ControlEvent::Kind::kTaken);
        answer(call, Kind::kPiece, std::string(100'000, 'x'));
        EXPECT_EQ(next_event().kind, ControlEvent::Kind::kTaken);
        answer(call, Kind::kPiece, "");
        EXPECT_EQ(next_event().kind, ControlEvent::Kind::kTaken);
        answer(call, Kind::kEnd, " end");
        HttpAnswer got = client.read_answer();
        EXPECT_EQ(got.headers.contains("transfer-encoding"), minor == 1);
        EXPECT_EQ(got.headers.contains("connection"), minor == 0);
        EXPECT_EQ(got.body, "one " + std::string(100'000, 'x') + " end");
        if (minor == 1) {
            client.send(get("/v2/health/live"));
            EXPECT_EQ(client.read_answer().status, 200);
        } else {
            EXPECT_EQ(client.read_to_end(), "");
        }
    }
}

TEST_F(HttpControlTest, answers_that_have_no_body_get_none) {
    HttpTestClient client = connect();
    client.send("HEAD /v2 HTTP/1.1\r\n\r\n");
    answer_whole(next_event().call_id, "not sent");
    EXPECT_EQ(client.read_answer(true).headers["content-length"], "8");
    for (int status : {204, 304}) {
        client.send(get("/v2"));
        uint64_t call = next_event().call_id;
        answer(call, Kind::kHead, "", status, {{"content-length", "3"}});
        answer(call, Kind::kEnd, "abc");
        HttpAnswer got = client.read_answer();
        EXPECT_EQ(got.status, status);
        EXPECT_FALSE(got.headers.contains("content-length"));
        EXPECT_FALSE(got.headers.contains("transfer-encoding"));
    }
    client.send(get("/v2/health/live"));
    EXPECT_EQ(client.read_answer().status, 200);
}

TEST_F(HttpControlTest, the_connection_is_ours_to_keep_or_close) {
    HttpTestClient client = connect();
    client.send(get("/v2"));
    uint64_t call = next_event().call_id;
    answer(call, Kind::kHead, "", 200,
           {{"Connection", "close"}, {"Transfer-Encoding", "chunked"}, {"Content-Length", "2"}});
    answer(call, Kind::kEnd, "ok");
    HttpAnswer got = client.read_answer();
    EXPECT_EQ(got.headers, (std::map<std::string, std::string>{{"content-length", "2"}}));
    client.send(get("/v2", "Connection: close\r\n"));
    answer_whole(next_event().call_id, "bye");
    EXPECT_EQ(client.read_answer().headers["connection"], "close");
    EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(HttpControlTest, a_body_longer_than_its_length_is_cut) {
    HttpTestClient client = connect();
    client.send(get("/v2") + get("/v2/health/live"));
    uint64_t call = next_event().call_id;
    answer(call, Kind::kHead, "", 200, {{"content-length", "3"}});
    answer(call, Kind::kPiece, "ab");
    answer(call, Kind::kEnd, "cdef");
    EXPECT_EQ(client.read_answer().body, "abc");
    EXPECT_EQ(client.read_answer().status, 200);
}

TEST_F(HttpControlTest, a_body_shorter_than_its_length_ends_the_connection) {
    HttpTestClient client = connect();
    client.send(get("/v2") + get("/v2/health/live"));
    uint64_t call = next_event().call_id;
    answer(call, Kind::kHead, "", 200, {{"content-length", "3"}});
    answer(call, Kind::kEnd, "ab");
    EXPECT_EQ(client.read_to_end(), "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab");
}

TEST_F(HttpControlTest, an_end_without_a_head_is_an_error) {
    HttpTestClient client = connect();
    client.send(get("/v2"));
    uint64_t call = next_event().call_id;
    answer(call, Kind::kPiece, "lost");
    answer(call, Kind::kEnd);
    HttpAnswer got = client.read_answer();
    EXPECT_EQ(got.status, 500);
    EXPECT_EQ(got.body, "{\"error\":\"the control plane has not answered\"}");
    client.send(get("/v2/health/live"));
    EXPECT_EQ(client.read_answer().status, 200);
}

TEST_F(HttpControlTest, pieces_are_taken_only_as_fast_as_the_client_reads) {
    constexpr size_t kPiece = 100'000;
    HttpTestClient client = connect();
    client.send(get("/v2", "Connection: close\r\n"));
    uint64_t call = next_event().call_id;
    answer(call, Kind::kHead, "", 200);
    size_t pieces = 0;
    do {
        answer(call, Kind::kPiece, std::string(kPiece, 'x'));
        ++pieces;
        if (!has_event()) {
            break;
        }
        EXPECT_EQ(next_event().kind, ControlEvent::Kind::kTaken);
    } while (pieces < 1000);
    EXPECT_LT(pieces, 1000u);
    EXPECT_LE(held.now(), limits::kMaxUnwritten + kPiece);
    EXPECT_EQ(client.read(pieces * kPiece).size(), pieces * kPiece);
    EXPECT_EQ(next_event().kind, ControlEvent::Kind::kTaken);
    answer(call, Kind::kEnd, "end");
    std::string rest = client.read_to_end();
    EXPECT_TRUE(rest.ends_with("3\r\nend\r\n0\r\n\r\n"));
}

TEST_F(HttpControlTest, a_client_that_leaves_is_made_known_and_late_answers_are_dropped) {
    for (bool half : {false, true}) {
        HttpTestClient client = connect();
        client.send(get("/v2"));
        uint64_t call = next_event().call_id;
        if (half) {
            client.end_sending();
        } else {
            client.close();
        }
        ControlEvent gone = next_event();
        EXPECT_EQ(gone.kind, ControlEvent::Kind::kGone);
        EXPECT_EQ(gone.call_id, call);
        answer_whole(call, "late");
        if (half) {
            EXPECT_EQ(client.read_to_end(), "");
        }
        wait_until_all_closed();
    }
}

TEST_F(HttpControlTest, a_control_plane_that_takes_no_more_is_unavailable) {
    HttpTestClient more = connect();
    bridge.close();
    more.send(get("/v2"));
    HttpAnswer got = more.read_answer();
    EXPECT_EQ(got.status, 503);
    EXPECT_EQ(got.headers["retry-after"], "1");
    EXPECT_EQ(got.body, "{\"error\":\"Server exiting\"}");
    more.send(get("/v2/health/live"));
    EXPECT_EQ(more.read_answer().status, 200);
}

TEST_F(HttpControlTest, a_large_answer_that_finds_no_room_ends_the_connection) {
    HttpTestClient client = connect();
    client.send(get("/v2"));
    uint64_t call = next_event().call_id;
    ASSERT_TRUE(held.try_add(limits::kMaxHeld));
    answer(call, Kind::kHead, "", 200);
    answer(call, Kind::kPiece, std::string(100'000, 'x'));
    EXPECT_EQ(client.read_to_end(), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    EXPECT_EQ(next_event().kind, ControlEvent::Kind::kGone);
    held.remove(limits::kMaxHeld);
}

}  // namespace
}  // namespace tritonpy
