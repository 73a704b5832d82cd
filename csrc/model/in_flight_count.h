// How many requests a model has taken and not answered yet, and the wake-up when there are none.
//
// Threads: thread-safe. Borrows: the parking place, where whoever drains the server waits.
#pragma once

#include <atomic>
#include <cstdint>

#include "queue/parking.h"

namespace tritonpy {

class InFlightCount {
  public:
    explicit InFlightCount(Parking& all_answered) : all_answered_(all_answered) {}
    InFlightCount(const InFlightCount&) = delete;
    InFlightCount& operator=(const InFlightCount&) = delete;

    // Before the request can be answered, hence before it is queued.
    void add() { count_.fetch_add(1, std::memory_order_relaxed); }

    // After `requests` responses were handed over; wakes a drain when they were the last.
    // seq_cst, with the load in count(): the drain announces itself and then reads, this thread
    // writes and then looks for a sleeper, and one of the two must see the other.
    // The parking place is looked up before: an ensemble may be freed once its count is zero.
    void remove(uint64_t requests) {
        Parking& all_answered = all_answered_;
        if (count_.fetch_sub(requests, std::memory_order_seq_cst) == requests) {
            all_answered.notify_all();
        }
    }

    // Blocks until there are none.
    void wait_until_none() const {
        while (true) {
            Parking::Ticket ticket = all_answered_.prepare();
            if (count() == 0) {
                all_answered_.cancel();
                return;
            }
            all_answered_.wait(ticket);
        }
    }

    uint64_t count() const { return count_.load(std::memory_order_seq_cst); }

  private:
    std::atomic<uint64_t> count_{0};
    Parking& all_answered_;
};

}  // namespace tritonpy
