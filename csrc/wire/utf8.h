// UTF-8 as JSON and protobuf demand it of every string.
//
// Threads: compatible; pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace tritonpy {

// Length of the longest prefix of `text` that is well-formed UTF-8 (no surrogates, no overlong
// forms, nothing above U+10FFFF); text.size() when all of it is.
size_t utf8_prefix(std::string_view text);

// Whether every byte is below 0x80. In line, for names and ids are short, and nearly always are.
inline bool is_ascii(std::string_view text) {
    uint64_t seen = 0;
    uint64_t chunk = 0;
    while (text.size() >= sizeof(chunk)) {
        std::memcpy(&chunk, text.data(), sizeof(chunk));
        seen |= chunk;
        text.remove_prefix(sizeof(chunk));
    }
    for (char byte : text) {
        seen |= static_cast<unsigned char>(byte);
    }
    return (seen & 0x8080808080808080u) == 0;
}

inline bool is_utf8(std::string_view text) {
    return is_ascii(text) || utf8_prefix(text) == text.size();
}

// `text` with each byte that is not part of well-formed UTF-8 replaced by U+FFFD.
std::string replace_invalid_utf8(std::string_view text);

}  // namespace tritonpy
