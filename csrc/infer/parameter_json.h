// Custom parameters as the text of one flat JSON object, for those who hand them on as text.
//
// Values are true or false, integers, numbers with a fraction, and strings; what is nested or null
// is no parameter. Text that is not UTF-8 is written as it is.
//
// Threads: compatible; pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "infer/parameter.h"

namespace tritonpy {

// Appends `{"name":value,...}`, or nothing when there are no parameters.
void append_parameters_json(const std::vector<Parameter>& parameters, std::string& out);

// The parameters of such a text; "" has none. An integer is int64_t, or uint64_t when it needs to
// be. invalid_arg when the text is none, or has more than limits::kMaxParameters.
Result<std::vector<Parameter>> parse_parameters_json(std::string_view text);

}  // namespace tritonpy
