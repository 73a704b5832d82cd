// Reads the limits that the command line sets: the C++ side of options.settings.LimitOptions.
#pragma once

#include <pybind11/pybind11.h>

#include "server/inference_server.h"

namespace tritonpy {

// Fills in what models may take of the machine. REQUIRES: the GIL; `limits` has the attributes that
// tritonpy.options.LimitOptions has.
void read_limits(pybind11::handle limits, ServerOptions& options);

}  // namespace tritonpy
