// BYTES tensors in the V2 serialisation: each element is a 4-byte little-endian length, then bytes.
//
// The bytes come from the network, so every length is checked before it is used: whoever takes
// bytes in scans them once, and from then on they are walked without checks.
//
// Threads: compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace tritonpy {

// What was wrong with a serialised BYTES tensor, for the caller to word with its tensor and model.
enum class BytesFault : uint8_t {
    kNone,              // also when there are fewer elements than asked for
    kTruncatedLength,   // fewer than 4 bytes left where a length should be
    kTruncatedElement,  // the length runs past the end
};

struct BytesScan {
    BytesFault fault = BytesFault::kNone;
    int64_t element_count = 0;   // whole elements before the end or the fault
    size_t consumed_bytes = 0;   // bytes of those elements
};

inline constexpr size_t kBytesLengthSize = 4;

// Counts elements from the front: at most `max_elements` (-1: all). Never reads past `data`.
BytesScan scan_bytes(std::span<const std::byte> data, int64_t max_elements = -1);

// Walks the elements of a serialisation that scan_bytes found whole.
class BytesReader {
  public:
    explicit BytesReader(std::span<const std::byte> data) : rest_(data) {}
    bool at_end() const { return rest_.empty(); }
    // REQUIRES: !at_end() and a whole serialisation.
    std::string_view next();

  private:
    std::span<const std::byte> rest_;
};

// Appends one element to a serialisation. REQUIRES: element.size() fits 32 bits.
void append_bytes_element(std::vector<std::byte>& out, std::string_view element);
// Writes one element at `out` and returns the position after it. REQUIRES: room for
// kBytesLengthSize + element.size() bytes; element.size() fits 32 bits.
std::byte* write_bytes_element(std::byte* out, std::string_view element);

}  // namespace tritonpy
