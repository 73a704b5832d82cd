// How a model asks the server that it runs in for inference by another model.
//
// Declared here and implemented by the server, because calls go against the arrows otherwise.
//
// Threads: thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "infer/model_identity.h"
#include "infer/request.h"

namespace tritonpy {

class InferenceDoor {
  public:
    virtual ~InferenceDoor() = default;
    // As InferenceServer::infer: takes the request and answers it through its sink, or leaves it
    // with the caller and says why. Does not block.
    virtual Status infer(std::unique_ptr<InferenceRequest>& request) = 0;
    // The model that a request for this version (-1: the newest) would go to.
    virtual Result<std::shared_ptr<const ModelIdentity>> model_identity(
        std::string_view name, int64_t version) const = 0;
    // The version that a rollout of the model gives this label; invalid_arg where none does.
    virtual Result<int64_t> labelled_version(std::string_view name,
                                             std::string_view label) const = 0;
};

}  // namespace tritonpy
