// Fuzzes gzip and deflate. The first byte chooses the coding and what is done, the second how large
// a body may be; the rest is data in that coding, a body, or a header. Nothing is made beyond the
// bound, and whatever comes out survives a round trip.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "wire/content_coding.h"
#include "wire/wire_fixture.h"

using namespace tritonpy;

namespace {

constexpr size_t kBoundStep = 512;  // up to 128 KiB: bombs are cheap to make

std::string compressed(std::string_view body, ContentCoding coding, int level) {
    EncodedBody encoded;
    encoded.append_borrowed(std::as_bytes(std::span(body)));
    std::string data = compress(encoded, coding, level);
    TRITONPY_CHECK(!data.empty());
    return data;
}

// The body in a coding comes back, whole, when it may be just as large as it is; not when less.
void check_round_trip(std::string_view body, ContentCoding coding, int level) {
    BlockPool pool;
    BufferRef data = text_buffer(compressed(body, coding, level));
    Result<BufferRef> back = decompress(data, coding, body.size(), pool);
    TRITONPY_CHECK(back.ok());
    TRITONPY_CHECK(text_of({back.value()->data(), back.value()->size()}) == body);
    if (!body.empty()) {
        TRITONPY_CHECK(!decompress(data, coding, body.size() - 1, pool).ok());
    }
}

void check_data(std::string_view data, ContentCoding coding, size_t max_size) {
    BlockPool pool;
    Result<BufferRef> body = decompress(text_buffer(data), coding, max_size, pool);
    if (!body.ok()) {
        TRITONPY_CHECK(body.status().code() == StatusCode::kInvalidArg);
        TRITONPY_CHECK(!body.status().message().empty());
        return;
    }
    TRITONPY_CHECK(body.value()->size() <= max_size);
    check_round_trip(text_of({body.value()->data(), body.value()->size()}), coding, 1);
}

void check_header(std::string_view header) {
    ContentCoding chosen = choose_coding(header);
    std::optional<ContentCoding> named = content_coding_of(header);
    if (named) {  // a header of one name
        TRITONPY_CHECK(*named == chosen && content_coding_of(name_of(chosen)) == chosen);
    }
    // Entries of no weight and of codings that are not known change nothing.
    std::string more = std::string(header) + ",gzip;q=0,*,br;q=1";
    TRITONPY_CHECK(choose_coding(more) == chosen);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) {
        return 0;
    }
    ContentCoding coding = data[0] % 2 == 0 ? ContentCoding::kGzip : ContentCoding::kDeflate;
    // In a block of its own, so that AddressSanitizer sees one byte too many.
    const std::vector<char> bytes(data + 2, data + size);
    std::string_view text(bytes.data(), bytes.size());
    switch (data[0] / 2 % 4) {
        case 0:
            check_header(text);
            break;
        case 1:
            check_round_trip(text, coding, data[1] % 9 + 1);
            break;
        default:
            check_data(text, coding, data[1] * kBoundStep);
    }
    return 0;
}
