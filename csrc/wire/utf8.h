// UTF-8 as JSON and protobuf demand it of every string.
//
// Threads: compatible; pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tritonpy {

// Length of the longest prefix of `text` that is well-formed UTF-8 (no surrogates, no overlong
// forms, nothing above U+10FFFF); text.size() when all of it is.
size_t utf8_prefix(std::string_view text);

inline bool is_utf8(std::string_view text) { return utf8_prefix(text) == text.size(); }

// `text` with each byte that is not part of well-formed UTF-8 replaced by U+FFFD.
std::string replace_invalid_utf8(std::string_view text);

}  // namespace tritonpy
