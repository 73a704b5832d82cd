// Goal: a body is whole, in one block, however it came, and its bytes are counted from when they
// come to when the last reference goes.
// Method: bodies of many sizes fed in many ways, with the count looked at on the way.
#include "frontend/http_request_body.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "base/limits.h"
#include "frontend/held_share.h"

namespace tritonpy {
namespace {

using Outcome = HttpRequestBody::Outcome;

constexpr size_t kMaxSize = size_t{16} << 20;

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

std::string text_of(const BufferRef& buffer) {
    return std::string(reinterpret_cast<const char*>(buffer->data()), buffer->size());
}

std::string pattern(size_t size) {
    std::string text(size, '\0');
    for (size_t i = 0; i < size; ++i) {
        text[i] = static_cast<char>(i * 31 + i / 251);
    }
    return text;
}

std::string in_chunks(const std::string& text, size_t size) {
    std::string chunked;
    for (size_t at = 0; at < text.size(); at += size) {
        std::string chunk = text.substr(at, size);
        char line[20];
        std::snprintf(line, sizeof(line), "%zX\r\n", chunk.size());
        chunked += line + chunk + "\r\n";
    }
    return chunked + "0\r\n\r\n";
}

struct HttpRequestBodyTest : ::testing::Test {
    BlockPool pool;
    HeldBytes held;

