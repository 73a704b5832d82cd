// Goal: messages come out of a stream's bytes whole and in order, however these are cut; what a
// client only claims costs nothing; what is refused is refused in the words of gRPC's servers.
// Method: streams cut at every byte and at random, lengths that lie, both codings, the bounds and
// one above; the pool's counts show what is held. The texts are those of gRPC's own server.
#include "wire/grpc_message.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "base/limits.h"
#include "wire/encoded_body.h"

namespace tritonpy {
namespace {

constexpr size_t kMaxSize = 1000;
constexpr int64_t kSecond = 1'000'000'000;

std::string framed(std::string_view message, bool compressed = false) {
    auto prefix = grpc_prefix(message.size(), compressed);
    return std::string(prefix.data(), prefix.size()).append(message);
}

// The prefix of a message of which only `size` is said.
std::string claim(size_t size) {
    auto prefix = grpc_prefix(size, false);
    return {prefix.data(), prefix.size()};
}

std::string compressed(std::string_view message, ContentCoding coding) {
    EncodedBody body;
    body.append_owned(std::string(message));
    return compress(body, coding, 6);
}

std::string text_of(const BufferRef& buffer) {
    return {reinterpret_cast<const char*>(buffer->data()), buffer->size()};
}

class GrpcMessageTest : public testing::Test {
  protected:
    explicit GrpcMessageTest(size_t max_size = kMaxSize) : reader(pool, max_size) {}

    // Feeds bytes as one piece; the messages that are whole with it.
    std::vector<std::string> feed(std::string_view bytes) {
        std::vector<std::string> messages;
        // A copy of its own size, so that a sanitizer sees the reader look beyond it.
        std::vector<std::byte> copy(bytes.size());
        std::copy_n(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), copy.data());
        std::span<const std::byte> rest = copy;
        while (true) {
            GrpcMessageReader::Step step = reader.next(rest);
            EXPECT_LE(step.used, rest.size());
            rest = rest.subspan(step.used);
            if (step.outcome != GrpcMessageReader::Outcome::kMessage) {
                bad = step.outcome == GrpcMessageReader::Outcome::kBad;
                EXPECT_TRUE(bad || rest.empty());
                EXPECT_FALSE(step.message);
                return messages;
            }
            messages.push_back(text_of(step.message));
        }
    }
    void expect_refused(std::string_view bytes, GrpcStatus status, std::string_view text) {
        EXPECT_TRUE(feed(bytes).empty());
        EXPECT_TRUE(bad);
        EXPECT_EQ(reader.error().status, status);
        EXPECT_EQ(reader.error().text, text);
    }

