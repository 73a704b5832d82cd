// Goal: chunked bodies come out as they went in, however they arrive, end where everybody else sees
// their end, and cost no more than their limits.
// Method: tables of bodies, good and bad, each given whole, byte by byte, and split at every byte;
// floods of chunks, extensions and trailers up to each limit and one beyond it.
#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "wire/chunked_body.h"

namespace tritonpy {
namespace {

using Outcome = ChunkedBody::Outcome;

constexpr std::string_view kTooManyChunks =
    "Chunked request body exceeds maximum of 65536 non-empty chunks. Send fewer or larger HTTP "
    "chunks.";

// What became of some bytes.
struct Reading {
    Outcome outcome = Outcome::kPartial;
    std::string body;
    size_t used = 0;
    size_t chunks = 0;
    std::string error;
    bool operator==(const Reading&) const = default;
};

// Feeds `text` cut into pieces, as exact blocks, until it has ended or was refused.
Reading read(std::string_view text, const std::vector<size_t>& sizes) {
    ChunkedBody chunks;
    Reading reading;
    for (size_t size : sizes) {
        std::vector<std::byte> piece(size);
        std::ranges::copy(std::as_bytes(std::span(text.substr(reading.used, size))),
                          piece.begin());
        std::span<const std::byte> rest = piece;
        do {
            ChunkedBody::Step step = chunks.next(rest);
            reading.outcome = step.outcome;
            reading.used += step.used;
            reading.body.append(reinterpret_cast<const char*>(step.data.data()),
                                step.data.size());
            EXPECT_LE(step.used, rest.size());
            EXPECT_EQ(step.data.empty(), step.outcome != Outcome::kData);
            EXPECT_TRUE(step.outcome != Outcome::kPartial || step.used == rest.size());
            rest = rest.subspan(step.used);
        } while (reading.outcome == Outcome::kData);
        if (reading.outcome != Outcome::kPartial) {
            break;
        }
    }
    reading.chunks = chunks.chunks();
    reading.error = chunks.error_text();
    return reading;
}

Reading read_whole(std::string_view text) { return read(text, {text.size()}); }

void expect_same_in_pieces(std::string_view text) {
    Reading whole = read_whole(text);
    EXPECT_EQ(read(text, std::vector<size_t>(text.size(), 1)), whole) << text;
    for (size_t at = 0; at <= text.size(); ++at) {
        EXPECT_EQ(read(text, {at, text.size() - at}), whole) << text << " cut at " << at;
    }
}

std::string repeated(std::string_view text, size_t times) {
    std::string all;
    for (size_t count = 0; count < times; ++count) {
        all += text;
    }
    return all;
}

TEST(ChunkedBody, body_is_put_together_and_what_follows_is_left) {
    struct Case {
        std::string_view text, body;
        size_t chunks;
    };
    for (const Case& row :
         {Case{"0\r\n\r\n", "", 1},
          {"5\r\nhello\r\n0\r\n\r\n", "hello", 2},
          {"5\r\nhello\r\n00A\r\n, chunked \r\n2\r\n\r\n\r\n0000\r\n\r\n",
           "hello, chunked \r\n", 4},
          {"a\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n0\r\n\r\n", 2},
          {"1;name=value;other=\"quoted, \\\" text\"\r\nx\r\n0;last\r\n\r\n", "x", 2},
          {"1;\r\nx\r\n0; \t\r\n\r\n", "x", 2},
          {"1\r\nx\r\n0\r\nTrailer: value\r\nAnother:\r\n\r\n", "x", 2},
          {"0000000000000001\r\nx\r\n0000000000000000\r\n\r\n", "x", 2}}) {
        Reading reading = read_whole(std::string(row.text) + "GET / HTTP/1.1\r\n\r\n");
        EXPECT_EQ(reading.outcome, Outcome::kComplete) << row.text;
        EXPECT_EQ(reading.body, row.body);
        EXPECT_EQ(reading.used, row.text.size());
        EXPECT_EQ(reading.chunks, row.chunks);
        expect_same_in_pieces(row.text);
    }
}

TEST(ChunkedBody, data_is_given_as_views_of_the_input) {
    std::string text = "5\r\nhello\r\n";
    std::span<const std::byte> bytes = std::as_bytes(std::span(text));
    ChunkedBody chunks;
    ChunkedBody::Step step = chunks.next(bytes.first(6));
    ASSERT_EQ(step.outcome, Outcome::kData);
    EXPECT_EQ(step.data.data(), bytes.data() + 3);
    EXPECT_EQ(step.data.size(), 3u);
    EXPECT_EQ(step.used, 6u);
    step = chunks.next(bytes.subspan(6));
    ASSERT_EQ(step.outcome, Outcome::kData);
    EXPECT_EQ(step.data.data(), bytes.data() + 6);
    EXPECT_EQ(step.data.size(), 2u);
}

TEST(ChunkedBody, cut_off_body_stays_partial) {
    std::string_view text = "5;ext\r\nhello\r\n0\r\nTrailer: a\r\n\r\n";
    for (size_t size = 0; size < text.size(); ++size) {
        EXPECT_EQ(read_whole(text.substr(0, size)).outcome, Outcome::kPartial) << size;
    }
}

TEST(ChunkedBody, malformed_body_is_refused) {
    for (std::string_view text :
         {"zz", "\r\n", "\n", ";a\r\n", " 5\r\n", "5 \r\n", "5 ;a\r\n", "5\t\r\n", "+5\r\n",
          "-5\r\n", "0x5\r\n", "5h\r\n", "5,5\r\n", "5\nhello", "5\rhello", "5\r\r\n",
          "5;a\nhello", "5;a\rb\r\n", "5;\x01\r\n", "5;\x7F\r\n", "5\r\nhelloX", "5\r\nhello\n",
          "5\r\nhello\rX", "5\r\nhello\r\n\r\n", "0\r\n\n", "0\r\n\rX", "0\r\n A: b\r\n",
          "0\r\n:b\r\n", "0\r\nGET / HTTP/1.1\r\n", "0\r\nA\r\n", "0\r\nA : b\r\n",
          "0\r\nA: b\n", "0\r\nA: b\rX", "0\r\nA: b\r\n c\r\n", "0\r\nA: \x01\r\n",
          "00000000000000000\r\n", "00000000000000005\r\n", "4000000000000001\r\n",
          "FFFFFFFFFFFFFFFF\r\n", "10000000000000000\r\n", "8000000000000000;"}) {
        Reading reading = read_whole(text);
        EXPECT_EQ(reading.outcome, Outcome::kBad) << text;
        EXPECT_EQ(reading.error, "Invalid HTTP request received.");
        expect_same_in_pieces(text);
    }
}

TEST(ChunkedBody, largest_size_is_taken_without_its_data) {
    Reading reading = read_whole("4000000000000000\r\nabc");
    EXPECT_EQ(reading.outcome, Outcome::kPartial);
    EXPECT_EQ(reading.body, "abc");
}

TEST(ChunkedBody, outcome_is_repeated) {
    ChunkedBody chunks;
    std::string_view whole = "0\r\n\r\n5";
    ASSERT_EQ(chunks.next(std::as_bytes(std::span(whole))).outcome, Outcome::kComplete);
    ChunkedBody::Step step = chunks.next(std::as_bytes(std::span(whole)));
    EXPECT_EQ(step.outcome, Outcome::kComplete);
    EXPECT_EQ(step.used, 0u);
    chunks.reset();
    EXPECT_EQ(chunks.chunks(), 0u);
    std::string_view bad = "x";
    ASSERT_EQ(chunks.next(std::as_bytes(std::span(bad))).outcome, Outcome::kBad);
    EXPECT_EQ(chunks.next(std::as_bytes(std::span(whole))).outcome, Outcome::kBad);
    EXPECT_EQ(chunks.next({}).outcome, Outcome::kBad);
}

TEST(ChunkedBody, one_chunk_too_many_is_refused) {
    std::string most = repeated("1\r\nx\r\n", limits::kMaxBodyChunks);
    Reading reading = read_whole(most + "0\r\n\r\n");
    EXPECT_EQ(reading.outcome, Outcome::kComplete);
    EXPECT_EQ(reading.chunks, limits::kMaxBodyChunks + 1) << "the empty one is counted";
    EXPECT_EQ(reading.body.size(), limits::kMaxBodyChunks);
    reading = read_whole(most + "1\r\nx\r\n0\r\n\r\n");
    EXPECT_EQ(reading.outcome, Outcome::kBad);
    EXPECT_EQ(reading.error, kTooManyChunks);
}

TEST(ChunkedBody, extensions_of_each_chunk_are_bounded) {
    std::string most = "1;" + std::string(limits::kMaxChunkExtension, 'e') + "\r\nx\r\n";
    EXPECT_EQ(read_whole(most + most + "0\r\n\r\n").outcome, Outcome::kComplete);
    std::string more = "1;" + std::string(limits::kMaxChunkExtension + 1, 'e') + "\r\nx\r\n";
    EXPECT_EQ(read_whole(more).outcome, Outcome::kBad);
}

TEST(ChunkedBody, trailers_are_bounded_together) {
    std::string_view line = "Trailer: value\r\n";
    size_t fitting = (limits::kMaxTrailers - 2) / line.size();
    for (std::string last : {std::string("0"), "0;" + std::string(1000, 'e')}) {
        EXPECT_EQ(read_whole(last + "\r\n" + repeated(line, fitting) + "\r\n").outcome,
                  Outcome::kComplete);
    }
    Reading reading = read_whole("0\r\n" + repeated(line, fitting + 1) + "\r\n");
    EXPECT_EQ(reading.outcome, Outcome::kBad);
    EXPECT_EQ(reading.error, "Request head is too large.");
}

}  // namespace
}  // namespace tritonpy
