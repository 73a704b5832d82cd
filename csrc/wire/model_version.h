// The version string of a request ("", "3") as a number.
//
// Threads: compatible; a pure function.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace tritonpy {

// -1 (the newest ready version) for "". invalid_arg, with Triton's two texts, for what is not an
// integer greater than 0.
Result<int64_t> parse_model_version(std::string_view text);

}  // namespace tritonpy
