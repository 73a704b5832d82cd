// The little of an HTTP/1.1 head that the floor and the load client look at.
//
// Threads: immutable.
#pragma once

#include <strings.h>

#include <cstddef>
#include <cstdlib>
#include <optional>
#include <string_view>

namespace tritonpy::bench {

inline constexpr size_t kMaxHead = 64 * 1024;

// The length of the head at the front of `bytes`, its empty line included; 0 while incomplete.
inline size_t head_length(std::string_view bytes) {
    constexpr std::string_view kEnd = "\r\n\r\n";
    const size_t end = bytes.find(kEnd);
    return end == std::string_view::npos ? 0 : end + kEnd.size();
}

// The value of Content-Length in a whole head: 0 without one, nothing when it is no number.
inline std::optional<size_t> content_length(std::string_view head) {
    constexpr std::string_view kName = "\r\ncontent-length:";
    for (size_t at = head.find("\r\n"); at + kName.size() < head.size();
         at = head.find("\r\n", at + 2)) {
        if (strncasecmp(head.data() + at, kName.data(), kName.size()) == 0) {
            char* end = nullptr;
            const size_t length = std::strtoull(head.data() + at + kName.size(), &end, 10);
            return *end == '\r' ? std::optional(length) : std::nullopt;
        }
    }
    return 0;
}

}  // namespace tritonpy::bench
