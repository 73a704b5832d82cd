// Fuzzes HTTP/1.1: heads, routes and chunked bodies, one request after another. The first byte says
// how large the pieces are in which the bytes come; the rest is what a client sends. What is read
// must be the same as from the whole, lie inside the input, and keep its bounds.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/limits.h"
#include "wire/chunked_body.h"
#include "wire/http1_head.h"
#include "wire/v2_route.h"

using namespace tritonpy;

namespace {

bool is_inside(std::string_view part, std::string_view whole) {
    return part.empty() || (part.data() >= whole.data() &&
                            part.data() + part.size() <= whole.data() + whole.size());
}

bool is_clean(std::string_view value) {
    return std::none_of(value.begin(), value.end(), [](char character) {
        auto byte = static_cast<uint8_t>(character);
        return (byte < ' ' && byte != '\t') || byte == 0x7F;
    });
}

void check_route(const Http1Head& head) {
    V2Route route = route_http(head.method(), head.target());
    TRITONPY_CHECK(is_inside(route.model, head.target()));
    TRITONPY_CHECK(is_inside(route.version, head.target()));
    bool of_model = route.operation == V2Operation::kInfer ||
                    route.operation == V2Operation::kModelReady;
    TRITONPY_CHECK(of_model == !route.model.empty());
    TRITONPY_CHECK(route.model.find_first_of("/?#") == std::string_view::npos);
    TRITONPY_CHECK(route.version.find_first_not_of("0123456789") == std::string_view::npos);
}

void check_complete(const Http1Head& head, std::string_view text) {
    std::string_view own = text.substr(0, head.size());
    TRITONPY_CHECK(head.size() <= std::min(text.size(), limits::kMaxRequestHead));
    TRITONPY_CHECK(own.ends_with("\n\n") || own.ends_with("\n\r\n"));
    TRITONPY_CHECK(!head.method().empty() && is_inside(head.method(), own));
    TRITONPY_CHECK(!head.target().empty() && is_inside(head.target(), own));
    TRITONPY_CHECK(is_inside(head.content_encoding(), own));
    TRITONPY_CHECK(is_inside(head.accept_encoding(), own));
    TRITONPY_CHECK(is_inside(head.json_length().value_or(""), own));
    TRITONPY_CHECK(!head.chunked() || (!head.content_length() && head.minor_version() == 1));
    size_t count = 0;
    for (const Http1Header& header : head.headers()) {
        ++count;
        TRITONPY_CHECK(is_inside(header.name, own) && is_inside(header.value, own));
        TRITONPY_CHECK(std::all_of(header.name.begin(), header.name.end(), is_http_token));
        TRITONPY_CHECK(is_clean(header.value));
    }
    TRITONPY_CHECK(count <= limits::kMaxRequestHeaders);
    check_route(head);
}

void check_equal(const Http1Head& left, const Http1Head& right) {
    TRITONPY_CHECK(left.size() == right.size());
    TRITONPY_CHECK(left.method() == right.method() && left.target() == right.target());
    TRITONPY_CHECK(left.chunked() == right.chunked());
    TRITONPY_CHECK(left.content_length() == right.content_length());
    TRITONPY_CHECK(left.keep_alive() == right.keep_alive());
    TRITONPY_CHECK(left.expects_continue() == right.expects_continue());
    TRITONPY_CHECK(left.json_length() == right.json_length());
    auto other = right.headers().begin();
    for (const Http1Header& header : left.headers()) {
        TRITONPY_CHECK(header.name == other->name && header.value == other->value);
        ++other;
    }
    TRITONPY_CHECK(other == right.headers().end());
}

// Reads a head whole and in pieces; nothing unless it is complete.
std::optional<Http1Head> read_head(std::string_view text, size_t step) {
    Http1Head whole;
    Http1Head::Outcome outcome = whole.parse(text);
    Http1Head grown;
    Http1Head::Outcome grown_outcome = Http1Head::Outcome::kPartial;
    for (size_t size = 0; grown_outcome == Http1Head::Outcome::kPartial;) {
        size = std::min(size + step, text.size());
        grown_outcome = grown.parse(text.substr(0, size));
        if (size == text.size()) {
            break;
        }
    }
    TRITONPY_CHECK(grown_outcome == outcome);
    if (outcome == Http1Head::Outcome::kBad) {
        int status = whole.error_status();
        TRITONPY_CHECK(status == 400 || status == 431 || status == 505);
        TRITONPY_CHECK(grown.error_status() == status);
        TRITONPY_CHECK(!whole.error_text().empty() && grown.error_text() == whole.error_text());
    }
    if (outcome != Http1Head::Outcome::kComplete) {
        return std::nullopt;
    }
    check_complete(whole, text);
    check_equal(whole, grown);
    return whole;
}

struct Body {
    ChunkedBody::Outcome outcome;
    size_t used;
    size_t chunks;
    std::string data;
    bool operator==(const Body&) const = default;
};

Body read_chunks(std::string_view text, size_t step) {
    std::span<const std::byte> bytes = std::as_bytes(std::span(text));
    ChunkedBody chunks;
    Body body{ChunkedBody::Outcome::kPartial, 0, 0, {}};
    while (body.outcome == ChunkedBody::Outcome::kData ||
           (body.outcome == ChunkedBody::Outcome::kPartial && body.used < bytes.size())) {
        auto piece = bytes.subspan(body.used, std::min(step, bytes.size() - body.used));
        ChunkedBody::Step taken = chunks.next(piece);
        TRITONPY_CHECK(taken.used <= piece.size());
        TRITONPY_CHECK(taken.data.empty() == (taken.outcome != ChunkedBody::Outcome::kData));
        TRITONPY_CHECK(taken.data.empty() ||
                       taken.data.data() + taken.data.size() == piece.data() + taken.used);
        TRITONPY_CHECK(taken.outcome != ChunkedBody::Outcome::kPartial ||
                       taken.used == piece.size());
        body.outcome = taken.outcome;
        body.used += taken.used;
        body.data.append(reinterpret_cast<const char*>(taken.data.data()), taken.data.size());
    }
    body.chunks = chunks.chunks();
    TRITONPY_CHECK((body.outcome == ChunkedBody::Outcome::kBad) == !chunks.error_text().empty());
    TRITONPY_CHECK(body.chunks <= limits::kMaxBodyChunks + 1);
    TRITONPY_CHECK(body.data.size() <= body.used);
    return body;
}

// The size of a request's body with all that frames it; nothing unless it has ended.
std::optional<size_t> read_body(const Http1Head& head, std::string_view text, size_t step) {
    if (!head.chunked()) {
        uint64_t length = head.content_length().value_or(0);
        return length <= text.size() ? std::optional<size_t>(length) : std::nullopt;
    }
    Body whole = read_chunks(text, text.size());
    TRITONPY_CHECK(read_chunks(text, step) == whole);
    return whole.outcome == ChunkedBody::Outcome::kComplete ? std::optional(whole.used)
                                                           : std::nullopt;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) {
        return 0;
    }
    // In a block of its own, so that AddressSanitizer sees one byte too many.
    const std::vector<char> bytes(data + 1, data + size);
    std::string_view text(bytes.data(), bytes.size());
    const size_t step = data[0] + size_t{1};
    while (!text.empty()) {
        std::optional<Http1Head> head = read_head(text, step);
        if (!head) {
            break;
        }
        text.remove_prefix(head->size());
        std::optional<size_t> body_size = read_body(*head, text, step);
        if (!body_size) {
            break;
        }
        text.remove_prefix(*body_size);
    }
    return 0;
}
