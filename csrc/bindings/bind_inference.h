// Python's way into inference: submit in one of three forms, drain responses, encode them.
//
// Threads: confined(python).
#pragma once

#include <pybind11/pybind11.h>

namespace tritonpy {

void bind_inference(pybind11::module_& module);

}  // namespace tritonpy
