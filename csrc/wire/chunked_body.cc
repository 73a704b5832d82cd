#include "wire/chunked_body.h"

#include <algorithm>

#include "base/limits.h"
#include "wire/http1_head.h"

namespace tritonpy {

namespace {

constexpr uint64_t kMaxChunk = uint64_t{1} << 62;
constexpr size_t kMaxSizeDigits = 16;
constexpr std::string_view kTooManyChunks =
    "Chunked request body exceeds maximum of 65536 non-empty chunks. Send fewer or larger HTTP "
    "chunks.";
static_assert(limits::kMaxBodyChunks == 65536, "the text above says so");

// -1 for what is no hexadecimal digit.
int digit_of(char character) {
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    char lower = static_cast<char>(character | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// What extensions and the values of trailers are made of.
bool is_text(char character) {
    auto byte = static_cast<uint8_t>(character);
    return (byte >= ' ' && byte != 0x7F) || byte == '\t';
}

}  // namespace

ChunkedBody::Step ChunkedBody::next(std::span<const std::byte> bytes) {
    for (size_t used = 0;; ++used) {
        switch (state_) {
            case State::kDone:
                return {Outcome::kComplete, used, {}};
            case State::kBad:
                return {Outcome::kBad, used, {}};
            default:
                break;
        }
        if (used == bytes.size()) {
            return {Outcome::kPartial, used, {}};
        }
        if (state_ == State::kData) {
            return take_data(bytes, used);
        }
        state_ = after(static_cast<char>(bytes[used]));
    }
}

ChunkedBody::Step ChunkedBody::take_data(std::span<const std::byte> bytes, size_t used) {
    size_t size = std::min<uint64_t>(left_, bytes.size() - used);
    left_ -= size;
    if (left_ == 0) {
        state_ = State::kDataEnd;
    }
    return {Outcome::kData, used + size, bytes.subspan(used, size)};
}

// The state behind one byte that is no data.
ChunkedBody::State ChunkedBody::after(char character) {
    auto expect = [&](char expected, State next) {
        return character == expected ? next : bad(kInvalidHttp);
    };
    switch (state_) {
        case State::kSizeBegin:
        case State::kSize:
            return after_size(character);
        case State::kExtension:
            if (is_text(character) && ++line_ <= limits::kMaxChunkExtension) {
                return State::kExtension;
            }
            return expect('\r', State::kSizeEnd);
        case State::kSizeEnd:
            return character == '\n' ? after_size_line() : bad(kInvalidHttp);
        case State::kDataEnd:
            return expect('\r', State::kDataLineFeed);
        case State::kDataLineFeed:
            return expect('\n', State::kSizeBegin);
        case State::kBodyEnd:
            return expect('\n', State::kDone);
        default:
            return after_trailer(character);
    }
}

ChunkedBody::State ChunkedBody::after_size(char character) {
    if (state_ == State::kSizeBegin) {
        left_ = 0;
        line_ = 0;
    }
    if (int digit = digit_of(character); digit >= 0) {
        left_ = left_ * 16 + static_cast<uint64_t>(digit);  // 16 digits fit
        return ++line_ <= kMaxSizeDigits ? State::kSize : bad(kInvalidHttp);
    }
    if (state_ == State::kSizeBegin || left_ > kMaxChunk) {
        return bad(kInvalidHttp);
    }
    line_ = 0;
    return character == '\r'  ? State::kSizeEnd
           : character == ';' ? State::kExtension
                              : bad(kInvalidHttp);
}

ChunkedBody::State ChunkedBody::after_size_line() {
    line_ = 0;
    ++chunks_;
    if (left_ == 0) {
        return State::kTrailerBegin;
    }
    return chunks_ <= limits::kMaxBodyChunks ? State::kData : bad(kTooManyChunks);
}

ChunkedBody::State ChunkedBody::after_trailer(char character) {
    if (++line_ > limits::kMaxTrailers) {
        return bad(kHeadTooLarge);
    }
    switch (state_) {
        case State::kTrailerBegin:
            return character == '\r'          ? State::kBodyEnd
                   : is_http_token(character) ? State::kTrailerName
                                              : bad(kInvalidHttp);
        case State::kTrailerName:
            return character == ':'           ? State::kTrailerValue
                   : is_http_token(character) ? State::kTrailerName
                                              : bad(kInvalidHttp);
        case State::kTrailerValue:
            return character == '\r'    ? State::kTrailerEnd
                   : is_text(character) ? State::kTrailerValue
                                        : bad(kInvalidHttp);
        default:  // kTrailerEnd
            return character == '\n' ? State::kTrailerBegin : bad(kInvalidHttp);
    }
}

ChunkedBody::State ChunkedBody::bad(std::string_view text) {
    error_text_ = text;
    return State::kBad;
}

}  // namespace tritonpy
