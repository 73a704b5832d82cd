#include "wire/http1_head.h"

#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "base/limits.h"
#include "wire/ascii_text.h"

namespace tritonpy {

namespace {

constexpr uint64_t kOnes = 0x0101010101010101;  // times a byte: that byte, eight times
constexpr uint64_t kHighBits = 0x80 * kOnes;

constexpr std::array<bool, 256> make_token_table() {
    std::array<bool, 256> table{};
    for (char character = '0'; character <= '9'; ++character) {
        table[static_cast<uint8_t>(character)] = true;
    }
    for (char character = 'a'; character <= 'z'; ++character) {
        table[static_cast<uint8_t>(character)] = true;
        table[static_cast<uint8_t>(character - 'a' + 'A')] = true;
    }
    for (char character : std::string_view("!#$%&'*+-.^_`|~")) {
        table[static_cast<uint8_t>(character)] = true;
    }
    return table;
}
constexpr std::array<bool, 256> kTokenTable = make_token_table();

uint64_t load_word(const char* at) {
    uint64_t word = 0;
    std::memcpy(&word, at, sizeof(word));
    return word;
}

// Eight bytes at once: the lowest high bit in the answer is that of the first byte that is not
// plain. (Higher ones may be carried over from it, and the loop below looks again.)
static_assert(std::endian::native == std::endian::little, "the first byte is the lowest");
uint64_t unlike_target(uint64_t word) {
    return ((word - 0x21 * kOnes) | (word + kOnes) | word) & kHighBits;
}
uint64_t unlike_value(uint64_t word) {
    uint64_t is_delete = word ^ (0x7F * kOnes);
    return (((word - 0x20 * kOnes) & ~word) | ((is_delete - kOnes) & ~is_delete)) & kHighBits;
}
bool is_target(char character) { return character > ' ' && character < '\x7F'; }
bool is_value(char character) {
    auto byte = static_cast<uint8_t>(character);
    return (byte >= ' ' && byte != 0x7F) || byte == '\t';
}

// Length of the longest prefix of bytes that kIs finds good. kUnlike, of eight bytes at once, may
// stop at a good one.
template <uint64_t (*kUnlike)(uint64_t), bool (*kIs)(char)>
size_t prefix(std::string_view text) {
    size_t size = 0;
    while (size + sizeof(uint64_t) <= text.size()) {
        uint64_t unlike = kUnlike(load_word(text.data() + size));
        if (unlike == 0) {
            size += sizeof(uint64_t);
            continue;
        }
        size += static_cast<size_t>(std::countr_zero(unlike)) / 8;
        if (!kIs(text[size])) {
            return size;
        }
        ++size;
    }
    while (size < text.size() && kIs(text[size])) {
        ++size;
    }
    return size;
}

size_t token_prefix(std::string_view text) {
    size_t size = 0;
    while (size < text.size() && is_http_token(text[size])) {
        ++size;
    }
    return size;
}

// Takes a line's end off the front; false when it is not there.
bool take_line_end(std::string_view& rest) {
    size_t size = rest.starts_with('\n') ? 1 : rest.starts_with("\r\n") ? 2 : 0;
    rest.remove_prefix(size);
    return size != 0;
}

// Takes one header's line off the front; false when it is malformed.
bool take_header(std::string_view& rest, Http1Header& header) {
    size_t name_size = token_prefix(rest);
    if (name_size == 0 || name_size == rest.size() || rest[name_size] != ':') {
        return false;
    }
    header.name = rest.substr(0, name_size);
    rest.remove_prefix(name_size + 1);
    size_t value_size = prefix<unlike_value, is_value>(rest);
    header.value = trim_blanks(rest.substr(0, value_size));
    rest.remove_prefix(value_size);
    return take_line_end(rest);
}

}  // namespace

bool is_http_token(char character) { return kTokenTable[static_cast<uint8_t>(character)]; }

Http1Headers::Iterator& Http1Headers::Iterator::operator++() {
    if (!take_header(rest_, header_)) {
        header_ = {};
    }
    return *this;
}

Http1Head::Outcome Http1Head::parse(std::string_view bytes) {
    std::string_view window = bytes.substr(0, limits::kMaxRequestHead);
    skip_empty_lines(window);
    size_ = find_end(window);
    if (size_ != 0) {
        return read(window.substr(begin_, size_ - begin_));
    }
    if (!may_begin(window)) {
        return bad(400, kInvalidHttp);
    }
    return window.size() < limits::kMaxRequestHead ? Outcome::kPartial : bad(400, kHeadTooLarge);
}

void Http1Head::skip_empty_lines(std::string_view bytes) {
    std::string_view rest = bytes.substr(begin_);
    while (take_line_end(rest)) {
    }
    begin_ = bytes.size() - rest.size();
}

// The end of the empty line that ends the head; 0 when it has not come.
size_t Http1Head::find_end(std::string_view bytes) {
    searched_ = searched_ < begin_ ? begin_ : searched_;
    while (true) {
        size_t line_end = bytes.find('\n', searched_);
        if (line_end == std::string_view::npos) {
            searched_ = bytes.size();
            return 0;
        }
        std::string_view next = bytes.substr(line_end + 1, 2);
        if (next.starts_with('\n') || next == "\r\n") {
            return line_end + 1 + (next.front() == '\n' ? 1 : 2);
        }
        if (next.empty() || next == "\r") {
            searched_ = line_end;  // what follows this line will tell
            return 0;
        }
        searched_ = line_end + 1;
    }
}

// Whether what is there of a request line can become one. Whoever speaks another protocol, TLS for
// one, hears so at its first byte and not when it has waited too long.
bool Http1Head::may_begin(std::string_view bytes) const {
    std::string_view begun = bytes.substr(begin_);
    return begun.empty() || begun == "\r" || is_http_token(begun.front());
}

Http1Head::Outcome Http1Head::read(std::string_view head) {
    Outcome outcome = read_request_line(head);
    return outcome == Outcome::kComplete ? read_header_lines(head) : outcome;
}

Http1Head::Outcome Http1Head::read_request_line(std::string_view& rest) {
    size_t method_size = token_prefix(rest);
    if (method_size == 0 || rest[method_size] != ' ') {
        return bad(400, kInvalidHttp);
    }
    method_ = rest.substr(0, method_size);
    rest.remove_prefix(method_size + 1);
    size_t target_size = prefix<unlike_target, is_target>(rest);
    if (target_size == 0 || rest[target_size] != ' ') {
        return bad(400, kInvalidHttp);
    }
    target_ = rest.substr(0, target_size);
    rest.remove_prefix(target_size + 1);

    constexpr std::string_view kOne = "HTTP/1.";
    size_t version_size = kOne.size() + 1;
    std::string_view version = rest.substr(0, version_size);
    rest.remove_prefix(version.size());
    if (!take_line_end(rest)) {
        return bad(400, kInvalidHttp);
    }
    if (version == "HTTP/2.0" || version == "HTTP/3.0") {
        return bad(505, "HTTP version is not supported.");
    }
    if (!version.starts_with(kOne) || (version.back() != '0' && version.back() != '1')) {
        return bad(400, kInvalidHttp);
    }
    minor_version_ = version.back() - '0';
    return Outcome::kComplete;
}

// Reads all headers; `rest` ends with the empty line.
Http1Head::Outcome Http1Head::read_header_lines(std::string_view rest) {
    const char* begin = rest.data();
    Http1Header header;
    for (size_t count = 0; !take_line_end(rest); ++count) {
        if (count == limits::kMaxRequestHeaders) {
            return bad(431, "Request has too many headers.");
        }
        if (!take_header(rest, header) || !note(header)) {
            return bad(400, kInvalidHttp);
        }
        header_lines_ = std::string_view(begin, static_cast<size_t>(rest.data() - begin));
    }
    if (chunked_ && (content_length_ || minor_version_ == 0)) {
        return bad(400, kInvalidHttp);
    }
    keep_alive_ = !closes_ && (minor_version_ == 1 || keep_alive_asked_);
    expects_continue_ = expects_continue_ && minor_version_ == 1;
    return Outcome::kComplete;
}

// Takes note of what the accessors answer; false when it makes the message ambiguous. The lengths
// of the names all differ, so that most headers cost one comparison of a number.
bool Http1Head::note(const Http1Header& header) {
    auto is = [&](std::string_view lower) { return equals_ignoring_case(header.name, lower); };
    switch (header.name.size()) {
        case 6:
            if (is("expect")) {
                expects_continue_ = equals_ignoring_case(header.value, "100-continue");
            }
            return true;
        case 10:
            if (is("connection")) {
                note_connection(header.value);
            }
            return true;
        case 14:
            return !is("content-length") || note_content_length(header.value);
        case 15:
            if (is("accept-encoding")) {
                accept_encoding_ = header.value;
            }
            return true;
        case 16:
            if (is("content-encoding")) {
                content_encoding_ = header.value;
            }
            return true;
        case 17:
            return !is("transfer-encoding") || note_transfer_encoding(header.value);
        case 31:
            if (is("inference-header-content-length")) {
                json_length_ = header.value;
            }
            return true;
        default:
            return true;
    }
}

bool Http1Head::note_content_length(std::string_view value) {
    uint64_t length = 0;
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
    if (content_length_ || error != std::errc() || end != value.data() + value.size()) {
        return false;
    }
    content_length_ = length;
    return true;
}

bool Http1Head::note_transfer_encoding(std::string_view value) {
    if (chunked_ || !equals_ignoring_case(value, "chunked")) {
        return false;
    }
    chunked_ = true;
    return true;
}

void Http1Head::note_connection(std::string_view value) {
    while (!value.empty()) {
        std::string_view option = trim_blanks(take_until(value, ','));
        closes_ = closes_ || equals_ignoring_case(option, "close");
        keep_alive_asked_ = keep_alive_asked_ || equals_ignoring_case(option, "keep-alive");
    }
}

Http1Head::Outcome Http1Head::bad(int status, std::string_view text) {
    error_status_ = status;
    error_text_ = text;
    return Outcome::kBad;
}

}  // namespace tritonpy
