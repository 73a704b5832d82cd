// The steps of an ensemble, from `tritonpy.config.lower_ensemble` to the core's struct.
//
// Threads: confined(python), with the GIL.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>

#include "scheduler/ensemble_graph.h"

namespace tritonpy {

// Nothing for None, which every other model has. Throws what pybind11 does for a wrong type.
std::optional<EnsembleConfig> read_ensemble(pybind11::handle ensemble);

}  // namespace tritonpy
