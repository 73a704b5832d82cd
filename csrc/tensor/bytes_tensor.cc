#include "tensor/bytes_tensor.h"

#include <bit>
#include <cstring>

namespace tritonpy {

namespace {

static_assert(std::endian::native == std::endian::little, "lengths are little-endian on the wire");

// REQUIRES: kBytesLengthSize readable bytes at `at`.
size_t read_length(const std::byte* at) {
    uint32_t length = 0;
    std::memcpy(&length, at, kBytesLengthSize);
    return length;
}

}  // namespace

BytesScan scan_bytes(std::span<const std::byte> data, int64_t max_elements) {
    BytesScan scan;
    while (scan.consumed_bytes < data.size() && scan.element_count != max_elements) {
        size_t left = data.size() - scan.consumed_bytes;
        if (left < kBytesLengthSize) {
            scan.fault = BytesFault::kTruncatedLength;
            break;
        }
        size_t length = read_length(data.data() + scan.consumed_bytes);
        if (length > left - kBytesLengthSize) {
            scan.fault = BytesFault::kTruncatedElement;
            break;
        }
        scan.consumed_bytes += kBytesLengthSize + length;
        ++scan.element_count;
    }
    return scan;
}

std::string_view BytesReader::next() {
    size_t length = read_length(rest_.data());
    std::string_view element(reinterpret_cast<const char*>(rest_.data()) + kBytesLengthSize,
                             length);
    rest_ = rest_.subspan(kBytesLengthSize + length);
    return element;
}

void append_bytes_element(std::vector<std::byte>& out, std::string_view element) {
    size_t before = out.size();
    out.resize(before + kBytesLengthSize + element.size());
    write_bytes_element(out.data() + before, element);
}

std::byte* write_bytes_element(std::byte* out, std::string_view element) {
    auto length = static_cast<uint32_t>(element.size());
    std::memcpy(out, &length, kBytesLengthSize);
    out += kBytesLengthSize;
    if (!element.empty()) {
        std::memcpy(out, element.data(), element.size());
    }
    return out + element.size();
}

}  // namespace tritonpy
