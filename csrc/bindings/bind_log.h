// The core's log for Python, so that both halves of the server write the same lines.
//
// Threads: confined(python).
#pragma once

#include <pybind11/pybind11.h>

namespace tritonpy {

void bind_log(pybind11::module_& module);

}  // namespace tritonpy
