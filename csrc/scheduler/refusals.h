// What a scheduler says to a request that it does not take.
//
// Threads: compatible; functions only.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "infer/request.h"

namespace tritonpy {

inline Status queue_full(const InferenceRequest& request) {
    return unavailable(request_prefix(request) + "Exceeds maximum queue size");
}

// Whether the request leaves the model less than its latency objective.
inline bool has_shorter_timeout(const InferenceRequest& request, int64_t objective_us) {
    return request.timeout_us != 0 && request.timeout_us < static_cast<uint64_t>(objective_us);
}

inline Status scheduler_stopping(const InferenceRequest& request) {
    return unavailable(request_prefix(request) +
                       "Server is stopping, scheduler for model has stopped accepting new "
                       "inference requests");
}

// Of a model with a latency objective, to what cannot be answered within the objective, or within
// the request's own timeout where that is shorter.
inline Status too_late(const InferenceRequest& request, int64_t objective_us) {
    const bool has_own = has_shorter_timeout(request, objective_us);
    const std::string time_us =
        std::to_string(has_own ? request.timeout_us : static_cast<uint64_t>(objective_us));
    return unavailable(request_prefix(request) + "Cannot be answered within " + time_us +
                       " microseconds, " +
                       (has_own ? "its timeout" : "the latency objective of the model"));
}

}  // namespace tritonpy
