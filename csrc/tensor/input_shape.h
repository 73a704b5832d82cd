// What is demanded of the shape of an input before it is believed: by the decoders, before they
// reserve memory for it, and by the request check, for what no decoder has seen.
//
// Threads: compatible; pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/status.h"
#include "tensor/data_type.h"

namespace tritonpy {

// OK when no dimension is negative, the element count fits int64, the byte size fits size_t and
// the rank is at most limits::kMaxRank; else invalid_arg with Triton's text, naming the input.
Status check_input_shape(std::string_view input_name, DataType type,
                         std::span<const int64_t> dims);

}  // namespace tritonpy
