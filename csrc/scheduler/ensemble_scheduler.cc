#include "scheduler/ensemble_scheduler.h"

#include <utility>

#include "scheduler/refusals.h"

namespace tritonpy {

EnsembleScheduler::EnsembleScheduler(EnsembleConfig config, const ModelIdentity& identity,
                                     InferenceDoor& door, EnsembleOutlet& outlet)
    : graph_(make_ensemble_graph(std::move(config), identity.inputs, identity.outputs,
                                 identity.max_batch_size > 0)),
      whole_demand_(demand_of(graph_, {})),
      slots_(graph_.steps.size(), graph_.config.max_inflight_requests),
      parts_{identity, graph_, whole_demand_, door, outlet, slots_} {}

Status EnsembleScheduler::admit(std::unique_ptr<InferenceRequest>& request, int64_t now_ns,
                                bool& wake_due) {
    if (stopped_.load(std::memory_order_relaxed)) {
        return scheduler_stopping(*request);
    }
    wake_due = false;
    RequestTrace& trace = request->trace;
    trace.queue_start_ns = now_ns;
    trace.compute_start_ns = now_ns;  // it never waits here
    trace.compute_input_end_ns = now_ns;
    trace.compute_output_start_ns = now_ns;
    trace.compute_end_ns = now_ns;
    EnsembleRun::start(parts_, std::move(request));
    return Status();
}

}  // namespace tritonpy
