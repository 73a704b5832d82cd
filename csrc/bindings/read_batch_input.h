// The batch inputs of a model configuration as the core's plain structs.
//
// Threads: confined(python): the caller holds the GIL.
#pragma once

#include <pybind11/pybind11.h>

#include <vector>

#include "infer/batch_input.h"

namespace tritonpy {

// Reads tritonpy.config's BatchInputSpecs. Throws Python's error for a missing attribute or one of
// another type, ValueError for an unknown kind or data type.
std::vector<BatchInputSpec> read_batch_inputs(pybind11::handle batch_inputs);

}  // namespace tritonpy
