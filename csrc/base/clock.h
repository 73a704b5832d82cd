// Where time comes from: the machine's steady clock in a server, a hand-driven one in tests.
//
// Every decision of the core is a function of (state, now), so that a test or the simulation can
// replay it. Times are nanoseconds since an arbitrary start.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace tritonpy {

// Threads: thread-safe.
class Clock {
  public:
    virtual ~Clock() = default;
    virtual int64_t now_ns() const = 0;
};

// Threads: thread-safe.
class SteadyClock final : public Clock {
  public:
    int64_t now_ns() const override {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(
                   std::chrono::steady_clock::now().time_since_epoch())
            .count();
    }
};

// A clock that moves only when told to.
// Threads: thread-safe.
class ManualClock final : public Clock {
  public:
    explicit ManualClock(int64_t start_ns = 0) : now_ns_(start_ns) {}
    int64_t now_ns() const override { return now_ns_.load(std::memory_order_acquire); }
    void advance_ns(int64_t by_ns) { now_ns_.fetch_add(by_ns, std::memory_order_release); }

  private:
    std::atomic<int64_t> now_ns_;  // release in advance_ns pairs with acquire in now_ns
};

}  // namespace tritonpy
