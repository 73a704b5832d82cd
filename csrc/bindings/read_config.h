// The control plane's model configuration (a Python dataclass) as the core's plain struct.
//
// Threads: confined(python): the caller holds the GIL.
#pragma once

#include <pybind11/pybind11.h>

#include "model/model_config.h"

namespace tritonpy {

// Reads the attributes of tritonpy.config's CoreModelConfig. Throws Python's error when one is
// missing or of another type, and ValueError for an unknown data type.
ModelConfig read_model_config(pybind11::handle config);

}  // namespace tritonpy
