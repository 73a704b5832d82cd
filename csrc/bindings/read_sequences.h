// Reads the `sequences` of a lowered model configuration.
//
// Threads: confined(python): holds the GIL.
#pragma once

#include <pybind11/pybind11.h>

#include "model/model_config.h"

namespace tritonpy {

// Fills in model.sequences and what of them the executor must know, from a SequenceBatchingSpec;
// None: nothing. Throws what pybind11 throws when an attribute is missing or of another type.
void read_sequences(pybind11::handle sequences, ModelConfig& model);

}  // namespace tritonpy