    std::unique_ptr<HttpRequestBody> of_length(size_t length) {
        return std::make_unique<HttpRequestBody>(length, kMaxSize, pool, held);
    }
    std::unique_ptr<HttpRequestBody> of_chunks(size_t max_size = kMaxSize) {
        return std::make_unique<HttpRequestBody>(std::nullopt, max_size, pool, held);
    }
    // REQUIRES: the body is complete.
    static HttpBody finish(HttpRequestBody& body) {
        auto whole = body.finish();
        EXPECT_TRUE(whole.ok());
        return std::move(whole).value();
    }
};

TEST_F(HttpRequestBodyTest, a_small_body_is_copied_and_a_large_one_read_in_place) {
    for (size_t size :
         {size_t{1}, limits::kMaxCopiedBody, limits::kMaxCopiedBody + 1, size_t{5} << 20}) {
        const std::string text = pattern(size);
        auto body = of_length(size);
        EXPECT_TRUE(body->read_space().empty()) << "no memory before the first byte";
        std::string first = text.substr(0, size / 3);
        HttpRequestBody::Step step = body->take(bytes_of(first));
        EXPECT_EQ(step.used, first.size());
        EXPECT_EQ(step.outcome, Outcome::kPartial);
        EXPECT_EQ(held.now(), first.size());
        std::span<std::byte> space = body->read_space();
        if (size <= limits::kMaxCopiedBody) {
            EXPECT_TRUE(space.empty());
            // What belongs to the next request is left alone.
            step = body->take(bytes_of(text.substr(first.size()) + "GET"));
            EXPECT_EQ(step.used, size - first.size());
            EXPECT_EQ(step.outcome, Outcome::kComplete);
        } else {
            ASSERT_EQ(space.size(), size - first.size());
            std::memcpy(space.data(), text.data() + first.size(), 1000);
            EXPECT_EQ(body->filled(1000), Outcome::kPartial);
            EXPECT_EQ(held.now(), first.size() + 1000);
            space = body->read_space();
            std::memcpy(space.data(), text.data() + first.size() + 1000, space.size());
            EXPECT_EQ(body->filled(space.size()), Outcome::kComplete);
        }
        EXPECT_EQ(held.now(), size);
        HttpBody whole = finish(*body);
        EXPECT_TRUE(text_of(whole.bytes) == text);
        EXPECT_EQ(whole.chunks, 0u);
        EXPECT_EQ(whole.held.size(), size <= limits::kMaxCopiedBody ? size : 0u);
        body.reset();
        EXPECT_EQ(held.now(), size);
        whole = HttpBody();
        EXPECT_EQ(held.now(), 0u);
    }
}

TEST_F(HttpRequestBodyTest, chunks_are_joined_however_they_come) {
    for (size_t size : {size_t{1}, size_t{100}, limits::kMaxCopiedBody, limits::kMaxCopiedBody + 1,
                        size_t{3'000'001}}) {
        const std::string text = pattern(size);
        for (size_t chunk : {size_t{7}, size_t{70'000}}) {
            if (size / chunk > limits::kMaxBodyChunks) {
                continue;
            }
            const std::string sent = in_chunks(text, chunk);
            for (size_t portion : {size_t{11}, size_t{65'536}, sent.size()}) {
                auto body = of_chunks();
                HttpRequestBody::Step step{Outcome::kPartial, 0};
                size_t used = 0;
                for (size_t at = 0; at < sent.size(); at += portion) {
                    ASSERT_EQ(step.outcome, Outcome::kPartial);
                    step = body->take(bytes_of(std::string_view(sent).substr(at, portion)));
                    used += step.used;
                }
                ASSERT_EQ(step.outcome, Outcome::kComplete);
                EXPECT_EQ(used, sent.size());
                HttpBody whole = finish(*body);
                EXPECT_TRUE(text_of(whole.bytes) == text) << size << ' ' << chunk << ' ' << portion;
                EXPECT_EQ(whole.chunks, (size + chunk - 1) / chunk + 1);
                EXPECT_EQ(held.now(), size);
            }
            EXPECT_EQ(held.now(), 0u);
        }
    }
}

TEST_F(HttpRequestBodyTest, no_chunks_are_no_bytes) {
    auto body = of_chunks();
    EXPECT_EQ(body->take(bytes_of("0\r\n\r\nGET")).used, 5u);
    HttpBody whole = finish(*body);
    EXPECT_FALSE(whole.bytes);
    EXPECT_EQ(whole.chunks, 1u);
}

TEST_F(HttpRequestBodyTest, chunks_beyond_the_limit_are_too_large) {
    auto body = of_chunks(10);
    EXPECT_EQ(body->take(bytes_of("a\r\n0123456789\r\n")).outcome, Outcome::kPartial);
    EXPECT_EQ(body->take(bytes_of("1\r\nx")).outcome, Outcome::kTooLarge);
    EXPECT_EQ(body->size(), 11u);
    EXPECT_EQ(held.now(), 10u);
    body.reset();
    EXPECT_EQ(held.now(), 0u);
}

TEST_F(HttpRequestBodyTest, chunks_that_are_none_are_bad) {
    auto body = of_chunks();
    EXPECT_EQ(body->take(bytes_of("zz")).outcome, Outcome::kBad);
    EXPECT_EQ(body->error_text(), "Invalid HTTP request received.");
}

TEST_F(HttpRequestBodyTest, bytes_that_find_no_room_are_refused_and_given_back) {
    ASSERT_TRUE(held.try_add(limits::kMaxHeld - 10));
    auto of_known = of_length(20);
    EXPECT_EQ(of_known->take(bytes_of("0123456789")).outcome, Outcome::kPartial);
    EXPECT_EQ(of_known->take(bytes_of("x")).outcome, Outcome::kFull);
    EXPECT_EQ(of_known->error_text(), kTooMuchHeld);
    auto chunked = of_chunks();
    EXPECT_EQ(chunked->take(bytes_of("1\r\nx")).outcome, Outcome::kFull);
    of_known.reset();
    chunked.reset();
    EXPECT_EQ(held.now(), limits::kMaxHeld - 10);
    held.remove(held.now());
}

TEST_F(HttpRequestBodyTest, a_length_that_the_machine_has_no_memory_for_is_refused) {
    HttpRequestBody body(SIZE_MAX, SIZE_MAX, pool, held);
    EXPECT_EQ(body.take(bytes_of("x")).outcome, Outcome::kFull);
    EXPECT_EQ(body.error_text(), "no memory is left for the body of the request");
}

TEST(HeldShareTest, a_share_moves_and_goes_once) {
    HeldBytes held;
    HeldShare share(held);
    EXPECT_TRUE(share.try_resize(10));
    HeldShare other(std::move(share));
    EXPECT_EQ(held.now(), 10u);
    EXPECT_TRUE(other.try_resize(4));
    HeldShare third(held);
    EXPECT_TRUE(third.try_resize(5));
    EXPECT_EQ(held.now(), 9u);
    third = std::move(other);
    EXPECT_EQ(held.now(), 4u);
    EXPECT_FALSE(third.try_resize(limits::kMaxHeld + 1));
    EXPECT_EQ(third.size(), 4u);
    third = HeldShare();
    EXPECT_EQ(held.now(), 0u);
}

}  // namespace
}  // namespace tritonpy
