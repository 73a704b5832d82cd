#include "frontend/http_answer.h"

#include <charconv>
#include <cstring>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/limits.h"
#include "wire/status_codes.h"
#include "wire/v2_json.h"

namespace tritonpy {

namespace {

// What Triton says of a coding it does not know.
constexpr std::string_view kUnknownCoding = "Unsupported compression type";

// Bytes on their way out.
struct CountedString {
    CountedString(std::string text, HeldShare part)
        : bytes(std::move(text)), share(std::move(part)) {}
    std::string bytes;
    HeldShare share;
};

}  // namespace

HttpAnswerHead::HttpAnswerHead(int status) {
    if (status == 200) {
        lines("HTTP/1.1 200 OK\r\n");
        return;
    }
    number("HTTP/1.1 ", static_cast<size_t>(status));
    size_ -= 2;  // the line goes on
    lines(" ");
    lines(http_reason_of(status));
    lines("\r\n");
}

void HttpAnswerHead::lines(std::string_view text) {
    TRITONPY_CHECK(text.size() <= kRoom - size_);
    std::memcpy(text_.data() + size_, text.data(), text.size());
    size_ += text.size();
}

void HttpAnswerHead::number(std::string_view name, size_t value) {
    lines(name);
    auto [end, error] = std::to_chars(text_.data() + size_, text_.data() + kRoom, value);
    TRITONPY_CHECK(error == std::errc());
    size_ = static_cast<size_t>(end - text_.data());
    lines("\r\n");
}

void HttpAnswerHead::finish(OutQueue& out, size_t body_size, const AnswerTerms& terms) {
    number("content-length: ", body_size);
    lines(connection_line(terms));
    lines("\r\n");
    out.append(std::string_view(text_.data(), size_));
}

std::string_view connection_line(const AnswerTerms& terms) {
    if (!terms.keep_alive) {
        return "connection: close\r\n";
    }
    return terms.minor_version == 0 ? "connection: keep-alive\r\n" : "";
}

void append_empty_answer(OutQueue& out, int status, const AnswerTerms& terms) {
    HttpAnswerHead(status).finish(out, 0, terms);
}

void append_error_answer(OutQueue& out, int status, std::string_view text,
                         const AnswerTerms& terms) {
    std::string body = encode_error_json(text);
    HttpAnswerHead head(status);
    head.lines("content-type: application/json\r\n");
    if (status == http_status_of(StatusCode::kUnavailable)) {
        // A full queue is shorter within a second, or another server has taken over.
        head.lines("retry-after: 1\r\n");
    }
    if (text == kUnknownCoding) {
        head.lines("accept-encoding: gzip, deflate\r\n");
    }
    head.finish(out, body.size(), terms);
    if (!terms.head_only) {
        out.append(body);
    }
}

void append_error_answer(OutQueue& out, const Status& error, const AnswerTerms& terms) {
    append_error_answer(out, http_status_of(error.code()), error.message(), terms);
}

void append_given(OutQueue& out, std::string bytes, HeldShare share) {
    if (bytes.size() <= limits::kMaxCopiedBody) {
        out.append(bytes);
        return;
    }
    // Shared, as the queue wants its owners.
    auto owner = std::make_shared<const CountedString>(std::move(bytes), std::move(share));
    out.append(std::as_bytes(std::span(owner->bytes)), owner);
}

bool count_answer(HeldShare& share, size_t size) {
    return size <= limits::kMaxCopiedBody || share.try_resize(size);
}

}  // namespace tritonpy
