// Goal: a client that stopped in the middle of something is told from one that is only silent.
// Method: a connection's beginning, byte by byte; after each byte it is known where that is.
#include "wire/http2_frame_position.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace tritonpy {
namespace {

constexpr char kHeaders = 1;
constexpr char kSettings = 4;
constexpr char kContinuation = 9;
constexpr char kEndHeaders = 4;

std::string frame(char type, char flags, std::string_view payload) {
    std::string bytes{0, 0, static_cast<char>(payload.size()), type, flags, 0, 0, 0, 1};
    return bytes.append(payload);
}

void feed(Http2FramePosition& position, std::string_view bytes) {
    position.advance(std::as_bytes(std::span(bytes)));
}

TEST(Http2FramePosition, only_the_ends_of_frames_and_of_header_lists_are_outside) {
    const std::string magic = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    ASSERT_EQ(magic.size(), 24u);
    const std::vector<std::string> parts{
        magic + frame(kSettings, 0, "123456"), frame(0, 0, ""), frame(kHeaders, kEndHeaders, "h"),
        frame(kHeaders, 0, "part") + frame(kContinuation, 0, "of") +
            frame(kContinuation, kEndHeaders, "it"),
        frame(0, kEndHeaders, std::string(100, 'd')), frame(kHeaders, kEndHeaders, "")};
    Http2FramePosition position;
    for (const std::string& part : parts) {
        for (size_t at = 0; at + 1 < part.size(); ++at) {
            feed(position, std::string_view(part).substr(at, 1));
            EXPECT_TRUE(position.inside()) << at;
        }
        feed(position, std::string_view(part).substr(part.size() - 1));
        EXPECT_FALSE(position.inside());
    }
}

TEST(Http2FramePosition, bytes_may_come_in_any_pieces) {
    std::string bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(kSettings, 0, "") +
                        frame(kHeaders, kEndHeaders, "head") + frame(0, 0, "payload");
    for (size_t size = 1; size <= bytes.size(); ++size) {
        Http2FramePosition position;
        EXPECT_TRUE(position.inside());
        for (size_t at = 0; at < bytes.size(); at += size) {
            feed(position, std::string_view(bytes).substr(at, size));
        }
        EXPECT_FALSE(position.inside()) << size;
    }
}

TEST(Http2FramePosition, the_largest_length_is_counted) {
    Http2FramePosition position;
    feed(position, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(kSettings, 0, ""));
    feed(position, std::string(3, '\xFF') + std::string(6, '\0'));
    feed(position, std::string((1 << 24) - 2, 'x'));
    EXPECT_TRUE(position.inside());
    feed(position, "x");
    EXPECT_FALSE(position.inside());
}

}  // namespace
}  // namespace tritonpy
