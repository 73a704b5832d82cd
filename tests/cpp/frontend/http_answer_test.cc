// Goal: heads say what a client needs to know and nothing twice; bodies are copied when small and
// given away when large.
// Method: whole answers as text.
#include "frontend/http_answer.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "base/limits.h"

namespace tritonpy {
namespace {

std::string text_of(const OutQueue& out) {
    std::vector<iovec> pieces(64);
    pieces.resize(out.gather(pieces));
    std::string text;
    for (const iovec& piece : pieces) {
        text.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
    }
    return text;
}

TEST(HttpAnswerTest, an_empty_answer_is_a_head) {
    OutQueue out;
    append_empty_answer(out, 200, {});
    append_empty_answer(out, 400, {.minor_version = 0, .keep_alive = true, .head_only = false});
    append_empty_answer(out, 200, {.minor_version = 0, .keep_alive = false, .head_only = true});
    EXPECT_EQ(text_of(out),
              "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
              "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n"
              "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

TEST(HttpAnswerTest, an_error_is_json_with_the_headers_that_help) {
    OutQueue out;
    append_error_answer(out, not_found("no \"x\""), {});
    EXPECT_EQ(text_of(out),
              "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 20\r\n"
              "\r\n{\"error\":\"no \\\"x\\\"\"}");
    out.clear();
    append_error_answer(out, unavailable("full"), {});
    EXPECT_NE(text_of(out).find("503 Service Unavailable\r\n"), std::string::npos);
    EXPECT_NE(text_of(out).find("retry-after: 1\r\n"), std::string::npos);
    out.clear();
    append_error_answer(out, unsupported("Unsupported compression type"), {});
    EXPECT_NE(text_of(out).find("501 Not Implemented\r\n"), std::string::npos);
    EXPECT_NE(text_of(out).find("accept-encoding: gzip, deflate\r\n"), std::string::npos);
}

TEST(HttpAnswerTest, an_error_for_head_has_the_length_of_the_body_that_it_leaves_out) {
    OutQueue out;
    append_error_answer(out, 404, "x", {.minor_version = 1, .keep_alive = true, .head_only = true});
    EXPECT_TRUE(text_of(out).ends_with("content-length: 13\r\n\r\n"));
}

TEST(HttpAnswerTest, large_bodies_are_counted_until_they_were_written) {
    HeldBytes held;
    OutQueue out;
    for (size_t size : {limits::kMaxCopiedBody, limits::kMaxCopiedBody + 1}) {
        HeldShare share(held);
        ASSERT_TRUE(count_answer(share, size));
        append_given(out, std::string(size, 'x'), std::move(share));
    }
    EXPECT_EQ(held.now(), limits::kMaxCopiedBody + 1);
    out.consume(out.size() - 1);
    EXPECT_EQ(held.now(), limits::kMaxCopiedBody + 1);
    out.consume(1);
    EXPECT_EQ(held.now(), 0u);
}

}  // namespace
}  // namespace tritonpy
