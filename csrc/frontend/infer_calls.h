// The inferences that one io thread has in the core, and the way their responses come back to it.
//
// Whoever submits gets a handle and hears of each response on the io thread. When its client goes,
// it cancels: the core is told, and the responses that still come are dropped here, so that
// connections and streams can be freed at once while their requests still run.
//
// Instances are woken at the end of the turn in which requests were submitted, so that what many
// sockets brought runs as one batch. One that sleeps, and whose model runs elsewhere, the io thread
// drives itself.
//
// Threads: deliver is thread-safe; everything else is confined(io).
// Owns: calls until their final response. Borrows: the server, which has answered everything before
// it is freed.
// Invariants: 1. a receiver hears of every response of its call until the final one or cancel;
//             2. nothing is handed to a receiver inside submit: responses come in later turns.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/gate.h"
#include "frontend/driven_instances.h"
#include "frontend/event_loop.h"
#include "infer/response.h"
#include "queue/inbox.h"
#include "server/inference_server.h"

namespace tritonpy {

// Whom the responses of a call are for.
// Threads: confined(io).
class ResponseReceiver {
  public:
    virtual ~ResponseReceiver() = default;
    // `response->final`: the call is over, its handle is no longer valid. May free the receiver.
    virtual void on_response(std::unique_ptr<InferenceResponse> response) = 0;
};

// One inference in the core; a handle for its submitter.
class InferCall {
  private:
    friend class InferCalls;
    ResponseReceiver* receiver_ = nullptr;  // null once cancelled
    std::shared_ptr<Cancellation> cancellation_;
};

class InferCalls final : public ResponseSink, public LoopSource, public TurnEnd {
  public:
    InferCalls(EventLoop& loop, InferenceServer& server);
    // REQUIRES: every call was answered (close_and_wait).
    ~InferCalls() override;

    // Sets sink, tag and cancellation, and hands the request to the core. Errors as
    // InferenceServer::infer; then the request is gone.
    Result<InferCall*> submit(std::unique_ptr<InferenceRequest> request,
                              ResponseReceiver& receiver);
    // The receiver hears no more, the core is told. REQUIRES: the final response was not received
    // yet.
    void cancel(InferCall& call);
    // Only tells the core: for a receiver that wants to know when the core has let go of the
    // request. REQUIRES as cancel.
    void ask_to_stop(InferCall& call);

    InferenceServer& server() { return server_; }

    // Leaves the instances that this thread drives to theirs. REQUIRES: the loop has ended; comes
    // before anybody waits for answers, for another thread's requests may be in those batches.
    void hand_back_all();
    // Refuses new calls and waits until the core has answered those it has; call it when the loop
    // has ended, then drain once more. Blocks; thread-safe.
    void close_and_wait();

    void deliver(std::unique_ptr<InferenceResponse> response) override;
    bool drain() override;
    bool arm() override;
    void on_turn_end() override;

  private:
    void give_back(std::unique_ptr<InferCall> call);

    EventLoop& loop_;
    InferenceServer& server_;
    DrivenInstances driven_;
    DeferredWakes wakes_;  // of models that got requests in this turn
    size_t unwoken_ = 0;   // those requests
    Gate in_flight_;
    Inbox<std::unique_ptr<InferenceResponse>> delivered_;
    std::vector<std::unique_ptr<InferenceResponse>> taken_;
    std::vector<std::unique_ptr<InferCall>> free_;  // kept for reuse
};

}  // namespace tritonpy