    BlockPool pool;
    GrpcMessageReader reader;
    bool bad = false;
};

using Messages = std::vector<std::string>;

TEST_F(GrpcMessageTest, prefix_is_flag_and_big_endian_length) {
    EXPECT_EQ(claim(0), std::string(5, '\0'));
    EXPECT_EQ(claim(0x01020304), std::string("\0\1\2\3\4", 5));
    EXPECT_EQ(framed("a", true), std::string("\1\0\0\0\1a", 6));
    EXPECT_EQ(claim(limits::kMaxGrpcMessage), std::string("\0\x7f\xff\xff\xff", 5));
}

TEST_F(GrpcMessageTest, messages_come_out_in_order) {
    EXPECT_EQ(feed(framed("one") + framed("") + framed("three")), (Messages{"one", "", "three"}));
    EXPECT_FALSE(bad);
    EXPECT_TRUE(reader.at_boundary());
    EXPECT_EQ(reader.held(), 0u);
}

TEST_F(GrpcMessageTest, nothing_comes_of_nothing) {
    EXPECT_TRUE(feed("").empty());
    EXPECT_FALSE(bad);
    EXPECT_TRUE(reader.at_boundary());
}

TEST_F(GrpcMessageTest, stream_may_be_cut_anywhere) {
    std::string stream = framed("first") + framed("") + framed(std::string(50, 'x')) + framed("z");
    Messages expected = {"first", "", std::string(50, 'x'), "z"};
    for (size_t cut = 0; cut <= stream.size(); ++cut) {
        for (size_t second = cut; second <= stream.size(); ++second) {
            Messages messages = feed(stream.substr(0, cut));
            for (std::string_view part :
                 {std::string_view(stream).substr(cut, second - cut),
                  std::string_view(stream).substr(second)}) {
                for (std::string& message : feed(part)) {
                    messages.push_back(std::move(message));
                }
            }
            ASSERT_EQ(messages, expected) << cut << " " << second;
        }
    }
    EXPECT_TRUE(reader.at_boundary());
}

TEST_F(GrpcMessageTest, message_has_its_size_however_little_came_first) {
    for (size_t size = 1; size <= kMaxSize; ++size) {
        std::string stream = framed(std::string(size, 'x'));
        feed(stream.substr(0, kGrpcPrefixSize + 1));
        if (size > 1) {
            EXPECT_EQ(feed(stream.substr(kGrpcPrefixSize + 1)).at(0).size(), size);
        }
    }
}

TEST_F(GrpcMessageTest, boundary_is_where_no_message_has_begun) {
    std::string stream = framed("abc");
    for (size_t size = 1; size < stream.size(); ++size) {
        GrpcMessageReader other(pool, kMaxSize);
        other.next(std::as_bytes(std::span(stream).first(size)));
        EXPECT_FALSE(other.at_boundary()) << size;
        EXPECT_EQ(other.held(), size > kGrpcPrefixSize ? size - kGrpcPrefixSize : 0) << size;
    }
}

TEST_F(GrpcMessageTest, message_that_is_there_whole_is_one_block_of_its_size) {
    std::string stream = framed(std::string(999, 'x')) + framed("next");
    GrpcMessageReader::Step step = reader.next(std::as_bytes(std::span(stream)));
    ASSERT_EQ(step.outcome, GrpcMessageReader::Outcome::kMessage);
    EXPECT_EQ(step.used, 999 + kGrpcPrefixSize);
    EXPECT_EQ(step.message->size(), 999u);
    EXPECT_EQ(pool.live_blocks(), 1u);
}

TEST_F(GrpcMessageTest, length_above_the_bound_is_refused_at_once) {
    EXPECT_EQ(feed(framed(std::string(kMaxSize, 'x'))).size(), 1u);
    expect_refused(claim(kMaxSize + 1), GrpcStatus::kResourceExhausted,
                   "SERVER: Received message larger than max (1001 vs. 1000)");
}

TEST_F(GrpcMessageTest, length_is_read_as_unsigned) {
    expect_refused(std::string("\0\xff\xff\xff\xff", 5), GrpcStatus::kResourceExhausted,
                   "SERVER: Received message larger than max (4294967295 vs. 1000)");
}

TEST_F(GrpcMessageTest, flag_that_is_none_is_refused) {
    expect_refused(std::string("\2\0\0\0\1x", 6), GrpcStatus::kInternal, "Bad GRPC frame type 2");
}

TEST_F(GrpcMessageTest, compressed_message_without_a_coding_is_refused) {
    expect_refused(framed("x", true), GrpcStatus::kInternal,
                   "Compression bit set but no encoding configured");
}

TEST_F(GrpcMessageTest, compressed_messages_are_undone) {
    for (ContentCoding coding : {ContentCoding::kGzip, ContentCoding::kDeflate}) {
        reader.set_coding(coding);
        std::string text(kMaxSize, 'c');
        std::string stream =
            framed(compressed(text, coding), true) + framed("plain") + framed("", true);
        for (size_t cut = 0; cut < stream.size(); ++cut) {
            Messages messages = feed(stream.substr(0, cut));
            for (std::string& message : feed(stream.substr(cut))) {
                messages.push_back(std::move(message));
            }
            ASSERT_EQ(messages, (Messages{text, "plain", ""})) << cut;
        }
    }
}

TEST_F(GrpcMessageTest, message_that_unfolds_beyond_the_bound_is_refused) {
    reader.set_coding(ContentCoding::kGzip);
    std::string bomb = compressed(std::string(kMaxSize + 1, 'b'), ContentCoding::kGzip);
    ASSERT_LT(bomb.size(), kMaxSize);
    expect_refused(framed(bomb, true), GrpcStatus::kResourceExhausted,
                   "Decompressed message larger than max");
}

TEST_F(GrpcMessageTest, broken_compression_is_refused) {
    std::string good = compressed("a text to compress", ContentCoding::kGzip);
    std::string changed = good;
    changed[good.size() / 2] = static_cast<char>(changed[good.size() / 2] ^ 0x55);
    for (const std::string& broken :
         {std::string("garbage"), good.substr(0, good.size() - 3), good + "more", changed,
          compressed("x", ContentCoding::kDeflate)}) {
        GrpcMessageReader other(pool, kMaxSize);
        other.set_coding(ContentCoding::kGzip);
        std::string stream = framed(broken, true);
        GrpcMessageReader::Step step = other.next(std::as_bytes(std::span(stream)));
        EXPECT_EQ(step.outcome, GrpcMessageReader::Outcome::kBad);
        EXPECT_EQ(other.error().status, GrpcStatus::kInternal);
        EXPECT_EQ(other.error().text, "Decompression failed due to zlib error");
    }
}

class LargeGrpcMessageTest : public GrpcMessageTest {
  protected:
    LargeGrpcMessageTest() : GrpcMessageTest(limits::kMaxGrpcMessage) {}
};

TEST_F(LargeGrpcMessageTest, claim_alone_holds_nothing) {
    EXPECT_TRUE(feed(claim(limits::kMaxGrpcMessage)).empty());
    EXPECT_FALSE(bad);
    EXPECT_EQ(pool.live_blocks(), 0u);
    EXPECT_EQ(reader.held(), 0u);
    EXPECT_FALSE(reader.at_boundary());
}

// A block that goes back to its pool shows how large it was.
TEST_F(LargeGrpcMessageTest, memory_follows_what_has_come) {
    for (size_t come : {1, 300, 5000, 100000}) {
        BlockPool own_pool;
        {
            GrpcMessageReader other(own_pool, limits::kMaxGrpcMessage);
            std::string bytes = claim(limits::kMaxGrpcMessage) + std::string(come, 'x');
            other.next(std::as_bytes(std::span(bytes)));
            EXPECT_EQ(other.held(), come);
            EXPECT_EQ(own_pool.live_blocks(), 1u);
        }
        EXPECT_GE(own_pool.cached_bytes(), come);
        EXPECT_LE(own_pool.cached_bytes(), std::max(8 * come, size_t{4096})) << come;
    }
}

TEST_F(LargeGrpcMessageTest, message_of_which_enough_has_come_gets_its_block) {
    std::string message(size_t{1} << 20, 'x');
    std::string stream = framed(message);
    EXPECT_TRUE(feed(std::string_view(stream).substr(0, 40000)).empty());
    for (size_t at = 40000; at < stream.size(); at += 10000) {
        EXPECT_EQ(pool.cached_bytes(), 0u) << "copied into another block";
        feed(std::string_view(stream).substr(at, 10000));
    }
    EXPECT_EQ(pool.cached_bytes(), message.size());
}

TEST_F(LargeGrpcMessageTest, message_in_many_parts_is_whole) {
    std::mt19937 random(11);
    for (size_t size : {size_t{1}, size_t{4095}, size_t{4096}, size_t{4097}, size_t{70000},
                        size_t{131072}, size_t{3} << 20}) {
        std::string text(size, '\0');
        for (char& byte : text) {
            byte = static_cast<char>(random());
        }
        std::string stream = framed(text);
        Messages messages;
        for (size_t at = 0; at < stream.size();) {
            size_t part = 1 + random() % 30000;
            for (std::string& message : feed(std::string_view(stream).substr(at, part))) {
                messages.push_back(std::move(message));
            }
            at += part;
        }
        ASSERT_EQ(messages.size(), 1u);
        EXPECT_TRUE(messages[0] == text) << size;
    }
    EXPECT_EQ(pool.live_blocks(), 0u);
}

TEST(GrpcTimeout, units_are_those_of_grpc) {
    EXPECT_EQ(parse_grpc_timeout("2H"), 7200 * kSecond);
    EXPECT_EQ(parse_grpc_timeout("3M"), 180 * kSecond);
    EXPECT_EQ(parse_grpc_timeout("5S"), 5 * kSecond);
    EXPECT_EQ(parse_grpc_timeout("100m"), kSecond / 10);
    EXPECT_EQ(parse_grpc_timeout("7u"), 7000);
    EXPECT_EQ(parse_grpc_timeout("99999999n"), 99999999);
    EXPECT_EQ(parse_grpc_timeout("0n"), 0);
    EXPECT_EQ(parse_grpc_timeout(" 10 S "), 10 * kSecond);
}

TEST(GrpcTimeout, malformed_values_are_none) {
    for (const char* bad :
         {"", " ", "5", "S", " S", "-5S", "+5S", "5s", "5x", "1.5S", "5SS", "5S5", "1 0S", "abc"}) {
        EXPECT_EQ(parse_grpc_timeout(bad), std::nullopt) << bad;
    }
    EXPECT_EQ(parse_grpc_timeout(std::string_view("5\0", 2)), std::nullopt);
}

TEST(GrpcTimeout, no_value_overflows) {
    constexpr int64_t kCentury = int64_t{36500} * 24 * 3600 * kSecond;
    EXPECT_EQ(parse_grpc_timeout("99999999H"), kCentury);
    EXPECT_EQ(parse_grpc_timeout("876000H"), kCentury);
    EXPECT_EQ(parse_grpc_timeout("875999H"), kCentury - 3600 * kSecond);
    EXPECT_EQ(parse_grpc_timeout(std::string(1000, '9') + "n"), kCentury);
    EXPECT_EQ(parse_grpc_timeout(std::string(1000, '9') + "H"), kCentury);
    EXPECT_EQ(parse_grpc_timeout(std::string(1000, '0') + "1S"), kSecond);
}

}  // namespace
}  // namespace tritonpy
