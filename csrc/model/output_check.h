// Whether an executor has kept its word, before its outputs are cut up: journey step 11.
//
// Every output that a request of the batch wants must be there, with the configured type; where
// the config says `reshape`, the shape is brought back to what clients see. Outputs that the
// config does not name are left out. (First dimensions, byte sizes and all that has a scatter
// source are checked where outputs are scattered.) An executor that answers requests itself is
// checked response by response.
//
// Threads: immutable; a pure function of its arguments.
#pragma once

#include <vector>

#include "base/status.h"
#include "infer/batch.h"
#include "infer/model_identity.h"
#include "infer/request.h"
#include "tensor/tensor.h"

namespace tritonpy {

// Leaves batch.outputs with client shapes. internal, naming the model and the output, when one is
// missing, has another type, or a shape that its `reshape` cannot come from.
Status check_outputs(const ModelIdentity& model, Batch& batch);

// The outputs of one response that an executor made for one request: leaves out what the request
// did not ask for (one that it asked for may be missing) and brings shapes back to what clients
// see. internal, naming the model and the output, when the config does not name one, or it is there
// twice, or its type, its rank, a fixed dimension or its bytes are not what they must be.
Status check_response(const ModelIdentity& model, const InferenceRequest& request,
                      std::vector<Tensor>& outputs);

}  // namespace tritonpy
