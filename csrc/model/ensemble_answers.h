// The last part of an ensemble's answers: journey step 11 for models without instances.
//
// What a composing model gave was checked by that model, so nothing is checked here; responses are
// stamped as this model's, counted and delivered.
//
// Threads: thread-safe; one call at a time for one request. Borrows: what its model owns.
// Invariants: 1. a request counts in the statistics before its last response is handed over, and
//                is in flight until after that.
#pragma once

#include <memory>

#include "base/clock.h"
#include "infer/model_identity.h"
#include "model/in_flight_count.h"
#include "model/model_stats.h"
#include "scheduler/ensemble_run.h"

namespace tritonpy {

class EnsembleAnswers final : public EnsembleOutlet {
  public:
    // Loader only: takes a statistics cell.
    EnsembleAnswers(const std::shared_ptr<const ModelIdentity>& identity, ModelStats& stats,
                    InFlightCount& in_flight, const Clock& clock)
        : identity_(identity),
          stats_(stats),
          cell_(stats.add_cell()),
          in_flight_(in_flight),
          clock_(clock) {}

    void respond(const InferenceRequest& request,
                 std::unique_ptr<InferenceResponse> response) override;
    void finish(std::unique_ptr<InferenceRequest> request,
                std::unique_ptr<InferenceResponse> response) override;

  private:
    const std::shared_ptr<const ModelIdentity>& identity_;
    ModelStats& stats_;
    ModelStats::Cell& cell_;
    InFlightCount& in_flight_;
    const Clock& clock_;
};

}  // namespace tritonpy
