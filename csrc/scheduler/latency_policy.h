// Whom a model with a latency objective takes, whom it runs next and whom it gives up: the
// decisions alone.
//
// Every request has a deadline, and who is due first runs first. A batch is answered as a whole, so
// the first request's deadline bounds how large a batch may be, by what a batch of each size costs.
// That alone would fall into a trap: when more comes than can be served, whoever is first in line
// has waited until there is only time for a small batch, small batches serve fewer rows a second,
// and soon everybody is in that place. Two decisions keep a model out of it:
//
//   on arrival  `admits` looks at what is due before the newcomer, and refuses it at once when its
//               batch would begin too late. It plans with batches that take half of the objective
//               at most (one runs while the next one gathers), and gives away nine tenths of the
//               time that a request could wait, so that a batch that takes longer than planned does
//               not make all behind it late.
//   forming     `decide` gives up the first in line when they would cut the batch short, those
//               behind could then not be answered in time either, and a batch without them serves
//               more rows a second.
//
// While nothing is known of the costs, requests run one by one; the first one tells them. A trial
// is a request that is run alone although its cost says that it will be late, because it is the
// only way to learn whether that is still so.
//
// There is no waiting: an idle instance runs what there is. Batches form while others run.
//
// Nothing here knows of clocks, threads or request objects, so every case can be replayed as a
// table.
//
// Threads: compatible.
// Invariants: 1. decide runs a prefix of what it does not give up, in the order offered, and every
//                walk that is not empty gives up or runs at least one;
//             2. nothing runs past its deadline, and nothing but a trial that is expected to end
//                past it;
//             3. a batch has at most max_rows rows, unless it is one request that alone has more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "scheduler/batch_costs.h"

namespace tritonpy {

struct LatencyDecision {
    size_t give_up_count = 0;  // requests that are refused, from the head
    size_t run_count = 0;      // of those behind them: the batch; 0 only when all are given up
};

class LatencyPolicy {
  public:
    // REQUIRES: max_rows >= 1.
    LatencyPolicy(int64_t max_rows, int64_t objective_ns);

    // A newcomer, and what is due no later than it.
    struct Arrival {
        int64_t rows = 1;
        int64_t deadline_ns = 0;
        int64_t rows_ahead = 0;
    };
    // Whether the newcomer can be expected to be answered by its deadline. `free_ns` says when each
    // instance will be free, and is put in order. REQUIRES: costs.know_any(), free_ns is not empty.
    bool admits(const Arrival& arrival, int64_t now_ns, std::span<int64_t> free_ns,
                const BatchCosts& costs) const;

    // One request of a walk from the head.
    struct Waiting {
        int64_t rows = 1;
        int64_t deadline_ns = 0;
        bool joins = false;  // may share a batch with the one before
        bool is_trial = false;
    };
    void reset();
    // Whether another request could still change the decision.
    bool wants_more() const { return rows_ < 2 * max_rows_; }
    // REQUIRES: wants_more(), deadlines do not fall.
    void offer(const Waiting& waiting);
    size_t count() const { return walk_.size(); }
    // REQUIRES: count() > 0.
    LatencyDecision decide(int64_t now_ns, const BatchCosts& costs) const;

  private:
    // A batch of requests that are neighbours in the walk.
    struct Stretch {
        size_t begin = 0;
        size_t end = 0;
        int64_t rows = 0;
        int64_t cost_ns = 0;
        bool is_cut = false;  // by its deadline, and by nothing else
    };
    bool is_in_time(const Waiting& waiting, int64_t now_ns, const BatchCosts& costs) const;
    Stretch alone(size_t index, const BatchCosts& costs) const;
    Stretch grown(Stretch batch, int64_t time_ns, const BatchCosts& costs) const;
    bool leaves_time(const Stretch& batch, int64_t now_ns, const BatchCosts& costs) const;
    Stretch most_rows_a_second(Stretch best, int64_t now_ns, const BatchCosts& costs) const;

    const int64_t max_rows_;
    const int64_t objective_ns_;
    std::vector<Waiting> walk_;
    int64_t rows_ = 0;
};

}  // namespace tritonpy
