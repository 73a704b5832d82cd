// A request that is made on behalf of another: a step of an ensemble, a part of what is too large.
//
// Threads: compatible; a function only.
#pragma once

#include <memory>

#include "infer/request.h"

namespace tritonpy {

// A request with all that says for whom and how `from` is run: id, parameters, headers, priority,
// timeout, sequence and cancellation. Model, tensors, outputs and sink are the caller's to fill in.
inline std::unique_ptr<InferenceRequest> derived_request(const InferenceRequest& from) {
    auto request = std::make_unique<InferenceRequest>();
    request->id = from.id;
    request->parameters = from.parameters;
    request->headers = from.headers;
    request->priority = from.priority;
    request->timeout_us = from.timeout_us;
    request->correlation_id = from.correlation_id;
    request->flags = from.flags;
    request->cancellation = from.cancellation;
    return request;
}

}  // namespace tritonpy
