// The warm-up samples of a model configuration as the core's plain structs.
//
// Threads: confined(python): the caller holds the GIL.
#pragma once

#include <pybind11/pybind11.h>

#include <vector>

#include "model/warmup.h"

namespace tritonpy {

// Reads tritonpy.config's WarmupSamples. Throws Python's error for a missing attribute or one of
// another type, ValueError for an unknown data type.
std::vector<WarmupSample> read_warmup(pybind11::handle samples);

}  // namespace tritonpy
