// Text of protocol headers: compared without case, and without the blanks around it.
//
// Only ASCII letters have a case here, whatever the locale.
//
// Threads: compatible; pure functions.
#pragma once

#include <cstddef>
#include <string_view>

namespace tritonpy {

// Whether `text` is `lower` in any case. REQUIRES: `lower` has no upper-case letters.
inline bool equals_ignoring_case(std::string_view text, std::string_view lower) {
    if (text.size() != lower.size()) {
        return false;
    }
    for (size_t index = 0; index < text.size(); ++index) {
        char character = text[index];
        if (character >= 'A' && character <= 'Z') {
            character = static_cast<char>(character | 0x20);
        }
        if (character != lower[index]) {
            return false;
        }
    }
    return true;
}

// `text` without the spaces and tabs around it.
inline std::string_view trim_blanks(std::string_view text) {
    auto is_blank = [](char character) { return character == ' ' || character == '\t'; };
    while (!text.empty() && is_blank(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && is_blank(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

// Takes what stands before the first `separator` off the front of `rest`, and the separator. With
// none, takes all of it.
inline std::string_view take_until(std::string_view& rest, char separator) {
    size_t end = rest.find(separator);
    std::string_view taken = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    return taken;
}

}  // namespace tritonpy
