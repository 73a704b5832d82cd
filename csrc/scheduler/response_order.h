// Lets responses out in the order in which their requests were queued.
//
// Several instances finish in any order; a response that is early is held until every one of the
// requests before it has gone out. A request of a decoupled model may have several: those of the
// request whose turn it is go out as they come, the others' wait for their turn. Requests that left
// the queue without running count too: theirs is a response like any other.
//
// Threads: deliver is thread-safe, for one request one call at a time; admit is confined to one
// thread at a time (the caller locks).
// Owns: responses that are early.
// Invariants: 1. sinks are called in ticket order, and for one ticket in the order of deliver, by
//                one thread at a time, with no lock held;
//             2. a response goes out as soon as all before it have, on the thread that brought
//                the last of those or on one already delivering.
// Limits: none of its own: the scheduler takes no request while held() is at the queue's limit.
// What a decoupled model says before its turn keeps its memory, and whoever runs the model waits
// while too much of that is out: a worker's sender does.
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

    // Gives the request its place. Every admitted request's final response must come to deliver.
    void admit(InferenceRequest& request) { request.order_ticket = next_ticket_++; }

    // Takes a response to `request` and calls the sinks of all whose turn has come. Does not wait
    // for other responses. REQUIRES: the request was admitted and had no final response yet.
    void deliver(const InferenceRequest& request, std::unique_ptr<InferenceResponse> response);

    // Requests whose final response waits for earlier ones; a snapshot.
    size_t held() const { return held_count_.load(std::memory_order_relaxed); }

  private:
    struct Held {
        std::unique_ptr<InferenceResponse> response;
        ResponseSink* sink;
    };
    using Responses = std::vector<Held>;

    // All four REQUIRE mutex_.
    Responses& held_of(uint64_t ticket) { return held_[ticket & (held_.size() - 1)]; }
    void hold(uint64_t ticket, Held held);
    void grow(uint64_t needed);
    void collect_due();

    uint64_t next_ticket_ = 0;  // belongs to admit

    std::mutex mutex_;          // guards what follows
    uint64_t due_ticket_ = 0;   // the first whose final response has not been collected
    std::atomic<size_t> held_count_{0};  // relaxed: a bound that is late by one is a bound
    std::vector<Responses> held_;        // by ticket modulo size, a power of two
    bool delivering_ = false;   // somebody is between collecting and calling sinks
    Responses due_;             // belongs to whoever set delivering_
};

}  // namespace tritonpy
