// Where an executor that answers requests itself hands its answers: journey step 11 for those.
//
// Each response is checked against the model's configuration, however late it comes and from
// whichever thread; what is wrong with it becomes the response. It goes through the scheduler,
// which may hold it back for its order. The last one counts in the statistics and ends the request.
// A request that its model wants to run again goes back to the scheduler instead.
//
// Threads: thread-safe; one call at a time for one request. Borrows: what an instance does.
// Invariants: 1. a request counts in the statistics before its last response is handed over, and
//                is in flight until after that.
#pragma once

#include <memory>

#include "backend/executor.h"
#include "base/clock.h"
#include "infer/model_identity.h"
#include "model/in_flight_count.h"
#include "model/model_stats.h"
#include "scheduler/scheduler.h"

namespace tritonpy {

class RequestOutlet final : public ResponseOutlet {
  public:
    RequestOutlet(const std::shared_ptr<const ModelIdentity>& identity, Scheduler& scheduler,
                  ModelStats& stats, ModelStats::Cell& cell, InFlightCount& in_flight,
                  const Clock& clock)
        : identity_(identity),
          scheduler_(scheduler),
          stats_(stats),
          cell_(cell),
          in_flight_(in_flight),
          clock_(clock) {}

    void respond(const InferenceRequest& request,
                 std::unique_ptr<InferenceResponse> response) override;
    void reschedule(std::unique_ptr<InferenceRequest> request) override;
    void finish(std::unique_ptr<InferenceRequest> request,
                std::unique_ptr<InferenceResponse> response) override;

  private:
    // Makes the response one of this model to this request.
    void complete(const InferenceRequest& request, InferenceResponse& response) const;

    const std::shared_ptr<const ModelIdentity>& identity_;
    Scheduler& scheduler_;
    ModelStats& stats_;
    ModelStats::Cell& cell_;
    InFlightCount& in_flight_;
    const Clock& clock_;
};

}  // namespace tritonpy
