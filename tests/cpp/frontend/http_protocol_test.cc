// Goal: requests on one connection are read, answered and followed by the next exactly as HTTP/1.1
// says, however their bytes arrive.
// Method: a client on a socket pair sends bytes as no library would; the server behind is real.
#include "frontend/http_protocol.h"

#include <gtest/gtest.h>

#include <string>

#include "frontend/http_fixture.h"

namespace tritonpy {
namespace {

const std::string kInferAnswer =
    R"({"model_name":"model","model_version":"1","outputs":[{"name":"OUTPUT0",)"
    R"("datatype":"FP32","shape":[1,2],"data":[1.5,2.5]}]})";

TEST_F(HttpTest, inference_is_answered_and_the_connection_stays) {
    HttpTestClient client = connect();
    for (int i = 0; i < 3; ++i) {
        client.send(infer_request());
        HttpAnswer answer = client.read_answer();
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.headers["content-type"], "application/json");
        EXPECT_FALSE(answer.headers.contains("connection"));
        EXPECT_EQ(answer.body, kInferAnswer);
    }
}

TEST_F(HttpTest, health_is_answered_without_a_body) {
    HttpTestClient client = connect();
    for (const char* path : {"/v2/health/live", "/v2/health/ready", "/v2/models/model/ready",
                             "/v2/models/model/versions/1/ready"}) {
        client.send(get(path));
        HttpAnswer answer = client.read_answer();
        EXPECT_EQ(answer.status, 200) << path;
        EXPECT_EQ(answer.headers["content-length"], "0");
    }
    health.ready = false;
    client.send(get("/v2/health/live") + get("/v2/health/ready"));
    EXPECT_EQ(client.read_answer().status, 200);
    HttpAnswer unready = client.read_answer();
    EXPECT_EQ(unready.status, 400);
    EXPECT_EQ(unready.body, "");
}

TEST_F(HttpTest, nothing_is_live_or_ready_while_the_server_exits) {
    health.exiting = true;
    HttpTestClient client = connect();
    for (const char* path : {"/v2/health/live", "/v2/health/ready"}) {
        client.send(get(path));
        HttpAnswer answer = client.read_answer();
        EXPECT_EQ(answer.status, 503);
        EXPECT_EQ(answer.headers["retry-after"], "1");
        EXPECT_EQ(answer.body, error_json("Server exiting"));
    }
}

TEST_F(HttpTest, models_that_are_not_ready_are_named) {
    HttpTestClient client = connect();
    client.send(get("/v2/models/other/ready"));
    HttpAnswer answer = client.read_answer();
    EXPECT_EQ(answer.status, 404);
    EXPECT_EQ(answer.body, error_json("Request for unknown model: 'other' is not found"));
    client.send(get("/v2/models/model/versions/99999999999999999999/ready"));
    EXPECT_EQ(client.read_answer().status, 400);
}

TEST_F(HttpTest, head_is_answered_without_the_body_that_its_length_announces) {
    HttpTestClient client = connect();
    client.send("HEAD /v2/health/live HTTP/1.1\r\n\r\n");
    client.send("HEAD /v2/models/other/ready HTTP/1.1\r\n\r\n");
    EXPECT_EQ(client.read_answer(true).status, 200);
    HttpAnswer error = client.read_answer(true);
    EXPECT_EQ(error.status, 404);
    EXPECT_NE(error.headers["content-length"], "0");
    client.send(get("/v2/health/live"));
    EXPECT_EQ(client.read_answer().status, 200);
}

TEST_F(HttpTest, pipelined_requests_are_answered_in_order) {
    HttpTestClient client = connect();
    client.send(infer_request() + get("/v2/health/live") + get("/v2/first") +
                get("/v2/models/other/ready") + get("/v2/second") + infer_request("7", 1) +
                get("/v2/health/ready", "Connection: close\r\n") + get("/v2/health/live"));
    EXPECT_EQ(client.read_answer().body, kInferAnswer);
    EXPECT_EQ(client.read_answer().status, 200);
    ControlEvent first = next_event();
    EXPECT_EQ(first.target, "/v2/first");
    EXPECT_FALSE(has_event());
    answer_whole(first.call_id, "one");
    EXPECT_EQ(client.read_answer().body, "one");
    EXPECT_EQ(client.read_answer().status, 404);
    answer_whole(next_event().call_id, "two");
    EXPECT_EQ(client.read_answer().body, "two");
    EXPECT_NE(client.read_answer().body.find("\"data\":[7.0]"), std::string::npos);
    EXPECT_EQ(client.read_answer().headers["connection"], "close");
    EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(HttpTest, requests_may_be_split_anywhere) {
    const std::string chunked =
        "POST /v2/models/model/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    std::string body = infer_request();
    body = body.substr(body.find("\r\n\r\n") + 4);
    const std::string requests =
        infer_request() + "\r\n" + chunked + "3;x=y\r\n" + body.substr(0, 3) + "\r\n4C\r\n" +
        body.substr(3) + "\r\n0\r\nTrailer: x\r\n\r\n" + get("/v2/health/live");
    ASSERT_EQ(body.size(), 0x4Cu + 3);
    for (size_t split = 1; split < requests.size(); ++split) {
        HttpTestClient client = connect();
        client.send(requests.substr(0, split));
        let_io_run();
        client.send(requests.substr(split));
        ASSERT_EQ(client.read_answer().body, kInferAnswer) << split;
        ASSERT_EQ(client.read_answer().body, kInferAnswer) << split;
        ASSERT_EQ(client.read_answer().status, 200) << split;
    }
}

TEST_F(HttpTest, bytes_may_come_one_by_one) {
    HttpTestClient client = connect();
    for (char character : infer_request() + infer_request()) {
        client.send(std::string(1, character));
        let_io_run();
    }
    EXPECT_EQ(client.read_answer().body, kInferAnswer);
    EXPECT_EQ(client.read_answer().body, kInferAnswer);
}

TEST_F(HttpTest, more_than_fits_into_one_read_may_be_pipelined) {
    constexpr int kRequests = 3000;
    holds = true;
    std::string requests = infer_request();
    for (int i = 0; i < kRequests; ++i) {
        requests += get("/v2/health/live");
    }
    HttpTestClient client = connect();
    ASSERT_GT(requests.size(), limits::kReadSize);
    size_t sent = client.send_some(requests);
    executing.acquire();
    // What runs holds the others back: the socket takes no more than its buffers and ours.
    while (size_t more = client.send_some(std::string_view(requests).substr(sent))) {
        sent += more;
        let_io_run();
    }
    holds = false;
    may_execute.release();
    ASSERT_EQ(client.read_answer().body, kInferAnswer);
    client.send(std::string_view(requests).substr(sent));
    for (int i = 0; i < kRequests; ++i) {
        ASSERT_EQ(client.read_answer().status, 200) << i;
    }
}

TEST_F(HttpTest, a_client_that_does_not_read_its_answers_is_not_read_from) {
    HttpTestClient client = connect();
    const std::string request = get("/v2/models/other/ready");
    std::string burst;
    for (int i = 0; i < 1000; ++i) {
        burst += request;
    }
    size_t sent = 0;  // whole requests and a part of one
    std::string_view rest = burst;
    while (size_t more = client.send_some(rest)) {
        sent += more;
        rest = std::string_view(burst).substr(sent % request.size());
        let_io_run();
    }
    EXPECT_LE(held.now(), 3 * limits::kReadSize);
    for (size_t i = 0; i < sent / request.size(); ++i) {
        ASSERT_EQ(client.read_answer().status, 404) << i;
    }
    client.send(std::string_view(request).substr(sent % request.size()));
    EXPECT_EQ(client.read_answer().status, 404);
}

TEST_F(HttpTest, a_client_that_waits_for_a_word_gets_it_before_it_sends) {
    HttpTestClient client = connect();
    std::string request = infer_request("1.5,2.5", 2, "Expect: 100-continue\r\n");
    size_t head = request.find("\r\n\r\n") + 4;
    client.send(request.substr(0, head));
    EXPECT_EQ(client.read_answer().status, 100);
    client.send(request.substr(head));
    EXPECT_EQ(client.read_answer().body, kInferAnswer);
    // Who sends without waiting is not told to go on.
    client.send(request);
    EXPECT_EQ(client.read_answer().body, kInferAnswer);
}

TEST_F(HttpTest, a_client_that_waits_for_a_word_hears_what_its_head_does_wrong) {
    for (const auto& [target, header, status] :
         {std::tuple("/v2/models/other/infer", "Content-Length: 9", 404),
          std::tuple("/v2/models/model/versions/0/infer", "Content-Length: 9", 400),
          std::tuple("/v2/models/model/infer", "Content-Length: 9\r\nContent-Encoding: br", 501),
          std::tuple("/v2/models/model/infer",
                     "Content-Length: 9\r\nInference-Header-Content-Length: x", 400),
          std::tuple("/v2/models/model/infer", "Content-Length: 99999999999", 400)}) {
        HttpTestClient client = connect();
        std::string request = std::string("POST ") + target + " HTTP/1.1\r\n";
        client.send(request + "Expect: 100-continue\r\n" + header + "\r\n\r\n");
        HttpAnswer answer = client.read_answer();
        EXPECT_EQ(answer.status, status) << target << header;
        EXPECT_EQ(answer.headers["connection"], "close");
        EXPECT_EQ(client.read_to_end(), "");
    }
}

TEST_F(HttpTest, old_clients_are_kept_only_when_they_ask) {
    HttpTestClient kept = connect();
    kept.send("GET /v2/health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(kept.read_answer().headers["connection"], "keep-alive");
    kept.send("GET /v2/health/live HTTP/1.0\r\n\r\n");
    EXPECT_EQ(kept.read_answer().headers["connection"], "close");
    EXPECT_EQ(kept.read_to_end(), "");
}

TEST_F(HttpTest, what_is_no_http_is_told_so_in_json_and_ends_the_connection) {
    for (const std::string& sent :
         {std::string("nonsense\r\n\r\n"), std::string("\x16\x03\x01", 3),
          std::string("GET /v2 HTTP/1.1\r\nbad header\r\n\r\n"),
          std::string("GET /v2 HTTP/1.1\r\nContent-Length: -5\r\n\r\n"),
          std::string("POST /v2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz"),
          "GET /v2 HTTP/1.1\r\nX: " + std::string(limits::kMaxRequestHead, 'x')}) {
        HttpTestClient client = connect();
        client.send(sent + get("/v2/health/live"));
        HttpAnswer answer = client.read_answer();
        EXPECT_EQ(answer.status, 400) << sent.substr(0, 40);
        EXPECT_EQ(answer.headers["content-type"], "application/json");
        EXPECT_EQ(answer.headers["connection"], "close");
        EXPECT_TRUE(answer.body.starts_with("{\"error\":\""));
        EXPECT_EQ(client.read_to_end(), "");
    }
}

TEST_F(HttpTest, a_bad_head_behind_head_is_answered_with_a_body) {
    HttpTestClient client = connect();
    client.send("HEAD /v2/health/live HTTP/1.1\r\n\r\nnonsense\r\n\r\n");
    EXPECT_EQ(client.read_answer(true).status, 200);
    EXPECT_EQ(client.read_answer().body, error_json("Invalid HTTP request received."));
}

TEST_F(HttpTest, empty_lines_between_requests_are_no_request) {
    HttpTestClient client = connect();
    client.send("\r\n\r\n" + get("/v2/health/live") + "\r\n\n");
    EXPECT_EQ(client.read_answer().status, 200);
    let_io_run();
    advance_ms(options.request_timeout_ms + 1);  // which a partial request would not survive
    client.send(get("/v2/health/live"));
    EXPECT_EQ(client.read_answer().status, 200);
}

TEST_F(HttpTest, a_body_that_nobody_asked_for_is_skipped) {
    HttpTestClient client = connect();
    client.send("GET /v2/health/live HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc" +
                get("/v2/health/ready"));
    EXPECT_EQ(client.read_answer().status, 200);
    EXPECT_EQ(client.read_answer().status, 200);
}

struct HttpLimitTest : HttpTest {
    static constexpr size_t kLimit = 1000;
    HttpLimitTest() { options.http->max_input_size = kLimit; }

    static std::string padded_infer(size_t size, const std::string& headers = "") {
        std::string request = infer_request("1.5,2.5", 2, headers);
        std::string body = request.substr(request.find("\r\n\r\n") + 4);
        body.resize(size, ' ');
        return with_body("/v2/models/model/infer", body, headers);
    }
};

TEST_F(HttpLimitTest, a_body_of_exactly_the_limit_passes_and_one_byte_more_does_not) {
    HttpTestClient client = connect();
    client.send(padded_infer(kLimit));
    EXPECT_EQ(client.read_answer().body, kInferAnswer);
    client.send(padded_infer(kLimit + 1));
    HttpAnswer answer = client.read_answer();
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.headers["connection"], "close");
    EXPECT_EQ(answer.body,
              error_json("request JSON size of 1001 bytes exceeds the maximum allowed input size "
                         "of 1000 bytes. Use --http-max-input-size to increase the limit."));
}

TEST_F(HttpLimitTest, the_text_says_what_kind_of_body_was_too_large) {
    for (const auto& [length, text] :
         {std::pair("0",
                    "Raw input has a byte_size (1001 bytes) that exceeds the maximum allowed value "
                    "of 1000 bytes. Use --http-max-input-size to increase the limit."),
          std::pair("7", "request size of 1001 bytes exceeds the maximum allowed input size of "
                         "1000 bytes. Use --http-max-input-size to increase the limit.")}) {
        HttpTestClient client = connect();
        client.send(padded_infer(
            kLimit + 1, std::string("Inference-Header-Content-Length: ") + length + "\r\n"));
        EXPECT_EQ(client.read_answer().body, error_json(text));
    }
}

TEST_F(HttpLimitTest, chunks_are_counted_as_they_come) {
    HttpTestClient client = connect();
    client.send("POST /v2/repository/index HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n258\r\n" +
                std::string(600, ' ') + "\r\n190\r\n" + std::string(400, ' '));
    let_io_run();
    client.send("\r\n1\r\n ");
    EXPECT_EQ(client.read_answer().body,
              error_json("request JSON size of 1001 bytes exceeds the maximum allowed input size "
                         "of 1000 bytes. Use --http-max-input-size to increase the limit."));
    EXPECT_EQ(client.read_to_end(), "");
    EXPECT_FALSE(has_event());
}

TEST_F(HttpTest, too_many_chunks_are_refused) {
    HttpTestClient client = connect();
    std::string request = "POST /v2/any HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (size_t i = 0; i < limits::kMaxBodyChunks; ++i) {
        request += "1\r\n \r\n";
    }
    client.send(request + "0\r\n\r\n");
    ControlEvent event = next_event();
    EXPECT_EQ(event.chunks, limits::kMaxBodyChunks + 1);
    EXPECT_EQ(event.body->size(), limits::kMaxBodyChunks);
    answer_whole(event.call_id, "ok");
    EXPECT_EQ(client.read_answer().body, "ok");
    client.send(request + "1\r\n \r\n0\r\n\r\n");
    HttpAnswer answer = client.read_answer();
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.body,
              error_json("Chunked request body exceeds maximum of 65536 non-empty chunks. Send "
                         "fewer or larger HTTP chunks."));
}

TEST_F(HttpTest, bodies_are_counted_as_they_come_and_refused_when_too_much_is_held) {
    size_t others = limits::kMaxHeld - 100'000;
    ASSERT_TRUE(held.try_add(others));
    HttpTestClient client = connect();
    std::string request = binary_infer_request(std::string(1 << 20, '\0'));
    client.send(request.substr(0, 50'000));
    let_io_run();
    EXPECT_GT(held.now(), others);
    EXPECT_LE(held.now(), others + 50'000);
    client.send(request.substr(50'000));
    HttpAnswer answer = client.read_answer();
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.headers["retry-after"], "1");
    EXPECT_EQ(client.read_to_end(), "");
    held.remove(others);
}

}  // namespace
}  // namespace tritonpy
