// Lets responses out in the order in which their requests were queued.
//
// Several instances finish in any order; a response that is early is held until every one before it
// has gone out. Requests that left the queue without running count too: theirs is a response like
// any other.
//
// Threads: deliver is thread-safe; admit is confined to one thread at a time (the caller locks).
// Owns: responses that are early.
// Invariants: 1. sinks are called in ticket order, by one thread at a time, with no lock held;
//             2. a response goes out as soon as all before it have, on the thread that brought
//                the last of those or on one already delivering.
// Limits: none of its own: the scheduler takes no request while held() is at the queue's limit.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "infer/response.h"

namespace tritonpy {

class ResponseOrder {
  public:
    ResponseOrder() = default;
    ResponseOrder(const ResponseOrder&) = delete;
    ResponseOrder& operator=(const ResponseOrder&) = delete;

    // Gives the request its place. Every admitted request must come to deliver.
    void admit(InferenceRequest& request) { request.order_ticket = next_ticket_++; }

    // Takes a final response and calls the sinks of all whose turn has come. Does not wait for
    // other responses. REQUIRES: response->final, its request was admitted.
    void deliver(std::unique_ptr<InferenceResponse> response);

    // Responses that wait for earlier ones; a snapshot.
    size_t held() const { return held_count_.load(std::memory_order_relaxed); }

  private:
    using Responses = std::vector<std::unique_ptr<InferenceResponse>>;

    // All three REQUIRE mutex_.
    void hold(std::unique_ptr<InferenceResponse> response);
    void grow(uint64_t needed);
    void collect_due();

    uint64_t next_ticket_ = 0;  // belongs to admit

    std::mutex mutex_;          // guards what follows
    uint64_t due_ticket_ = 0;   // the first that has not been collected
    std::atomic<size_t> held_count_{0};  // relaxed: a bound that is late by one is a bound
    Responses held_;            // by ticket modulo size, a power of two; null: not there yet
    bool delivering_ = false;   // somebody is between collecting and calling sinks
    Responses due_;             // belongs to whoever set delivering_
};

}  // namespace tritonpy
