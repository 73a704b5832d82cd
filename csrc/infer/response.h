// One response, and the interface through which it goes back to the front end.
//
// A unary request gets exactly one response with `final` set, whether it succeeded or not; it
// carries the request home. Outputs borrow rows of the batch's output buffers: no copy.
//
// Threads: confined to whoever holds the unique_ptr.
// Owns: the request (final response only), references on its output buffers.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "infer/model_identity.h"
#include "infer/parameter.h"
#include "infer/request.h"
#include "tensor/tensor.h"

namespace tritonpy {

struct InferenceResponse {
    Status status;
    // Which model answered. Shared: it may be unloaded before the response is encoded.
    std::shared_ptr<const ModelIdentity> model;
    std::vector<Tensor> outputs;        // client shapes; empty when status is not OK
    SharedParameters parameters;
    bool final = true;
    uint64_t tag = 0;  // of the request, also in responses before the final one
    std::unique_ptr<InferenceRequest> request;  // set exactly when final
};

// Where responses go; implemented by front ends, and by ensembles, which may then ask for more.
// Threads: thread-safe; deliver is called on instance threads, without locks.
class ResponseSink {
  public:
    virtual ~ResponseSink() = default;
    // Takes the response. Must not block or throw; of the core it may call infer alone.
    virtual void deliver(std::unique_ptr<InferenceResponse> response) = 0;
};

}  // namespace tritonpy
