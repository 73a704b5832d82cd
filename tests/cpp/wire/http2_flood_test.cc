// Goal: a client that breaks HTTP/2, or does too much of what is cheap for it, loses its stream or
// its connection; what it can make the session hold is bounded.
// Method: frames written by hand, counts at each bound and one above it.
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "wire/http2_fixture.h"

namespace tritonpy {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// A literal field that goes into the dynamic table.
std::string literal(std::string_view name, std::string_view value) {
    EXPECT_LT(name.size(), 127u);
    std::string out = "\x40";
    out.push_back(static_cast<char>(name.size()));
    out.append(name);
    if (value.size() < 127) {
        out.push_back(static_cast<char>(value.size()));
    } else {
        out.push_back('\x7f');
        size_t rest = value.size() - 127;
        for (; rest >= 0x80; rest >>= 7) {
            out.push_back(static_cast<char>(rest | 0x80));
        }
        out.push_back(static_cast<char>(rest));
    }
    return out.append(value);
}

// ":method POST", ":scheme http", ":path /", ":authority x": a request that is whole.
const std::string kRequestBlock = "\x83\x86\x84\x01\x01x";
constexpr size_t kRequestFields = 4;

// A client without a library, for what no library sends.
class Http2FloodTest : public Http2Test {
  protected:
    Status open_connection() {
        return receive(std::string(kPreface) + raw_frame(NGHTTP2_SETTINGS, 0, 0, ""));
    }
    std::string request(uint32_t stream, std::string_view block = kRequestBlock,
                        uint8_t flags = 0) {
        return raw_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | flags, stream, block);
    }
    std::string reset(uint32_t stream) {
        return raw_frame(NGHTTP2_RST_STREAM, 0, stream, std::string("\0\0\0\x08", 4));
    }
    // The code of the GOAWAY that the session still has to say; nothing when it says none.
    std::optional<uint32_t> goaway() {
        std::string bytes = produced();
        std::optional<uint32_t> code;
        for (size_t at = 0; at + 9 <= bytes.size();) {
            auto byte = [&](size_t index) { return static_cast<uint8_t>(bytes[at + index]); };
            size_t size = size_t{byte(0)} << 16 | size_t{byte(1)} << 8 | byte(2);
            if (byte(3) == NGHTTP2_GOAWAY) {
                code = uint32_t{byte(13)} << 24 | uint32_t{byte(14)} << 16 |
                       uint32_t{byte(15)} << 8 | byte(16);
            }
            at += 9 + size;
        }
        return code;
    }
    // Whether a connection that received this is over.
    bool ends_connection(std::string_view bytes) {
        Status status = receive(bytes);
        bool said = goaway().has_value();
        EXPECT_TRUE(status.ok() || receive("more") == status);
        return said && (!status.ok() || session->finished());
    }
};

