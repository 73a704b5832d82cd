// Where responses wait for the Python thread that submitted their requests.
//
// Instance threads deliver without the GIL, into an inbox whose wake-up an asyncio loop (or a
// blocking reader) watches; one drain takes everything that has come. So a burst of completions
// costs one wake-up.
//
// Threads: deliver is thread-safe; everything else is confined(python).
// Owns: delivered responses until drained; the wake-up. Shares: the server, because responses
// borrow from its memory pool.
// Invariants: the destructor waits for every request that was submitted to this queue; Python's
//             deleter (CloseWithoutGil) does that waiting without the GIL.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/gate.h"
#include "infer/response.h"
#include "queue/inbox.h"
#include "queue/wakeup.h"
#include "server/inference_server.h"

namespace tritonpy {

class CompletionQueue final : public ResponseSink {
  public:
    explicit CompletionQueue(std::shared_ptr<InferenceServer> server);
    ~CompletionQueue() override;

    void deliver(std::unique_ptr<InferenceResponse> response) override;

    // Queues the request in the core, to be answered here under the tag that this returns.
    // unavailable after close; otherwise as InferenceServer::infer.
    Result<uint64_t> submit(std::unique_ptr<InferenceRequest> request);

    // What has been delivered since the last call; the descriptor is then quiet until more comes.
    // Does not block.
    std::vector<std::unique_ptr<InferenceResponse>> drain();

    // Refuses new requests and blocks until all submitted ones were delivered. Takes no GIL.
    void close();

    int event_descriptor() const { return wakeup_.descriptor(); }
    const std::shared_ptr<InferenceServer>& server() const { return server_; }

  private:
    std::shared_ptr<InferenceServer> server_;
    Gate in_flight_;
    uint64_t last_tag_ = 0;
    Wakeup wakeup_;
    Inbox<std::unique_ptr<InferenceResponse>> delivered_;
};

// Frees a queue from Python: waits without the GIL, then lets go of Python's buffers with it.
struct CloseWithoutGil {
    void operator()(CompletionQueue* queue) const;
};

}  // namespace tritonpy
