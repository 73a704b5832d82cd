// `max_inflight_requests` of an ensemble: how many requests one of its steps has at once, over all
// requests of the ensemble.
//
// A run that finds no slot leaves itself in a line and goes on with what else it can do; whoever
// gives a slot back hands it to the first in line, on its own thread. So nobody ever blocks here,
// where Triton lets the thread wait that brought the answer of the step before. A decoupled model
// that answers faster than the next step runs is slowed at its source: what stands in line keeps
// its memory, and a worker's sender waits while the server has too much of its responses.
//
// Threads: thread-safe. Borrows: the runs in line, until each has its slot.
// Invariants: 1. a step has at most `limit` slots taken;
//             2. slots go to runs in the order in which they asked;
//             3. runs are called with no lock held, by one thread at a time for each step, and
//                never from within such a call: the stack does not grow with the line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "scheduler/ensemble_progress.h"

namespace tritonpy {

class EnsembleRun;

class StepSlots {
  public:
    // 0: as many as asked for.
    StepSlots(size_t steps, uint32_t limit) : limit_(limit), lines_(limit == 0 ? 0 : steps) {}
    StepSlots(const StepSlots&) = delete;
    StepSlots& operator=(const StepSlots&) = delete;

    // Whether the run has its slot now. If not it is in line, and EnsembleRun::granted is called.
    bool take(EnsembleRun& run, EnsembleProgress::Place place);
    // Gives a slot back and hands out what is free. Calls EnsembleRun::granted.
    void give_back(size_t step);

  private:
    struct Waiter {
        EnsembleRun* run;
        EnsembleProgress::Place place;
    };
    struct Line {
        std::mutex mutex;  // guards what follows
        uint32_t taken = 0;
        bool handing_out = false;  // somebody is in the loop of give_back
        std::deque<Waiter> waiting;
    };

    const uint32_t limit_;
    std::vector<Line> lines_;  // by step; none without a limit
};

}  // namespace tritonpy
