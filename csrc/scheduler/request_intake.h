// Where a model's requests go in once they passed the request check.
//
// Two kinds of model take requests. Most have instances that pull them from a queue: a Scheduler
// (scheduler.h). An ensemble has none; what it takes it passes on at once to the models that it is
// composed of (ensemble_scheduler.h). This is what a model needs of either.
//
// Threads: thread-safe. Owns: requests that were admitted and not answered.
// Invariants: 1. a request is taken if and only if admit returns OK, and is then answered once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/status.h"
#include "infer/request.h"

namespace tritonpy {

class RequestIntake {
  public:
    virtual ~RequestIntake() = default;

    // Takes the request, or returns unavailable (full: `Exceeds maximum queue size`, or stopping)
    // and leaves it with the caller. Stamps queue_start_ns. Sets `wake_due` when an instance should
    // hear of it: the caller calls wake soon, once for all that it admits in a burst, so that they
    // run together. Does not block.
    virtual Status admit(std::unique_ptr<InferenceRequest>& request, int64_t now_ns,
                         bool& wake_due) = 0;

    // Wakes an instance. Does not block.
    virtual void wake() = 0;

    // The two at once.
    Status enqueue(std::unique_ptr<InferenceRequest>& request, int64_t now_ns) {
        bool wake_due = false;
        Status status = admit(request, now_ns, wake_due);
        if (wake_due) {
            wake();
        }
        return status;
    }

    // Refuses new requests; those taken still come out. Wakes all. Idempotent.
    virtual void stop() = 0;

    // Requests waiting, for the pending gauge.
    virtual size_t queued() const = 0;
};

}  // namespace tritonpy
