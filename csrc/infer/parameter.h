// A named value that travels with a request, a response or one of their tensors.
//
// Threads: compatible. A value.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

namespace tritonpy {

using ParameterValue = std::variant<bool, int64_t, uint64_t, double, std::string>;

struct Parameter {
    std::string name;
    ParameterValue value;

    friend bool operator==(const Parameter&, const Parameter&) = default;
};

}  // namespace tritonpy
