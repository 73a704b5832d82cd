// HTTP/2 frames as bytes: just what the floor and the load client need to speak gRPC.
//
// Heads of requests and answers are written with literals only, so that neither side keeps a
// compression table for what it sends.
//
// Threads: immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tritonpy::bench::h2 {

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
inline constexpr size_t kHeadSize = 9;
inline constexpr size_t kMaxFrame = 16384;  // unless the peer allows more, which is never used
inline constexpr int64_t kDefaultWindow = 65535;
inline constexpr uint32_t kMaxWindow = 0x7fffffff;
// Connection credit is returned in lots of this size.
inline constexpr int64_t kCreditLot = int64_t{1} << 24;

enum Type : uint8_t {
    kData = 0,
    kHeaders = 1,
    kReset = 3,
    kSettings = 4,
    kPing = 6,
    kGoaway = 7,
    kWindowUpdate = 8,
    kContinuation = 9,
};
inline constexpr uint8_t kAck = 1;  // of SETTINGS and PING
inline constexpr uint8_t kEndStream = 1;
inline constexpr uint8_t kEndHeaders = 4;
inline constexpr uint8_t kPadded = 8;
inline constexpr uint16_t kSettingInitialWindow = 4;

struct Frame {
    uint32_t length;
    uint8_t type;
    uint8_t flags;
    uint32_t stream;
};

inline uint32_t read_u32(std::string_view bytes) {
    uint32_t value = 0;
    for (size_t i = 0; i < 4; ++i) {
        value = value << 8 | static_cast<uint8_t>(bytes[i]);
    }
    return value;
}

inline void put_u32(char* out, uint32_t value) {
    for (int i = 3; i >= 0; --i) {
        out[i] = static_cast<char>(value & 0xff);
        value >>= 8;
    }
}

// REQUIRES: bytes.size() >= kHeadSize.
inline Frame read_head(std::string_view bytes) {
    return {read_u32(bytes) >> 8, static_cast<uint8_t>(bytes[3]), static_cast<uint8_t>(bytes[4]),
            read_u32(bytes.substr(5)) & kMaxWindow};
}

inline void put_head(char* out, const Frame& frame) {
    put_u32(out, frame.length << 8 | frame.type);
    out[4] = static_cast<char>(frame.flags);
    put_u32(out + 5, frame.stream);
}

inline void append_frame(std::string& out, uint8_t type, uint8_t flags, uint32_t stream,
                         std::string_view payload) {
    char head[kHeadSize];
    put_head(head, {static_cast<uint32_t>(payload.size()), type, flags, stream});
    out.append(head, kHeadSize).append(payload);
}

inline void append_window_update(std::string& out, uint32_t stream, uint32_t increment) {
    char payload[4];
    put_u32(payload, increment);
    append_frame(out, kWindowUpdate, 0, stream, {payload, sizeof payload});
}

// SETTINGS that take streams of any size at once, and as much credit for the connection.
inline void append_wide_settings(std::string& out) {
    char payload[6] = {0, static_cast<char>(kSettingInitialWindow)};
    put_u32(payload + 2, kMaxWindow);
    append_frame(out, kSettings, 0, 0, {payload, sizeof payload});
    append_window_update(out, 0, kMaxWindow - static_cast<uint32_t>(kDefaultWindow));
}

// The peer's initial window of a stream, or `otherwise` when its SETTINGS name none.
inline int64_t initial_window(std::string_view settings, int64_t otherwise) {
    for (; settings.size() >= 6; settings.remove_prefix(6)) {
        if (read_u32(settings) >> 16 == kSettingInitialWindow) {
            otherwise = read_u32(settings.substr(2));
        }
    }
    return otherwise;
}

// One header field as a literal that no table keeps. REQUIRES: both are shorter than 127.
inline void append_field(std::string& block, std::string_view name, std::string_view value) {
    block += '\0';
    block += static_cast<char>(name.size());
    block.append(name);
    block += static_cast<char>(value.size());
    block.append(value);
}

}  // namespace tritonpy::bench::h2
