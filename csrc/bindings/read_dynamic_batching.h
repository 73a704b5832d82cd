// The Python control plane's description of a model's queue, as the core takes it.
//
// Threads: confined(python): the caller holds the GIL.
#pragma once

#include <pybind11/pybind11.h>

#include "scheduler/batcher_config.h"

namespace tritonpy {

// From a CoreModelConfig (tritonpy/config/model_config.py). Throws py::error_already_set when an
// attribute is missing or of the wrong type.
BatcherConfig read_batcher(pybind11::handle config);

}  // namespace tritonpy
