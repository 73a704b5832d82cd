// Whether a model can run a request: journey step 6, and the last word before the queue.
//
// Everything that a client can get wrong about names, types, shapes and sizes ends here, with the
// text that Triton's clients know. What passes is in the form that the scheduler and the executor
// want: inputs in config order, shapes as the backend sees them, rows counted.
//
// Threads: immutable; pure functions of their arguments.
// Invariants: 1. a refused request is unchanged but for the order of its inputs;
//             2. an accepted request's fixed-size inputs hold exactly the bytes of their shape,
//                and its BYTES inputs exactly the elements.
#pragma once

#include "base/status.h"
#include "infer/model_identity.h"
#include "infer/request.h"

namespace tritonpy {

// On success sorts the inputs into config order, applies `reshape`, marks the ragged ones and sets
// `rows` (the first dimension, which may be 0; 1 for models without batch dimension). Otherwise
// invalid_arg. With `may_be_large` it may have more rows than the model takes at once.
Status check_request(const ModelIdentity& model, InferenceRequest& request,
                     bool may_be_large = false);

// Undoes the `reshape` of check_request, for a request that goes back to its caller because the
// queue refused it; it then passes the check again. REQUIRES: check_request accepted the request.
void restore_client_shapes(const ModelIdentity& model, InferenceRequest& request);

}  // namespace tritonpy
