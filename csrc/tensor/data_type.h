// The element types of the V2 protocol, their sizes and their names on the wire and in config.
//
// Threads: immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tritonpy {

// Values are those of Triton's model configuration (`TYPE_BOOL` = 1, ...).
enum class DataType : uint8_t {
    kInvalid = 0,
    kBool = 1,
    kUint8 = 2,
    kUint16 = 3,
    kUint32 = 4,
    kUint64 = 5,
    kInt8 = 6,
    kInt16 = 7,
    kInt32 = 8,
    kInt64 = 9,
    kFp16 = 10,
    kFp32 = 11,
    kFp64 = 12,
    kBytes = 13,
    kBf16 = 14,
};

// Bytes of one element; 0 for kBytes (each element is a 4-byte little-endian length and its bytes)
// and for kInvalid.
size_t size_of(DataType type);

// "FP32", "BYTES", ...; "<invalid>" for kInvalid.
std::string_view wire_name(DataType type);
// "TYPE_FP32", "TYPE_STRING", ...; "TYPE_INVALID" for kInvalid.
std::string_view config_name(DataType type);

// The type of a wire name, exact case; nothing when it is none.
std::optional<DataType> data_type_of(std::string_view wire_name);

}  // namespace tritonpy
