// Fuzzes the reader of gRPC messages: however the bytes are cut, the same messages come out, none
// is larger than allowed, and those that were not compressed are what stood in the stream. The
// same bytes as a grpc-timeout give a time that is no more than a century, or none.
//
// The first byte chooses the coding, the second how large the pieces are.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "memory/block_pool.h"
#include "wire/grpc_message.h"

using namespace tritonpy;

namespace {

constexpr size_t kMaxSize = 5000;
constexpr int64_t kCenturyNs = int64_t{36500} * 24 * 3600 * 1'000'000'000;

struct Read {
    std::vector<std::string> messages;
    bool bad = false;
    bool at_boundary = false;
    GrpcError error;
};

Read read_all(std::string_view stream, ContentCoding coding, size_t piece) {
    BlockPool pool;
    Read read;
    GrpcMessageReader reader(pool, kMaxSize);
    reader.set_coding(coding);
    for (size_t at = 0; at < stream.size() && !read.bad; at += piece) {
        std::string copy(stream.substr(at, piece));  // of its own size, for the sanitizer
        std::span<const std::byte> rest = std::as_bytes(std::span(copy));
        GrpcMessageReader::Step step = reader.next(rest);
        while (step.outcome == GrpcMessageReader::Outcome::kMessage) {
            TRITONPY_CHECK(step.message->size() <= kMaxSize && step.used <= rest.size());
            read.messages.emplace_back(reinterpret_cast<const char*>(step.message->data()),
                                       step.message->size());
            rest = rest.subspan(step.used);
            step = reader.next(rest);
        }
        read.bad = step.outcome == GrpcMessageReader::Outcome::kBad;
        TRITONPY_CHECK(step.used <= rest.size() && (read.bad || step.used == rest.size()));
        TRITONPY_CHECK(reader.held() <= kMaxSize && pool.live_blocks() <= 1);
    }
    read.at_boundary = reader.at_boundary();
    read.error = reader.error();
    TRITONPY_CHECK(read.bad == (read.error.status != GrpcStatus::kOk));
    TRITONPY_CHECK(read.bad == !read.error.text.empty());
    return read;
}

// The messages of a stream in which none is compressed, framed again, are the stream.
void check_round_trip(std::string_view stream, const Read& read) {
    std::string again;
    for (const std::string& message : read.messages) {
        auto prefix = grpc_prefix(message.size(), false);
        again.append(prefix.data(), prefix.size()).append(message);
    }
    TRITONPY_CHECK(stream.starts_with(again));
    TRITONPY_CHECK(read.bad || read.at_boundary == (stream.size() == again.size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) {
        return 0;
    }
    auto coding = static_cast<ContentCoding>(data[0] % 3);
    std::string_view stream(reinterpret_cast<const char*>(data) + 2, size - 2);
    Read whole = read_all(stream, coding, std::max(stream.size(), size_t{1}));
    Read pieces = read_all(stream, coding, size_t{data[1]} + 1);
    TRITONPY_CHECK(whole.messages == pieces.messages && whole.bad == pieces.bad);
    TRITONPY_CHECK(whole.error.status == pieces.error.status);
    TRITONPY_CHECK(whole.error.text == pieces.error.text);
    TRITONPY_CHECK(whole.bad || whole.at_boundary == pieces.at_boundary);
    if (coding == ContentCoding::kIdentity) {
        check_round_trip(stream, whole);
    }
    if (auto timeout_ns = parse_grpc_timeout(stream)) {
        TRITONPY_CHECK(*timeout_ns >= 0 && *timeout_ns <= kCenturyNs);
    }
    return 0;
}
