// Where responses wait for the Python thread that submitted their requests.
//
// Instance threads deliver without the GIL, into an inbox whose wake-up an asyncio loop (or a
// blocking reader) watches; one drain takes everything that has come. So a burst of completions
// costs one wake-up.
//
// A request may have any number of responses. A model that makes them faster than its client reads
// would fill the memory, and a model cannot be made to wait for one client while it answers others:
// so beyond the bound the request is cut off. It is cancelled, Python gets one last response that
// says why, and what the model still sends is dropped.
//
// Threads: deliver is thread-safe; everything else is confined(python).
// Owns: delivered responses until drained; the wake-up. Shares: the server, because responses
// borrow from its memory pool.
// Invariants: 1. drain gives every submitted request exactly one final response, and nothing after
//                it;
//             2. the destructor waits for every request that was submitted to this queue; Python's
//                deleter (CloseWithoutGil) does that waiting without the GIL.
// Limits: what Python has not let go of: limits::kMaxHeldPerConnection bytes of one request, and
// limits::kMaxHeld of all; of each request one response always fits.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/gate.h"
#include "frontend/held_bytes.h"
#include "infer/response.h"
#include "queue/inbox.h"
#include "queue/wakeup.h"
#include "server/inference_server.h"
#include "wire/header_pattern.h"

namespace tritonpy {

// A request in a CompletionQueue, as long as anybody speaks of it or holds a response of it.
// Threads: `cancellation` is thread-safe, what is private belongs to the queue, the rest is
// immutable.
struct CompletionCall : std::enable_shared_from_this<CompletionCall> {
    std::string request_id;
    bool decoupled = false;            // the model may answer any number of times
    bool wants_empty_final = false;    // also an end that brings nothing is to be told
    std::shared_ptr<Cancellation> cancellation = std::make_shared<Cancellation>();

    // What the responses of the request carry. No other call has it while this one lives.
    uint64_t tag() const;

  private:
    friend class CompletionQueue;
    friend class CompletionShare;
    std::shared_ptr<CompletionCall> in_core_;       // itself, until the core is done with it
    std::shared_ptr<HeldBytes> held_by_all_;        // of the queue, which may go first
    std::atomic<size_t> held_{0};                   // relaxed: a count, which orders nothing
    std::atomic<bool> cut_off_{false};              // relaxed: the inbox orders what it is about
};

// What one response has in the counts, given back when it goes.
class CompletionShare {
  public:
    CompletionShare(CompletionCall& call, size_t size);
    CompletionShare(CompletionShare&& other) noexcept = default;  // leaves it without a call
    CompletionShare& operator=(CompletionShare&& other) = delete;
    ~CompletionShare();
    // Whether everything was within its bounds with it.
    bool fits() const { return fits_; }

  private:
    std::shared_ptr<CompletionCall> call_;
    size_t size_;
    bool counted_by_all_;
    bool fits_;
};

// A delivered response.
struct Completion {
    std::shared_ptr<CompletionCall> call;
    CompletionShare share;
    std::unique_ptr<InferenceResponse> response;
};

class CompletionQueue final : public ResponseSink {
  public:
    // `forwarded`: which headers of clients become parameters; null: none.
    explicit CompletionQueue(std::shared_ptr<InferenceServer> server,
                             std::shared_ptr<const HeaderPattern> forwarded = nullptr);
    ~CompletionQueue() override;

    void deliver(std::unique_ptr<InferenceResponse> response) override;

    // Queues the request in the core, to be answered here under the call's tag. unavailable after
    // close; otherwise as InferenceServer::infer. REQUIRES: the call was never submitted.
    Status submit(std::unique_ptr<InferenceRequest> request, CompletionCall& call);

    // What has been delivered since the last call; the descriptor is then quiet until more comes.
    // Does not block.
    std::vector<Completion> drain();

    // Refuses new requests and blocks until all submitted ones were delivered. Takes no GIL.
    void close();

    int event_descriptor() const { return wakeup_.descriptor(); }
    const std::shared_ptr<InferenceServer>& server() const { return server_; }
    const HeaderPattern* forwarded_headers() const { return forwarded_.get(); }

  private:
    void cut_off(const std::shared_ptr<CompletionCall>& call, const InferenceResponse& too_much);

    std::shared_ptr<InferenceServer> server_;
    const std::shared_ptr<const HeaderPattern> forwarded_;  // shared, as it is made
    Gate in_flight_;
    std::shared_ptr<HeldBytes> held_ = std::make_shared<HeldBytes>();
    Wakeup wakeup_;
    Inbox<Completion> delivered_;
};

// Frees a queue from Python: waits without the GIL, then lets go of Python's buffers with it.
struct CloseWithoutGil {
    void operator()(CompletionQueue* queue) const;
};

}  // namespace tritonpy
