// Numbers in a model's parameters, which its configuration holds as text.
//
// Threads: thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"

namespace tritonpy {

// The parameter `name`, or `fallback` when there is none. invalid_arg `failed to convert '<text>'
// to integral number` when its text is no such number or does not fit.
Result<int> int_parameter(const std::map<std::string, std::string>& parameters,
                          const std::string& name, int fallback);

// As int_parameter; `failed to convert '<text>' to unsigned long long integral number`.
Result<uint64_t> uint64_parameter(const std::map<std::string, std::string>& parameters,
                                  const std::string& name, uint64_t fallback);

}  // namespace tritonpy
