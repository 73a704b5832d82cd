// How many connections a front end has, and the wait for the last of them.
//
// Threads: thread-safe.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "queue/parking.h"

namespace tritonpy {

class OpenConnections {
  public:
    void add() { open_.fetch_add(1, std::memory_order_relaxed); }
    void remove() {
        // release: pairs with the acquire in wait_until_none.
        if (open_.fetch_sub(1, std::memory_order_release) == 1) {
            none_left_.notify_all();
        }
    }
    size_t now() const { return open_.load(std::memory_order_relaxed); }

    // Blocks until there is none, or the clock passes `deadline_ns`; whether there was none.
    bool wait_until_none(const Clock& clock, int64_t deadline_ns) {
        for (;;) {
            Parking::Ticket ticket = none_left_.prepare();
            bool none = open_.load(std::memory_order_acquire) == 0;
            if (none || clock.now_ns() >= deadline_ns) {
                none_left_.cancel();
                return none;
            }
            none_left_.wait_until(ticket, deadline_ns);
        }
    }

  private:
    std::atomic<size_t> open_{0};
    Parking none_left_;
};

}  // namespace tritonpy
