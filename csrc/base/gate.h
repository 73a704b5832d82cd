// Counts who is inside, and lets the owner close the door and wait until everybody has left.
//
// The one way that anything stops here: close the gate, wait for the holders, then join or free.
// A model's gate is entered by a request at infer and left when its last response has been
// handed over, so a model is never freed under a request.
//
// Threads: thread-safe.
// Invariants: 1. once closed, try_enter never succeeds again;
//             2. close_and_wait returns only when every successful try_enter has been left.
#pragma once

#include <atomic>
#include <cstdint>

namespace tritonpy {

class Gate {
  public:
    Gate() = default;
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;

    // False when closed. Never blocks. Each success must be matched by one leave().
    bool try_enter() {
        uint64_t before = state_.fetch_add(kOne, std::memory_order_acquire);
        if ((before & kClosed) != 0) {
            leave();
            return false;
        }
        return true;
    }

    // REQUIRES: a try_enter that succeeded and has not been left.
    void leave() {
        // acq_rel: what holders wrote is seen by the owner after close_and_wait's acquire load.
        uint64_t before = state_.fetch_sub(kOne, std::memory_order_acq_rel);
        if (before == (kClosed | kOne)) {
            // The owner may already have seen the count and freed us: this uses only the address.
            state_.notify_all();
        }
    }

    // Refuses newcomers. Idempotent, does not block.
    void close() { state_.fetch_or(kClosed, std::memory_order_acq_rel); }

    // Blocks until everybody has left; then the gate may be freed, as long as nobody can still call
    // try_enter. REQUIRES: close() was called.
    void wait_until_empty() const {
        for (uint64_t seen = state_.load(std::memory_order_acquire); seen != kClosed;
             seen = state_.load(std::memory_order_acquire)) {
            state_.wait(seen, std::memory_order_acquire);
        }
    }

    void close_and_wait() {
        close();
        wait_until_empty();
    }

    bool closed() const { return (state_.load(std::memory_order_acquire) & kClosed) != 0; }

    // How many are inside; a snapshot. Acquire: what those wrote who have left is seen.
    uint64_t holders() const { return state_.load(std::memory_order_acquire) >> 1; }

  private:
    static constexpr uint64_t kClosed = 1;
    static constexpr uint64_t kOne = 2;
    std::atomic<uint64_t> state_{0};  // holders * 2 + closed
};

}  // namespace tritonpy
