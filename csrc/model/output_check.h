// Whether an executor has kept its word, before its outputs are cut up: journey step 11.
//
// Every output that a request of the batch wants must be there, with the configured type; where
// the config says `reshape`, the shape is brought back to what clients see. Outputs that the
// config does not name are left out. (First dimensions and byte sizes are checked where outputs
// are scattered.)
//
// Threads: immutable; a pure function of its arguments.
#pragma once

#include "base/status.h"
#include "infer/batch.h"
#include "infer/model_identity.h"

namespace tritonpy {

// Leaves batch.outputs with client shapes. internal, naming the model and the output, when one is
// missing, has another type, or a shape that its `reshape` cannot come from.
Status check_outputs(const ModelIdentity& model, Batch& batch);

}  // namespace tritonpy
