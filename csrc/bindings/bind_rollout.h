// Rollouts in Python: what the control plane puts in force, and what it reads of them.
#pragma once

#include <pybind11/pybind11.h>

namespace tritonpy {

// REQUIRES: bind_server was called.
void bind_rollout(pybind11::module_& module);

}  // namespace tritonpy
