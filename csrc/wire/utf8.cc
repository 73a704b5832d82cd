#include "wire/utf8.h"

#include <cstdint>
#include <cstring>

namespace tritonpy {

namespace {

constexpr uint64_t kHighBits = 0x8080808080808080u;

// Length of the well-formed multi-byte sequence at the front of `text`; 0 when there is none.
size_t sequence_length(std::string_view text) {
    auto byte = [&](size_t index) { return static_cast<unsigned char>(text[index]); };
    auto continues = [&](size_t index) { return (byte(index) & 0xC0) == 0x80; };
    unsigned char lead = byte(0);
    if (lead >= 0xC2 && lead <= 0xDF) {
        return text.size() >= 2 && continues(1) ? 2 : 0;
    }
    if ((lead & 0xF0) == 0xE0) {
        if (text.size() < 3 || !continues(1) || !continues(2)) {
            return 0;
        }
        bool overlong = lead == 0xE0 && byte(1) < 0xA0;
        bool surrogate = lead == 0xED && byte(1) > 0x9F;
        return overlong || surrogate ? 0 : 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        if (text.size() < 4 || !continues(1) || !continues(2) || !continues(3)) {
            return 0;
        }
        bool overlong = lead == 0xF0 && byte(1) < 0x90;
        bool too_high = lead == 0xF4 && byte(1) > 0x8F;
        return overlong || too_high ? 0 : 4;
    }
    return 0;
}

}  // namespace

size_t utf8_prefix(std::string_view text) {
    size_t at = 0;
    while (at < text.size()) {
        // Names and ids are nearly always ASCII: eight bytes at a step.
        if (text.size() - at >= sizeof(uint64_t)) {
            uint64_t chunk = 0;
            std::memcpy(&chunk, text.data() + at, sizeof(chunk));
            if ((chunk & kHighBits) == 0) {
                at += sizeof(chunk);
                continue;
            }
        }
        if (static_cast<unsigned char>(text[at]) < 0x80) {
            ++at;
            continue;
        }
        size_t length = sequence_length(text.substr(at));
        if (length == 0) {
            break;
        }
        at += length;
    }
    return at;
}

std::string replace_invalid_utf8(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (true) {
        size_t good = utf8_prefix(text);
        out.append(text.substr(0, good));
        if (good == text.size()) {
            return out;
        }
        out.append("\xEF\xBF\xBD");
        text.remove_prefix(good + 1);
    }
}

}  // namespace tritonpy
