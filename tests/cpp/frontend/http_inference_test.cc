// Goal: inference over HTTP carries every kind of body both ways, says what is wrong in Triton's
// order, and holds memory only as long as somebody needs it.
// Method: requests over a socket pair to a real server whose model gives its input back.
#include "frontend/http_inference.h"

#include <gtest/gtest.h>

#include <string>

#include "frontend/http_fixture.h"
#include "support/request_builder.h"
#include "wire/content_coding.h"

namespace tritonpy {
namespace {

std::string values(size_t count, char seed = 0) {
    std::string data(count * sizeof(float), '\0');
    for (size_t i = 0; i < data.size(); ++i) {
        data[i] = static_cast<char>((i * 7 + static_cast<size_t>(seed)) % 60);
    }
    return data;
}

std::string body_of(const std::string& request) {
    return request.substr(request.find("\r\n\r\n") + 4);
}

std::string packed(const std::string& text, ContentCoding coding) {
    EncodedBody body;
    body.append_owned(text);
    return compress(body, coding, 1);
}

struct HttpInferenceTest : HttpTest {
    std::string unpacked(const std::string& text, ContentCoding coding) {
        auto plain = decompress(make_buffer(std::as_bytes(std::span(text))), coding, 1 << 20,
                                server.pool());
        EXPECT_TRUE(plain.ok()) << plain.status().message();
        return std::string(reinterpret_cast<const char*>(plain.value()->data()),
                           plain.value()->size());
    }
};

TEST_F(HttpInferenceTest, binary_tensors_of_any_size_come_back) {
    HttpTestClient client = connect();
    for (size_t count : {1u, 100u, 4000u, 5000u, 17'000u, 300'000u, 4'000'000u}) {
        std::string data = values(count);
        client.send(binary_infer_request(data));
        HttpAnswer answer = client.read_answer();
        ASSERT_EQ(answer.status, 200) << answer.body;
        EXPECT_EQ(answer.headers["content-type"], "application/octet-stream");
        size_t json = std::stoul(answer.headers["inference-header-content-length"]);
        EXPECT_EQ(answer.body.size(), json + data.size());
        EXPECT_TRUE(answer.body.compare(json, std::string::npos, data) == 0) << count;
    }
}

TEST_F(HttpInferenceTest, a_raw_body_needs_no_json) {
    HttpTestClient client = connect();
    client.send(with_body("/v2/models/model/versions/1/infer", values(3),
                          "Inference-Header-Content-Length: 0\r\n"));
    HttpAnswer answer = client.read_answer();
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.body.ends_with(values(3)));
}

TEST_F(HttpInferenceTest, a_large_body_may_come_in_chunks) {
    std::string request = binary_infer_request(values(200'000));
    std::string head = request.substr(0, request.find("Content-Length: 8"));
    std::string body = body_of(request);
    size_t length = request.find("Inference-Header");
    head = "POST /v2/models/model/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" +
           request.substr(length, request.find("\r\n", length) + 2 - length) + "\r\n";
    HttpTestClient client = connect();
    client.send(head);
    for (size_t at = 0; at < body.size(); at += 50'000) {
        std::string chunk = body.substr(at, 50'000);
        char size[16];
        std::snprintf(size, sizeof(size), "%zx\r\n", chunk.size());
        client.send(size + chunk + "\r\n");
    }
    client.send("0\r\n\r\n");
    HttpAnswer answer = client.read_answer();
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_TRUE(answer.body.ends_with(values(200'000)));
}

TEST_F(HttpInferenceTest, compressed_bodies_are_unpacked) {
    HttpTestClient client = connect();
    std::string plain = body_of(infer_request());
    for (const auto& [coding, name] :
         {std::pair(ContentCoding::kGzip, "gzip"), std::pair(ContentCoding::kDeflate, "deflate")}) {
        std::string header = std::string("Content-Encoding: ") + name + "\r\n";
        for (size_t padding : {size_t{0}, size_t{100'000}}) {
            std::string body = packed(plain + std::string(padding, ' '), coding);
            client.send(with_body("/v2/models/model/infer", body, header));
            HttpAnswer answer = client.read_answer();
            EXPECT_EQ(answer.status, 200) << answer.body;
            EXPECT_NE(answer.body.find("[1.5,2.5]"), std::string::npos);
        }
    }
}

TEST_F(HttpInferenceTest, answers_are_compressed_as_their_client_accepts) {
    HttpTestClient client = connect();
    for (const auto& [accepted, coding, name] :
         {std::tuple("gzip", ContentCoding::kGzip, "gzip"),
          std::tuple("gzip;q=0.5, deflate;q=0.8", ContentCoding::kDeflate, "deflate")}) {
        std::string header = std::string("Accept-Encoding: ") + accepted + "\r\n";
        client.send(infer_request("1.5,2.5", 2, header));
        HttpAnswer answer = client.read_answer();
        EXPECT_EQ(answer.headers["content-encoding"], name);
        EXPECT_NE(unpacked(answer.body, coding).find("[1.5,2.5]"), std::string::npos);
        // A large one that does not get small.
        client.send(binary_infer_request(values(100'000), header));
        answer = client.read_answer();
        EXPECT_EQ(answer.headers["content-type"], "application/octet-stream");
        EXPECT_TRUE(unpacked(answer.body, coding).ends_with(values(100'000)));
    }
    client.send(infer_request("1,2", 2, "Accept-Encoding: br, *\r\n"));
    EXPECT_FALSE(client.read_answer().headers.contains("content-encoding"));
}

TEST_F(HttpInferenceTest, an_unknown_coding_is_refused_with_those_known) {
    HttpTestClient client = connect();
    client.send(infer_request("1,2", 2, "Content-Encoding: br\r\n"));
    HttpAnswer answer = client.read_answer();
    EXPECT_EQ(answer.status, 501);
    EXPECT_EQ(answer.headers["accept-encoding"], "gzip, deflate");
    EXPECT_EQ(answer.body, error_json("Unsupported compression type"));
}

TEST_F(HttpInferenceTest, what_is_wrong_is_told_in_order_and_the_connection_stays) {
    const std::string coding = "Content-Encoding: br\r\n";
    const std::string length = "Inference-Header-Content-Length: x\r\n";
    const std::string packing = "Content-Encoding: gzip\r\n";
    HttpTestClient client = connect();
    for (const auto& [target, headers, text] :
         {std::tuple("/v2/models/other/versions/0/infer", coding + length,
                     "invalid model version specified '0' , version should be an integral value "
                     "> 0"),
          std::tuple("/v2/models/other/infer", coding + length, "Unsupported compression type"),
          std::tuple("/v2/models/other/infer", packing + length,
                     "failed to decompress the request body: "),
          std::tuple("/v2/models/other/infer", length,
                     "Unable to parse Inference-Header-Content-Length, got: x"),
          std::tuple("/v2/models/other/infer", std::string(),
                     "Request for unknown model: 'other' is not found"),
          std::tuple("/v2/models/model/infer", std::string(),
                     "failed to parse the request JSON buffer")}) {
        client.send(with_body(target, "{]", headers));
        HttpAnswer answer = client.read_answer();
        EXPECT_TRUE(answer.body.starts_with(std::string("{\"error\":\"") + text)) << answer.body;
        EXPECT_EQ(answer.headers["content-type"], "application/json");
    }
}

TEST_F(HttpInferenceTest, no_body_is_no_json) {
    HttpTestClient client = connect();
    for (const char* headers : {"", "Content-Length: 0\r\n", "Content-Encoding: gzip\r\n"}) {
        client.send(std::string("POST /v2/models/model/infer HTTP/1.1\r\n") + headers + "\r\n");
        HttpAnswer answer = client.read_answer();
        EXPECT_TRUE(answer.status == 500 || *headers == 'C') << answer.body;
        EXPECT_TRUE(answer.body.starts_with("{\"error\":\"failed to ")) << answer.body;
    }
}

TEST_F(HttpInferenceTest, what_the_core_refuses_is_answered) {
    HttpTestClient client = connect();
    std::string request = infer_request();
    request.replace(request.find("FP32"), 4, "FP64");
    client.send(request);
    HttpAnswer answer = client.read_answer();
    EXPECT_EQ(answer.status, 400);
    EXPECT_NE(answer.body.find("data-type is 'FP64'"), std::string::npos);
    EXPECT_TRUE(server.drain(steady_clock.now_ns()));
    client.send(infer_request());
    answer = client.read_answer();
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.headers["retry-after"], "1");
    EXPECT_NE(answer.body.find("Server is stopping"), std::string::npos);
}

TEST_F(HttpInferenceTest, more_than_one_response_is_an_error) {
    on_execute = [](Batch& batch) {
        InferenceRequest& request = *batch.requests[0];
        auto early = std::make_unique<InferenceResponse>();
        early->tag = request.tag;
        early->final = false;
        request.sink->deliver(std::move(early));
    };
    HttpTestClient client = connect();
    for (int i = 0; i < 2; ++i) {
        client.send(infer_request());
        HttpAnswer answer = client.read_answer();
        EXPECT_EQ(answer.status, 500);
        EXPECT_EQ(answer.body, error_json("expected a single response, got 2"));
    }
}

TEST_F(HttpInferenceTest, bytes_are_held_from_the_first_received_to_the_last_written) {
    constexpr size_t kSize = size_t{8} << 20;
    holds = true;
    HttpTestClient client = connect();
    client.send(binary_infer_request(values(kSize / 4)));
    executing.acquire();
    EXPECT_GE(held.now(), kSize);
    holds = false;
    may_execute.release();
    std::string first = client.read(1);
    let_io_run();
    EXPECT_GE(held.now(), kSize) << "most of the answer is not written yet";
    HttpAnswer answer;
    std::string rest = client.read(kSize);  // its head and some more
    EXPECT_EQ(rest.size(), kSize);
    while (held.now() != 0) {
        rest = client.read(1);  // what is left, a few hundred bytes
        let_io_run();
    }
    client.close();
    wait_until_all_closed();
}

TEST_F(HttpInferenceTest, a_request_is_held_as_long_as_the_core_has_it_though_its_client_has_gone) {
    constexpr size_t kSize = size_t{1} << 20;
    holds = true;
    HttpTestClient client = connect();
    client.send(binary_infer_request(values(kSize / 4)));
    executing.acquire();
    client.close();
    wait_until_all_closed();
    EXPECT_GE(held.now(), kSize);
}

TEST_F(HttpInferenceTest, an_answer_that_finds_no_room_says_so) {
    holds = true;
    HttpTestClient client = connect();
    client.send(binary_infer_request(values(100'000)));
    executing.acquire();
    size_t others = limits::kMaxHeld - held.now();
    ASSERT_TRUE(held.try_add(others));
    holds = false;
    may_execute.release();
    HttpAnswer answer = client.read_answer();
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.headers["retry-after"], "1");
    held.remove(others);
    client.send(infer_request());
    EXPECT_EQ(client.read_answer().status, 200);
}

}  // namespace
}  // namespace tritonpy
