// How a thread that sleeps in epoll (or an asyncio loop) is woken: one eventfd, written only when
// the sleeper has said that it sleeps.
//
// The sleeper arms, looks once more whether anything has come, sleeps, and disarms. Who hands
// something over under a lock that the sleeper's look takes too wakes it with signal_sleeper inside
// that lock: so either the look finds the thing, or the flag is seen. The first who comes pays one
// system call for everybody; while the sleeper is awake nobody does.
//
// Threads: signal and signal_sleeper are thread-safe; the rest is confined to the thread that
// sleeps. Owns: the descriptor.
// Limits: one descriptor; without it (the process has none left) nothing can be woken, see ok.
#pragma once

#include <atomic>

namespace tritonpy {

class Wakeup {
  public:
    Wakeup();
    ~Wakeup();
    Wakeup(const Wakeup&) = delete;
    Wakeup& operator=(const Wakeup&) = delete;

    // False when the process had no descriptor left: nothing else may be called.
    bool ok() const { return descriptor_ >= 0; }

    // Readable from the first signal until acknowledge. A sleeper that watches it edge-triggered
    // need not acknowledge: each signal is an edge.
    int descriptor() const { return descriptor_; }
    // Never blocks.
    void signal() const;
    void acknowledge() const;

    void arm() { asleep_.store(true, std::memory_order_relaxed); }
    void disarm() { asleep_.store(false, std::memory_order_relaxed); }
    void signal_sleeper() {
        if (asleep_.load(std::memory_order_relaxed) &&
            asleep_.exchange(false, std::memory_order_relaxed)) {
            signal();
        }
    }

  private:
    int descriptor_;
    // relaxed: the lock around the handing over and the look orders it, see above.
    std::atomic<bool> asleep_{false};
};

}  // namespace tritonpy
