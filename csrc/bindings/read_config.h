// The control plane's model configuration (a Python dataclass) as the core's plain struct.
//
// Threads: confined(python): the caller holds the GIL.
#pragma once

#include <pybind11/pybind11.h>

#include <vector>

#include "model/model_config.h"
#include "tensor/tensor_spec.h"

namespace tritonpy {

// Reads the attributes of tritonpy.config's CoreModelConfig. Throws Python's error when one is
// missing or of another type, and ValueError for an unknown data type.
ModelConfig read_model_config(pybind11::handle config);

// Inputs or outputs: tritonpy.config's TensorSpecs. Throws as read_model_config.
std::vector<TensorSpec> read_tensors(pybind11::handle tensors);

}  // namespace tritonpy
