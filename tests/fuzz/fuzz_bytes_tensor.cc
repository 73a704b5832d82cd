// Fuzzes the BYTES serialisation: what a scan counts is what a reader reads, within the bytes
// given, and writing it again gives the same bytes.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/check.h"
#include "tensor/bytes_tensor.h"

using namespace tritonpy;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
    BytesScan scan = scan_bytes(bytes);
    TRITONPY_CHECK(scan.consumed_bytes <= size);
    TRITONPY_CHECK((scan.fault == BytesFault::kNone) == (scan.consumed_bytes == size));

    std::vector<std::byte> written;
    int64_t count = 0;
    for (BytesReader reader(bytes.first(scan.consumed_bytes)); !reader.at_end(); ++count) {
        append_bytes_element(written, reader.next());
        BytesScan front = scan_bytes(bytes, count + 1);
        TRITONPY_CHECK(front.fault == BytesFault::kNone);
        TRITONPY_CHECK(front.consumed_bytes == written.size());
        if (count == 16) {
            break;  // scanning from the front each time is quadratic
        }
    }
    TRITONPY_CHECK(count <= scan.element_count);
    TRITONPY_CHECK(written.empty() || std::memcmp(written.data(), data, written.size()) == 0);
    return 0;
}
