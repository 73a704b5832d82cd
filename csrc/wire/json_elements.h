// Converts tensor data that came as JSON into the bytes of a tensor.
//
// The data may be flat or nested at will: brackets are skipped, scalars are taken in document order
// (row-major). Elements are strict, as in Triton: a BOOL is true or false, an unsigned integer a
// JSON integer that is not negative, a signed one a JSON integer, FP32 and FP64 any number with NaN
// and Infinity, BYTES a string. Integers too large for a narrow type are cut, as Triton does.
//
// Threads: compatible; pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "base/status.h"
#include "tensor/data_type.h"
#include "wire/json_reader.h"

namespace tritonpy {

// Bytes that `elements` take as `type`. REQUIRES: type is neither kInvalid, kFp16 nor kBf16.
size_t elements_byte_size(DataType type, const JsonElements& elements);

// Writes all elements to `out`. internal, with Triton's text, at the first element that is not of
// the type; then `out` is partly written.
// REQUIRES: as above, and out.size() == elements_byte_size(type, elements).
Status convert_elements(DataType type, const JsonElements& elements, std::span<std::byte> out);

}  // namespace tritonpy
