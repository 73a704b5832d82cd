// One request on its way through an ensemble: it asks the composing models, is told their answers,
// and answers the client.
//
// Each step is a request of its own, asked for through the door as soon as its inputs exist;
// tensors go from one to the next by reference. An answer arrives on a thread of the model that
// gave it, and that thread starts the next steps. Where several arrive at once, one thread does the
// work of all and the others leave theirs in the inbox: so the state of a run is never shared, no
// lock is held while anybody is called, and an answer that comes while its request is still being
// asked for (a model may answer at once) does not deepen the stack. What is left of recursion is
// the nesting of ensembles, which the control plane bounds.
//
// The client is answered when no step is out any more, also after a failure: steps borrow the
// client's buffers, which must be at home when the request is. Steps share the request's
// cancellation, so that what runs hears of it, and nothing new is begun.
//
// Threads: thread-safe as a sink; everything else is confined to the thread that drives.
// Owns: itself, from start() to the final answer; the request.
// Invariants: 1. the request is finished exactly once, after the last step's final response;
//             2. after the first failure no step is begun.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "infer/inference_door.h"
#include "infer/model_identity.h"
#include "infer/request.h"
#include "infer/response.h"
#include "scheduler/ensemble_graph.h"
#include "scheduler/ensemble_progress.h"
#include "scheduler/step_slots.h"

namespace tritonpy {

// Where the answers of an ensemble go, to be counted and delivered.
// Threads: thread-safe; one call at a time for one request.
class EnsembleOutlet {
  public:
    virtual ~EnsembleOutlet() = default;
    // A response before the request's last.
    virtual void respond(const InferenceRequest& request,
                         std::unique_ptr<InferenceResponse> response) = 0;
    // The last response. Takes the request; the ensemble may be gone when this returns.
    virtual void finish(std::unique_ptr<InferenceRequest> request,
                        std::unique_ptr<InferenceResponse> response) = 0;
};

// What the runs of one ensemble work with. All of it outlives every run.
struct EnsembleParts {
    const ModelIdentity& identity;
    const EnsembleGraph& graph;
    const EnsembleDemand& whole_demand;  // of a request that names no outputs
    InferenceDoor& door;
    EnsembleOutlet& outlet;
    StepSlots& slots;
};

class EnsembleRun final : public ResponseSink {
  public:
    // Takes a request that passed the ensemble's request check, and begins every step that can be.
    // Does not block; the request may be answered before this returns.
    static void start(const EnsembleParts& parts, std::unique_ptr<InferenceRequest> request);

    // Use start().
    EnsembleRun(const EnsembleParts& parts, std::unique_ptr<InferenceRequest> request);

    // Answers of steps.
    void deliver(std::unique_ptr<InferenceResponse> response) override;
    // A slot that a step waited for.
    void granted(EnsembleProgress::Place place);

  private:
    using Place = EnsembleProgress::Place;
    // What happened, and nobody has looked at: an answer, or without one a slot for `place`.
    struct Event {
        std::unique_ptr<InferenceResponse> response;
        Place place;
    };

    void add(Event event);
    void drive();
    bool take_events(std::vector<Event>& events);
    void handle(Event event);
    void handle_answer(InferenceResponse& response, Place place);
    void go_on();
    void respond(uint32_t round);
    void begin(Place place);
    void ask(Place place);
    std::unique_ptr<InferenceRequest> step_request(Place place) const;
    void fail(const Status& status);
    void add_times(const RequestTrace& step);
    void finish();

    const EnsembleParts& parts_;
    std::unique_ptr<InferenceRequest> request_;
    const std::optional<EnsembleDemand> own_demand_;  // of a request that names outputs
    EnsembleProgress progress_;
    Status status_;                                // the first failure
    std::unique_ptr<InferenceResponse> response_;  // of an ensemble that is not decoupled
    size_t open_calls_ = 0;                        // steps that are out, or in line for a slot

    std::mutex mutex_;  // guards what follows
    std::vector<Event> inbox_;
    bool driven_ = true;  // by start() at first
};

}  // namespace tritonpy
