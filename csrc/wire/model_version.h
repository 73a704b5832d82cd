// The version string of a request: "", "3" as a number, or a label such as "canary".
//
// Threads: compatible; a pure functions.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace tritonpy {

// -1 (the newest ready version) for "". invalid_arg, with Triton's two texts, for what is not an
// integer greater than 0.
Result<int64_t> parse_model_version(std::string_view text);

// Whether it is a word that a rollout may give a version: a letter or `_`, then letters, digits,
// `_`, `.` and `-`, at most limits::kMaxVersionLabel of them. Never an integer.
bool is_version_label(std::string_view text);

}  // namespace tritonpy
