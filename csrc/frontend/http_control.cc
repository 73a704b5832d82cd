#include "frontend/http_control.h"

#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "wire/ascii_text.h"
#include "wire/status_codes.h"

namespace tritonpy {

namespace {

std::string lower_case(std::string_view text) {
    std::string lower(text);
    for (char& character : lower) {
        if (character >= 'A' && character <= 'Z') {
            character = static_cast<char>(character | 0x20);
        }
    }
    return lower;
}

std::optional<uint64_t> length_of(const ControlHeaders& headers) {
    for (const auto& [name, value] : headers) {
        uint64_t length = 0;
        const char* end = value.data() + value.size();
        if (equals_ignoring_case(name, "content-length") &&
            std::from_chars(value.data(), end, length).ptr == end) {
            return length;
        }
    }
    return std::nullopt;
}

// Whether a header is written by us, and never twice.
bool is_framing(std::string_view name) {
    return equals_ignoring_case(name, "content-length") ||
           equals_ignoring_case(name, "transfer-encoding") ||
           equals_ignoring_case(name, "connection") || equals_ignoring_case(name, "keep-alive");
}

std::string chunk_size_line(size_t size) {
    std::array<char, 20> text;
    auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), size, 16);
    TRITONPY_CHECK(error == std::errc());
    return std::string(text.data(), end) + "\r\n";
}

}  // namespace

ControlEvent control_request(const Http1Head& head, HttpBody& body) {
    ControlEvent event;
    event.kind = ControlEvent::Kind::kHttpRequest;
    event.call_id = 0;  // given when the call starts
    event.method = head.method();
    event.target = head.target();
    for (const Http1Header& header : head.headers()) {
        event.headers.emplace_back(lower_case(header.name), header.value);
    }
    event.body = std::move(body.bytes);
    event.minor_version = head.minor_version();
    event.chunks = body.chunks;
    return event;
}

void HttpControlAnswer::begin(OutQueue& out, int status, const ControlHeaders& headers,
                              AnswerTerms& terms) {
    std::optional<uint64_t> length = length_of(headers);
    bool bodiless = status == 204 || status == 304;
    if (bodiless || terms.head_only) {
        framing_ = Framing::kNoBody;
    } else if (length) {
        framing_ = Framing::kLength;
        left_ = *length;
    } else if (terms.minor_version >= 1) {
        framing_ = Framing::kChunks;
    } else {
        framing_ = Framing::kUntilClose;
        terms.keep_alive = false;
    }
    std::string head = "HTTP/1.1 " + std::to_string(status) + " ";
    head.append(http_reason_of(status)).append("\r\n");
    for (const auto& [name, value] : headers) {
        if (!is_framing(name)) {
            head.append(name).append(": ").append(value).append("\r\n");
        }
    }
    if (length && !bodiless) {
        head.append("content-length: ").append(std::to_string(*length)).append("\r\n");
    } else if (framing_ == Framing::kChunks) {
        head.append("transfer-encoding: chunked\r\n");
    }
    head.append(connection_line(terms)).append("\r\n");
    out.append(head);
}

bool HttpControlAnswer::append(OutQueue& out, std::string bytes, HeldBytes& held) {
    if (framing_ == Framing::kLength) {
        bytes.resize(std::min<uint64_t>(bytes.size(), left_));
        left_ -= bytes.size();
    }
    if (bytes.empty() || framing_ == Framing::kNoBody) {
        return true;
    }
    HeldShare share(held);
    if (!count_answer(share, bytes.size())) {
        return false;
    }
    if (framing_ == Framing::kChunks) {
        out.append(chunk_size_line(bytes.size()));
    }
    append_given(out, std::move(bytes), std::move(share));
    if (framing_ == Framing::kChunks) {
        out.append("\r\n");
    }
    return true;
}

bool HttpControlAnswer::end(OutQueue& out) {
    if (framing_ == Framing::kChunks) {
        out.append("0\r\n\r\n");
    }
    return framing_ != Framing::kLength || left_ == 0;
}

}  // namespace tritonpy
