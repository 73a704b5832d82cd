// Timers of one event loop: arming, moving and cancelling each cost a few nanoseconds.
//
// A hierarchy of wheels of 64 slots: the lowest has slots of 1 ms, each higher one slots as wide as
// a whole turn of the one below. A timer lies in the slot that its due time names on the lowest
// wheel that reaches so far; when time comes to a slot of a higher wheel, its timers go down to the
// wheels below. So a thousand idle connections whose timeouts are an hour away wake nobody. A timer
// is a node inside its owner: arming allocates nothing.
//
// Threads: confined(io). Borrows: armed timers; a Timer leaves the wheel when it is destroyed.
// Invariants: 1. a timer fires once per arm, never before its due time, and less than a tick late
//                when advance is called as next_look_ns says;
//             2. a handler may arm, cancel and destroy any timer, its own included; what it arms
//                fires in a later advance.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace tritonpy {

class TimerWheel;

// Threads: confined(io).
class Timer {
  public:
    // What happens when it is due.
    // Threads: confined(io).
    class Handler {
      public:
        virtual ~Handler() = default;
        virtual void on_timer(Timer& timer) = 0;
    };

    explicit Timer(Handler& handler) : handler_(handler) {}
    ~Timer() { cancel(); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    bool armed() const { return wheel_ != nullptr; }
    // REQUIRES: armed().
    int64_t due_ns() const { return due_ns_; }
    void cancel();

  private:
    friend class TimerWheel;
    Handler& handler_;
    TimerWheel* wheel_ = nullptr;
    int64_t due_ns_ = 0;
    Timer* previous_ = nullptr;
    Timer* next_ = nullptr;
    size_t list_ = 0;  // which of the wheel's lists it is in
};

class TimerWheel {
  public:
    static constexpr int64_t kTickNs = 1'000'000;

    // `now_ns` is where time starts for it. REQUIRES: not negative.
    explicit TimerWheel(int64_t now_ns);
    // Timers that are still armed are disarmed.
    ~TimerWheel();
    TimerWheel(const TimerWheel&) = delete;
    TimerWheel& operator=(const TimerWheel&) = delete;

    // Arms the timer, or moves it when it is armed. A time that has passed is due at once: in the
    // next advance. REQUIRES: the timer is not armed in another wheel.
    void arm(Timer& timer, int64_t due_ns);

    // When advance should be called next: less than a tick after the first timer is due, or
    // earlier. Nothing when no timer is armed.
    std::optional<int64_t> next_look_ns() const;

    // Fires what is due, in the order of ticks. Time never goes back.
    void advance(int64_t now_ns);

  private:
    friend class Timer;
    static constexpr size_t kSlotBits = 6;
    static constexpr size_t kSlots = size_t{1} << kSlotBits;
    // Enough for every tick that fits into 63 bits of nanoseconds.
    static constexpr size_t kLevels = 8;
    static constexpr size_t kDue = kLevels * kSlots;  // the list of what advance is firing

    void place(Timer& timer);
    void push(Timer& timer, size_t list);
    void unlink(Timer& timer);
    void collect_due(int64_t tick);
    // The first slot with timers and the tick at which it begins. REQUIRES: levels_ != 0.
    struct Next {
        size_t level;
        size_t slot;
        int64_t tick;
    };
    Next next_slot() const;

    std::array<Timer*, kDue + 1> lists_{};      // first timer of each slot, level by level; the due
    std::array<uint64_t, kLevels> occupied_{};  // one bit for each slot that is not empty
    uint32_t levels_ = 0;                       // one bit for each level that is not empty
    int64_t tick_;                              // every tick before it has passed
};

}  // namespace tritonpy
