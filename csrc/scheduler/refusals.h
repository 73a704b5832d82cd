// What a scheduler says to a request that it does not take.
//
// Threads: compatible; functions only.
#pragma once

#include "base/status.h"
#include "infer/request.h"

namespace tritonpy {

inline Status queue_full(const InferenceRequest& request) {
    return unavailable(request_prefix(request) + "Exceeds maximum queue size");
}

inline Status scheduler_stopping(const InferenceRequest& request) {
    return unavailable(request_prefix(request) +
                       "Server is stopping, scheduler for model has stopped accepting new "
                       "inference requests");
}

}  // namespace tritonpy
