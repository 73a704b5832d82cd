// Goal: a server that stops, or a client that is too slow, ends connections with a word where
// somebody waits for one, and never in the middle of an answer.
// Method: a real io thread whose clock the test moves, and executions that the test holds.
#include <gtest/gtest.h>

#include <string>

#include "frontend/http_fixture.h"

namespace tritonpy {
namespace {

using Kind = ControlAnswer::Kind;

struct HttpStoppingTest : HttpTest {
    void expect_exiting(HttpAnswer answer) {
        EXPECT_EQ(answer.status, 503);
        EXPECT_EQ(answer.headers["retry-after"], "1");
        EXPECT_EQ(answer.headers["connection"], "close");
        EXPECT_EQ(answer.body, error_json("Server exiting"));
    }
};

TEST_F(HttpStoppingTest, idle_connections_close_at_once_and_so_does_half_a_head) {
    HttpTestClient fresh = connect();
    HttpTestClient used = connect();
    used.send(get("/v2/health/live"));
    EXPECT_EQ(used.read_answer().status, 200);
    HttpTestClient partial = connect();
    partial.send("GET /v2/hea");
    let_io_run();
    io->finish();
    wait_until_all_closed();
    EXPECT_EQ(fresh.read_to_end() + used.read_to_end() + partial.read_to_end(), "");
}

TEST_F(HttpStoppingTest, what_runs_is_answered_and_is_the_last) {
    holds = true;
    HttpTestClient infers = connect();
    infers.send(infer_request() + get("/v2/health/live"));
    executing.acquire();
    HttpTestClient controls = connect();
    controls.send(get("/v2") + get("/v2/health/live"));
    uint64_t call = next_event().call_id;
    HttpTestClient sends = connect();
    std::string request = infer_request();
    sends.send(request.substr(0, request.size() - 5));
    let_io_run();
    io->finish();
    let_io_run();
    EXPECT_EQ(open.now(), 3u);

    holds = false;
    may_execute.release();
    HttpAnswer inferred = infers.read_answer();
    EXPECT_EQ(inferred.status, 200);
    EXPECT_EQ(inferred.headers["connection"], "close");
    EXPECT_EQ(infers.read_to_end(), "");
    answer_whole(call, "done");
    HttpAnswer controlled = controls.read_answer();
    EXPECT_EQ(controlled.body, "done");
    EXPECT_EQ(controlled.headers["connection"], "close");
    EXPECT_EQ(controls.read_to_end(), "");
    sends.send(request.substr(request.size() - 5));
    EXPECT_EQ(sends.read_answer().headers["connection"], "close");
    EXPECT_EQ(sends.read_to_end(), "");
}

TEST_F(HttpStoppingTest, answers_that_were_not_read_yet_are_still_written) {
    HttpTestClient client = connect();
    std::string data(size_t{2} << 20, 'x');
    client.send(binary_infer_request(data));
    EXPECT_EQ(client.read(1), "H");
    io->finish();
    let_io_run();
    EXPECT_TRUE(client.read_to_end().ends_with(data));
}

TEST_F(HttpStoppingTest, whoever_still_waits_when_time_is_over_is_told_so) {
    holds = true;
    HttpTestClient infers = connect();
    infers.send(infer_request());
    executing.acquire();
    HttpTestClient controls = connect();
    controls.send(get("/v2"));
    next_event();
    HttpTestClient sends = connect();
    sends.send("POST /v2 HTTP/1.1\r\nContent-Length: 5\r\n\r\nab");
    HttpTestClient streams = connect();
    streams.send(get("/v2"));
    uint64_t call = next_event().call_id;
    answer(call, Kind::kHead, "", 200);
    answer(call, Kind::kPiece, "ab");
    EXPECT_EQ(next_event().kind, ControlEvent::Kind::kTaken);
    HttpTestClient idles = connect();
    let_io_run();

    stop();
    expect_exiting(infers.read_answer());
    expect_exiting(controls.read_answer());
    expect_exiting(sends.read_answer());
    EXPECT_TRUE(streams.read_to_end().ends_with("\r\n\r\n2\r\nab\r\n"));
    EXPECT_EQ(idles.read_to_end(), "");
}

TEST_F(HttpStoppingTest, a_request_that_does_not_come_is_given_up) {
    for (const char* part : {"G", "GET /v2 HTTP/1.1\r\nX: y\r\n",
                             "POST /v2 HTTP/1.1\r\nContent-Length: 5\r\n\r\nab",
                             "POST /v2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
        HttpTestClient client = connect();
        client.send(get("/v2/health/live") + part);
        EXPECT_EQ(client.read_answer().status, 200);
        let_io_run();
        advance_ms(options.request_timeout_ms + 1);
        HttpAnswer answer = client.read_answer();
        EXPECT_EQ(answer.status, 408);
        EXPECT_EQ(answer.headers["connection"], "close");
        EXPECT_EQ(answer.body, error_json("the request did not arrive in time"));
        EXPECT_EQ(client.read_to_end(), "");
    }
}

TEST_F(HttpStoppingTest, a_connection_that_nobody_uses_closes_without_a_word) {
    HttpTestClient fresh = connect();
    HttpTestClient used = connect();
    used.send(get("/v2/health/live"));
    EXPECT_EQ(used.read_answer().status, 200);
    let_io_run();
    advance_ms(options.idle_timeout_ms - 1);
    EXPECT_EQ(open.now(), 2u);
    advance_ms(2);
    EXPECT_EQ(fresh.read_to_end() + used.read_to_end(), "");
    wait_until_all_closed();
}

TEST_F(HttpStoppingTest, whoever_waits_for_an_answer_is_not_idle) {
    holds = true;
    HttpTestClient infers = connect();
    infers.send(infer_request());
    executing.acquire();
    HttpTestClient controls = connect();
    controls.send(get("/v2"));
    uint64_t call = next_event().call_id;
    let_io_run();
    advance_ms(10 * options.idle_timeout_ms);
    EXPECT_EQ(open.now(), 2u);
    holds = false;
    may_execute.release();
    answer_whole(call, "late");
    EXPECT_EQ(infers.read_answer().status, 200);
    EXPECT_EQ(controls.read_answer().body, "late");
}

TEST_F(HttpStoppingTest, a_client_that_takes_no_answer_is_given_up) {
    HttpTestClient client = connect();
    client.send(binary_infer_request(std::string(size_t{4} << 20, 'x')));
    EXPECT_EQ(client.read(1), "H");
    let_io_run();
    advance_ms(options.idle_timeout_ms + 1);
    wait_until_all_closed();
}

}  // namespace
}  // namespace tritonpy
