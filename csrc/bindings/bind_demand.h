// Models on demand in Python: the control plane offers them, loads them when they are wanted, and
// takes them out.
#pragma once

#include <pybind11/pybind11.h>

namespace tritonpy {

// REQUIRES: bind_server was called.
void bind_demand(pybind11::module_& module);

}  // namespace tritonpy
