// Answers for requests that left the queue without running.
//
// Threads: thread-safe; functions only.
#pragma once

#include <memory>
#include <vector>

#include "base/clock.h"
#include "infer/model_identity.h"
#include "infer/response.h"
#include "model/in_flight_count.h"
#include "model/model_stats.h"
#include "scheduler/scheduler.h"

namespace tritonpy {

// A final response of the model, without outputs, that takes the request home.
std::unique_ptr<InferenceResponse> final_response(
    const std::shared_ptr<const ModelIdentity>& model, std::unique_ptr<InferenceRequest> request);

// What the answers pass through; borrowed.
struct DropContext {
    const std::shared_ptr<const ModelIdentity>& identity;
    Scheduler& scheduler;
    ModelStats& stats;
    InFlightCount& in_flight;
    const Clock& clock;
};

// Counts each request as a failure, rejected or cancelled, answers it with its status, and empties
// `dropped`.
void answer_dropped(std::vector<DroppedRequest>& dropped, const DropContext& context);

}  // namespace tritonpy
