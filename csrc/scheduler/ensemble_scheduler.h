// Takes the requests of an ensemble and sends each on its way through the composing models.
//
// Nothing is queued here and nobody pulls: a request's first steps are begun by the thread that
// brought it, in the queues of other models, and the rest by the threads that bring the answers
// (ensemble_run.h).
//
// Threads: thread-safe. Owns: the graph. Borrows: identity, door and outlet.
// Limits: none of its own; each step is bounded by the queue of its model.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "scheduler/ensemble_graph.h"
#include "scheduler/ensemble_run.h"
#include "scheduler/request_intake.h"
#include "scheduler/step_slots.h"

namespace tritonpy {

class EnsembleScheduler final : public RequestIntake {
  public:
    // What is borrowed outlives every request taken. REQUIRES: as make_ensemble_graph.
    EnsembleScheduler(EnsembleConfig config, const ModelIdentity& identity, InferenceDoor& door,
                      EnsembleOutlet& outlet);

    // Begins the request's first steps; it may be answered before this returns. unavailable when
    // stopped.
    Status admit(std::unique_ptr<InferenceRequest>& request, int64_t now_ns,
                 bool& wake_due) override;
    void wake() override {}
    void stop() override { stopped_.store(true, std::memory_order_relaxed); }
    size_t queued() const override { return 0; }

  private:
    const EnsembleGraph graph_;
    const EnsembleDemand whole_demand_;
    StepSlots slots_;
    const EnsembleParts parts_;
    std::atomic<bool> stopped_{false};  // relaxed: the model's gate is what refuses exactly
};

}  // namespace tritonpy
