// What stands between infer() and a model's instances: a queue that decides what runs together.
//
// Instances pull: there is no batcher thread. An idle instance asks `try_pull` for a batch as late
// as possible, and the scheduler answers with one, with a time to ask again, or with nothing.
// Schedulers do not know what runs a batch.
//
// Threads: thread-safe; try_pull callers take turns inside.
// Owns: queued requests.
// Invariants: 1. a request is taken if and only if enqueue returns OK;
//             2. every taken request comes out exactly once, in a batch or in `dropped`;
//             3. a batch never has more rows than the model's max_batch_size (a request that alone
//                is larger was refused by the request check).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/status.h"
#include "infer/batch.h"
#include "infer/request.h"
#include "infer/response.h"
#include "scheduler/request_intake.h"

namespace tritonpy {

// Requests that left the queue without running (cancelled, timed out), each to be answered with its
// status.
struct DroppedRequest {
    std::unique_ptr<InferenceRequest> request;
    Status status;
};

struct Pull {
    enum class Kind : uint8_t {
        kBatch,    // `batch` holds at least one request
        kWait,     // ask again at wait_until_ns, or when woken
        kIdle,     // ask again when woken
        kStopped,  // stopped and empty, or the instance was dismissed: never ask again
    };
    Kind kind = Kind::kIdle;
    int64_t wait_until_ns = 0;
};

// Hears of an instance for which there is something new, where instances do not sleep in pull.
// Threads: thread-safe; called with no lock held.
class InstanceBell {
  public:
    virtual ~InstanceBell() = default;
    virtual void ring(size_t instance) = 0;
};

class InstanceSeat;

class Scheduler : public RequestIntake {
  public:
    // The decision at `now_ns` for the instance of that number, counted from 0 over the instances
    // that are scheduled: some schedulers give each its own requests. REQUIRES: `batch` is empty.
    // `dropped` may gain requests with any answer. Does not block beyond another caller's turn.
    virtual Pull try_pull(size_t instance, int64_t now_ns, Batch& batch,
                          std::vector<DroppedRequest>& dropped) = 0;

    // Instance threads: blocks until try_pull would not say kIdle or kWait, and calls it; so the
    // answer is kBatch, kStopped, or kIdle when only `dropped` gained requests. May leave `seat`
    // (null: guests are not welcome) while it sleeps; then the answer may also be a guest's, who
    // pulled into the same `batch`.
    virtual Pull pull(size_t instance, InstanceSeat* seat, Batch& batch,
                      std::vector<DroppedRequest>& dropped) = 0;

    // Whether each instance has requests of its own, which no sibling can run. Where so, `bell`
    // (borrowed) is rung from now on for whoever would be woken in pull; REQUIRES: nobody pulls
    // yet. Elsewhere wake is all there is to hear.
    virtual bool has_lanes() const { return false; }
    virtual void set_bell(InstanceBell& /*bell*/) {}

    // Whether instances may come and go while it runs: those that come have new numbers.
    virtual bool lets_instances_change() const { return false; }
    // An instance of the next number will pull, or be dismissed. REQUIRES: lets_instances_change().
    virtual void engage(size_t /*instance*/) {}
    // The instance hears kStopped, once, at its next pull; what is queued is its siblings'. Where
    // it has requests of its own it runs those first, and more of their sequences until `until_ns`.
    // REQUIRES: lets_instances_change().
    virtual void dismiss(size_t /*instance*/, int64_t /*until_ns*/) {}
    // Whether an instance with requests of its own was dismissed and has none left.
    virtual bool may_leave(size_t /*instance*/) const { return false; }

    // Whether a sequence of this id takes more requests, and how many sequences do. (Iterative ones
    // take none: they are over when their request is answered.)
    virtual bool has_sequence(const CorrelationId& /*id*/) const { return false; }
    virtual size_t open_sequences() const { return 0; }

    // The instance has run what it pulled last and may pull again. It comes once after each batch.
    virtual void executed(size_t /*instance*/) {}

    // Whether queued requests have somebody to look after them while every instance is busy: one
    // thread that calls expire until it says kStopped.
    virtual bool is_watched() const { return false; }
    // Puts what has timed out at `now_ns`, or was cancelled, into `dropped`; kWait says when to ask
    // again. Does not block beyond another caller's turn.
    virtual Pull try_expire(int64_t /*now_ns*/, std::vector<DroppedRequest>& /*dropped*/) {
        return {.kind = Pull::Kind::kStopped};
    }
    // Blocks until `dropped` gained requests (kIdle), or the scheduler is stopped and empty.
    virtual Pull expire(std::vector<DroppedRequest>& /*dropped*/) {
        return {.kind = Pull::Kind::kStopped};
    }

    // Hands a response of `request` on to its sink: at once, or in arrival order where the model's
    // config asks for `preserve_ordering`. One call at a time for one request.
    virtual void respond(const InferenceRequest& request,
                         std::unique_ptr<InferenceResponse> response) {
        request.sink->deliver(std::move(response));
    }

    // The same for a final response, which carries the request. Every request that came out of a
    // pull is handed back through here.
    virtual void deliver(std::unique_ptr<InferenceResponse> response) = 0;

    // Takes back a request that came out of a pull, to run again: of schedulers with iterative
    // sequences. On error the caller keeps it. Does not block.
    virtual Status reschedule(std::unique_ptr<InferenceRequest>& /*request*/) {
        return invalid_arg(
            "Request is released with TRITONSERVER_REQUEST_RELEASE_RESCHEDULE, while the model is "
            "not configured to handle such a flag.");
    }

    // Whether the instance's model can run. One that cannot has forgotten what it knew of earlier
    // requests: what waits for just this instance goes to `dropped`, with `status`.
    virtual void set_available(size_t /*instance*/, bool /*available*/, const Status& /*status*/,
                               std::vector<DroppedRequest>& /*dropped*/) {}
};

}  // namespace tritonpy
