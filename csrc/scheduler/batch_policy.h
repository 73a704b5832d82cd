// When to run a batch and which of the waiting requests go into it: the decision alone.
//
// The policy walks the queue from its head: each request is offered in turn until the policy wants
// no more or the queue has no more, and `decide` then says how many of them to run, or until when
// to wait. The walk may be continued when requests have come since; the answer is the same as that
// of a fresh walk. Nothing here knows of clocks, threads or request objects, so every case can be
// replayed as a table.
//
// The decision, in this order (P: rows of the walk; largest: the largest preferred size):
//   1. a request that would take P over `largest` while no preferred size was met marks this point
//      as the best stop; one that would take P over max_batch_size, or that may not share a batch
//      with the others, ends the walk and says "send now";
//   2. after a request is in, P equal to a preferred size marks this point as the best stop;
//   3. a best stop, and the oldest request has waited less than the delay: run up to the best stop;
//   4. "send now", or P >= largest: run all of the walk;
//   5. no delay configured, or the oldest has waited that long: run all of the walk;
//   6. otherwise wait until the oldest has waited that long.
//
// Threads: compatible.
// Invariants: 1. what runs is a non-empty prefix of what was offered;
//             2. it has at most max_batch_size rows, unless it is one request that alone has more;
//             3. no wait without a delay, and none past the oldest request's start plus the delay.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "scheduler/batcher_config.h"

namespace tritonpy {

struct BatchDecision {
    size_t run_count = 0;       // requests to run, from the head; 0: none yet
    int64_t wait_until_ns = 0;  // when run_count is 0: decide again at this time
    int64_t wait_for_rows = 0;  // when run_count is 0: or as soon as the walk could have these rows
};

class BatchPolicy {
  public:
    // A time that no wait reaches: decides as if every delay had passed.
    static constexpr int64_t kEndOfTime = std::numeric_limits<int64_t>::max();

    // Without dynamic batching every request is a batch of its own.
    explicit BatchPolicy(const BatcherConfig& config);

    // Back to the head of the queue.
    void reset();

    // Requests accepted since reset.
    size_t count() const { return count_; }

    // Whether another request could still change the decision.
    bool wants_more() const { return !send_now_ && (count_ == 0 || rows_ < max_rows_); }

    // Offers the next request. True: it is part of the walk. False: it is not, and the walk is
    // over. `compatible` says whether it may share a batch with those before (ignored for the
    // first).
    // REQUIRES: wants_more(), rows >= 1.
    bool offer(int64_t rows, bool compatible, int64_t queue_start_ns);

    // REQUIRES: count() > 0.
    BatchDecision decide(int64_t now_ns) const;

  private:
    bool is_preferred(int64_t rows) const;

    const int64_t max_rows_;
    const int64_t delay_ns_;
    const std::vector<int64_t> preferred_;  // ascending, not empty

    size_t count_ = 0;
    int64_t rows_ = 0;
    size_t best_stop_ = 0;  // requests; 0: none
    bool send_now_ = false;
    int64_t oldest_ns_ = kEndOfTime;
};

}  // namespace tritonpy
