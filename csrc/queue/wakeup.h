// How a thread that sleeps in epoll (or an asyncio loop) is woken: one eventfd, written only when
// the sleeper has said that it sleeps.
//
// The sleeper arms, looks once more whether anything has come, sleeps, and disarms. Who hands
// something over under a lock that the sleeper's look takes too claims the sleeper inside that
// lock: so either the look finds the thing, or the flag is seen. The first who comes pays one
// system call for everybody; while the sleeper is awake nobody does. The call itself is made
// outside of the lock, which the woken thread would run into on the same core.
//
// Threads: thread-safe are signal, claim_sleeper and Signal; the rest is confined to the thread
// that sleeps. Owns: the descriptor, which whoever has claimed the sleeper keeps open, too.
// Limits: one descriptor; without it (the process has none left) nothing can be woken, see ok.
#pragma once

#include <atomic>
#include <memory>

namespace tritonpy {

class Wakeup {
  public:
    class Signal {
      public:
        Signal();
        ~Signal();
        Signal(const Signal&) = delete;
        Signal& operator=(const Signal&) = delete;

        int descriptor() const { return descriptor_; }
        // Never blocks.
        void send() const;

      private:
        const int descriptor_;
    };

    Wakeup() : signal_(std::make_shared<const Signal>()) {}
    Wakeup(const Wakeup&) = delete;
    Wakeup& operator=(const Wakeup&) = delete;

    // False when the process had no descriptor left: nothing else may be called.
    bool ok() const { return descriptor() >= 0; }

    // Readable from the first signal until acknowledge. A sleeper that watches it edge-triggered
    // need not acknowledge: each signal is an edge.
    int descriptor() const { return signal_->descriptor(); }
    void signal() const { signal_->send(); }
    void acknowledge() const;

    void arm() { asleep_.store(true, std::memory_order_relaxed); }
    void disarm() { asleep_.store(false, std::memory_order_relaxed); }
    // What wakes the sleeper, if there is one that nobody has claimed; the caller must send it. It
    // outlives this object.
    std::shared_ptr<const Signal> claim_sleeper() {
        if (asleep_.load(std::memory_order_relaxed) &&
            asleep_.exchange(false, std::memory_order_relaxed)) {
            return signal_;
        }
        return nullptr;
    }

  private:
    const std::shared_ptr<const Signal> signal_;  // shared with those who claimed the sleeper
    // relaxed: the lock around the handing over and the look orders it, see above.
    std::atomic<bool> asleep_{false};
};

}  // namespace tritonpy
