// The server and its models for the Python control plane: build, publish, statistics, drain.
//
// Threads: confined(python); calls that block release the GIL.
#pragma once

#include <pybind11/pybind11.h>

namespace tritonpy {

void bind_server(pybind11::module_& module);

}  // namespace tritonpy
