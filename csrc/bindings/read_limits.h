// Reads what limits models: what the command line sets, and what their configs say that they need.
#pragma once

#include <pybind11/pybind11.h>

#include <vector>

#include "server/inference_server.h"

namespace tritonpy {

// What the instances that are scheduled need while they run. REQUIRES: the GIL; `instances` are
// InstanceSpecs of tritonpy.config.
std::vector<InstanceNeeds> read_instance_needs(pybind11::handle instances);

// Fills in what models may take of the machine. REQUIRES: the GIL; `limits` has the attributes that
// tritonpy.options.LimitOptions has.
void read_limits(pybind11::handle limits, ServerOptions& options);

}  // namespace tritonpy