TEST_F(Http2FloodTest, other_protocols_are_turned_away) {
    Status status = receive("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(goaway(), uint32_t{NGHTTP2_PROTOCOL_ERROR});
    EXPECT_EQ(receive(kPreface), status);
    EXPECT_TRUE(session->finished());
}

TEST_F(Http2FloodTest, breach_of_the_protocol_ends_in_a_goaway) {
    ASSERT_TRUE(open_connection().ok());
    int32_t id = 1;
    ASSERT_TRUE(receive(request(1)).ok());
    ASSERT_TRUE(receive(raw_frame(NGHTTP2_DATA, 0, 0, "data of no stream")).ok());
    EXPECT_FALSE(session->finished());
    EXPECT_EQ(goaway(), uint32_t{NGHTTP2_PROTOCOL_ERROR});
    EXPECT_TRUE(session->finished());
    ASSERT_TRUE(receive(request(3)).ok());
    EXPECT_EQ(server.streams.count(3), 0u);
    EXPECT_EQ(server.stream(id).closed, 0);
    session.reset();
    EXPECT_EQ(server.stream(id).closed, 1);
}

TEST_F(Http2FloodTest, requests_that_are_none_lose_their_stream_only) {
    HeaderList without_path = kRequestHead;
    without_path.erase(without_path.begin() + 2);
    HeaderList with_connection = kRequestHead;
    with_connection.emplace_back("connection", "close");
    HeaderList with_bad_value = kRequestHead;
    with_bad_value.emplace_back("x", "a\nb");
    HeaderList with_late_pseudo = kRequestHead;
    with_late_pseudo.emplace_back(":path", "/other");
    for (const HeaderList& head :
         {without_path, with_connection, with_bad_value, with_late_pseudo}) {
        int32_t id = client.open(head);
        pump();
        EXPECT_EQ(client.streams[id].error, NGHTTP2_PROTOCOL_ERROR);
    }
    EXPECT_TRUE(server.streams.empty());
    serve_echo();
    int32_t id = client.call("good");
    pump();
    EXPECT_EQ(client.streams[id].data, "good");
}

TEST_F(Http2FloodTest, spaces_around_a_value_are_no_breach) {
    ASSERT_TRUE(open_connection().ok());
    ASSERT_TRUE(receive(request(1, kRequestBlock + literal("x", " value "))).ok());
    EXPECT_EQ(server.stream(1).headers.back(), std::pair(std::string("x"), std::string(" value ")));
}

TEST_F(Http2FloodTest, header_list_at_its_bounds_passes_and_one_above_is_refused) {
    HeaderList most = kRequestHead;
    while (most.size() < limits::kMaxRequestHeaders) {
        most.emplace_back("x-many", "value");
    }
    HeaderList too_many = most;
    too_many.emplace_back("x-many", "value");

    auto listed_size = [](const HeaderList& list) {
        size_t size = 0;
        for (const auto& [name, value] : list) {
            size += name.size() + value.size() + 32;
        }
        return size;
    };
    HeaderList largest = kRequestHead;
    largest.emplace_back("x", "");
    largest.back().second.assign(limits::kMaxRequestHead - listed_size(largest), 'v');
    HeaderList too_large = largest;
    too_large.back().second += 'v';

    for (const HeaderList& head : {most, largest}) {
        int32_t id = client.open(head);
        pump();
        ASSERT_EQ(server.streams.count(id), 1u);
        EXPECT_TRUE(server.stream(id).headers == head);
    }
    for (const HeaderList& head : {too_many, too_large}) {
        int32_t id = client.open(head);
        pump();
        EXPECT_EQ(server.streams.count(id), 0u);
        EXPECT_EQ(client.streams[id].error, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    int32_t id = client.open();
    pump();
    EXPECT_EQ(server.stream(id).headers, kRequestHead) << "the table of HPACK is out of step";
}

TEST_F(Http2FloodTest, small_block_that_unfolds_to_much_is_not_held) {
    ASSERT_TRUE(open_connection().ok());
    // One value of 3900 bytes in the table, then named 10000 times by one byte each.
    std::string block = kRequestBlock + literal("x", std::string(3900, 'v'));
    block.append(10000, '\xbe');
    ASSERT_TRUE(receive(request(1, block)).ok());
    EXPECT_EQ(server.streams.count(1), 0u);
    ASSERT_TRUE(receive(request(3)).ok());
    EXPECT_EQ(server.streams.count(3), 1u);
    EXPECT_EQ(goaway(), std::nullopt);
}

TEST_F(Http2FloodTest, trailers_of_a_client_are_passed_over) {
    ASSERT_TRUE(open_connection().ok());
    ASSERT_TRUE(receive(request(1)).ok());
    std::string block;
    for (int index = 0; index < 1000; ++index) {
        block += literal("x", "trailer");
    }
    ASSERT_TRUE(receive(raw_frame(NGHTTP2_HEADERS,
                                  NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, block))
                    .ok());
    EXPECT_TRUE(server.stream(1).ended);
    EXPECT_EQ(server.stream(1).headers.size(), kRequestFields);
}

TEST_F(Http2FloodTest, endless_header_block_ends_the_connection) {
    ASSERT_TRUE(open_connection().ok());
    std::string flood = raw_frame(NGHTTP2_HEADERS, 0, 1, kRequestBlock);
    for (size_t count = 0; count <= limits::kMaxContinuations; ++count) {
        flood += raw_frame(NGHTTP2_CONTINUATION, 0, 1, literal("x", "y"));
    }
    EXPECT_TRUE(ends_connection(flood));
    EXPECT_TRUE(server.streams.empty());
}

TEST_F(Http2FloodTest, continuations_within_their_bound_are_read) {
    ASSERT_TRUE(open_connection().ok());
    std::string block = raw_frame(NGHTTP2_HEADERS, 0, 1, kRequestBlock);
    for (size_t count = 1; count <= limits::kMaxContinuations; ++count) {
        bool last = count == limits::kMaxContinuations;
        block += raw_frame(NGHTTP2_CONTINUATION, last ? NGHTTP2_FLAG_END_HEADERS : 0, 1,
                           literal("x", "y"));
    }
    ASSERT_TRUE(receive(block).ok());
    EXPECT_EQ(server.stream(1).headers.size(), kRequestFields + limits::kMaxContinuations);
}

TEST_F(Http2FloodTest, acknowledgements_that_nobody_reads_end_the_connection) {
    for (uint8_t type : {uint8_t{NGHTTP2_SETTINGS}, uint8_t{NGHTTP2_PING}}) {
        session = std::make_unique<Http2Session>(server);
        ASSERT_TRUE(open_connection().ok());
        std::string frame =
            raw_frame(type, 0, 0, type == NGHTTP2_PING ? std::string(8, 'p') : std::string());
        std::string flood;
        for (size_t count = 0; count <= limits::kMaxUnsentAcks; ++count) {
            flood += frame;
        }
        EXPECT_TRUE(ends_connection(flood));
    }
}

TEST_F(Http2FloodTest, acknowledgements_that_are_read_may_go_on) {
    ASSERT_TRUE(open_connection().ok());
    for (size_t count = 0; count <= 3 * limits::kMaxUnsentAcks; ++count) {
        ASSERT_TRUE(receive(raw_frame(NGHTTP2_SETTINGS, 0, 0, "")).ok());
        ASSERT_TRUE(receive(raw_frame(NGHTTP2_PING, 0, 0, "12345678")).ok());
        EXPECT_FALSE(produced().empty());
    }
}

TEST_F(Http2FloodTest, settings_of_too_many_entries_end_the_connection) {
    ASSERT_TRUE(open_connection().ok());
    std::string entry("\0\4\0\0\1\0", 6);
    std::string entries;
    for (size_t count = 0; count < limits::kMaxSettingsEntries; ++count) {
        entries += entry;
    }
    ASSERT_TRUE(receive(raw_frame(NGHTTP2_SETTINGS, 0, 0, entries)).ok());
    EXPECT_EQ(goaway(), std::nullopt);
    EXPECT_TRUE(ends_connection(raw_frame(NGHTTP2_SETTINGS, 0, 0, entries + entry)));
}

TEST_F(Http2FloodTest, rapid_resets_end_the_connection) {
    ASSERT_TRUE(open_connection().ok());
    uint32_t stream = 1;
    for (int64_t count = 0; count < limits::kStreamResetBurst; ++count, stream += 2) {
        ASSERT_TRUE(receive(request(stream) + reset(stream)).ok()) << count;
        produced();
    }
    now_ns += 1'000'000'000;
    for (int64_t count = 0; count < limits::kStreamResetsPerSecond; ++count, stream += 2) {
        ASSERT_TRUE(receive(request(stream) + reset(stream)).ok()) << count;
        produced();
    }
    Status status = receive(request(stream) + reset(stream) + request(stream + 2));
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(goaway(), uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
    EXPECT_EQ(server.streams.count(static_cast<int32_t>(stream) + 2), 0u);
    EXPECT_EQ(receive(request(stream + 4)), status);
    EXPECT_EQ(session->open_streams(), 0u);
    for (auto& [id, heard] : server.streams) {
        EXPECT_EQ(heard->closed, 1);
    }
}

TEST_F(Http2FloodTest, streams_beyond_the_bound_are_refused) {
    ASSERT_TRUE(open_connection().ok());
    // Before the client has acknowledged our settings, it cannot know the bound.
    std::string bytes;
    for (uint32_t index = 0; index < limits::kMaxConcurrentStreams + 5; ++index) {
        bytes += request(2 * index + 1);
    }
    ASSERT_TRUE(receive(bytes).ok());
    EXPECT_EQ(session->open_streams(), limits::kMaxConcurrentStreams);
    EXPECT_EQ(server.streams.size(), limits::kMaxConcurrentStreams);
    EXPECT_EQ(goaway(), std::nullopt);
    // Afterwards it does.
    ASSERT_TRUE(receive(raw_frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "")).ok());
    EXPECT_TRUE(ends_connection(request(2 * limits::kMaxConcurrentStreams + 101)));
}

TEST_F(Http2FloodTest, windows_cannot_be_made_to_overflow) {
    ASSERT_TRUE(open_connection().ok());
    ASSERT_TRUE(receive(request(1)).ok());
    std::string most("\x7f\xff\xff\xff", 4);
    ASSERT_TRUE(receive(raw_frame(NGHTTP2_WINDOW_UPDATE, 0, 1, most)).ok());
    produced();
    EXPECT_EQ(server.stream(1).error, NGHTTP2_FLOW_CONTROL_ERROR);
    EXPECT_EQ(server.stream(1).closed, 1);
    EXPECT_TRUE(ends_connection(raw_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, most)));
}

TEST_F(Http2FloodTest, rest_of_a_frame_whose_stream_was_reset_costs_no_credit) {
    ASSERT_TRUE(open_connection().ok());
    ASSERT_TRUE(receive(raw_frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "")).ok());
    server.when_request = [this](ServerStream& stream) {
        stream.when_data = [this, &stream](size_t size) {
            session->consume(stream.id, 0, size);
            session->reset(stream.id, NGHTTP2_CANCEL);
        };
    };
    std::string data(limits::kMaxDataFrame, 'x');
    size_t rounds = 2 * static_cast<size_t>(limits::kConnectionWindow) / data.size();
    for (size_t round = 0; round < rounds; ++round) {
        auto stream = static_cast<uint32_t>(2 * round + 1);
        std::string bytes = request(stream) + raw_frame(NGHTTP2_DATA, 0, stream, data);
        ASSERT_TRUE(receive(std::string_view(bytes).substr(0, 1000)).ok());
        ASSERT_TRUE(receive(std::string_view(bytes).substr(1000)).ok());
        ASSERT_EQ(goaway(), std::nullopt) << round;
        ASSERT_LT(server.stream(static_cast<int32_t>(stream)).data.size(), 1000u);
    }
}

TEST_F(Http2FloodTest, stream_that_is_reset_as_it_begins_hears_nothing_more) {
    ASSERT_TRUE(open_connection().ok());
    server.when_request = [this](ServerStream& stream) {
        session->reset(stream.id, NGHTTP2_CANCEL);
    };
    ASSERT_TRUE(receive(request(1, kRequestBlock, NGHTTP2_FLAG_END_STREAM)).ok());
    EXPECT_FALSE(server.stream(1).ended);
    produced();
    EXPECT_EQ(server.stream(1).closed, 1);
}

TEST_F(Http2FloodTest, data_beyond_the_window_ends_the_connection) {
    ASSERT_TRUE(open_connection().ok());
    ASSERT_TRUE(receive(raw_frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "")).ok());
    std::string part(limits::kMaxDataFrame, 'x');
    size_t sent = 0;
    uint32_t stream = 1;
    bool over = false;
    while (!over && sent <= 2 * static_cast<size_t>(limits::kConnectionWindow)) {
        if (sent % (size_t{8} << 20) == 0) {
            ASSERT_TRUE(receive(request(stream)).ok());
            stream += 2;
        }
        over = !receive(raw_frame(NGHTTP2_DATA, 0, stream - 2, part)).ok() ||
               goaway().has_value();
        sent += part.size();
    }
    EXPECT_TRUE(over);
    EXPECT_LE(sent, static_cast<size_t>(limits::kConnectionWindow) + part.size());
}

}  // namespace
}  // namespace tritonpy
