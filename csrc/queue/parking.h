// Where threads sleep until there may be work: an event count over one futex.
//
// A consumer that found nothing calls `prepare`, looks once more, and then waits with the ticket
// it got; any `notify` after `prepare` ends that wait at once, so no wake-up is lost. A producer
// whose consumers are all awake pays a fence and one load; so does one that comes while an earlier
// notify_one has yet to arrive, so a burst costs one system call. The thread that it reaches sees
// the whole burst, and notifies another when it leaves work behind.
//
// Threads: thread-safe.
// Invariants: 1. what was published before a notify is seen by at least one thread that looks after
//                prepare or wait returned, if anybody sleeps at all;
//             2. nobody waits without having looked after prepare, and everybody looks after wait.
#pragma once

#include <atomic>
#include <cstdint>

namespace tritonpy {

class Parking {
  public:
    using Ticket = uint32_t;

    Parking() = default;
    Parking(const Parking&) = delete;
    Parking& operator=(const Parking&) = delete;

    // Announces a sleeper. Must be followed by exactly one of cancel, wait or wait_until.
    Ticket prepare();
    void cancel();
    // Blocks until notified after `ticket` was taken. May return early.
    void wait(Ticket ticket);
    // The same, no longer than until `deadline_ns` of the steady clock.
    void wait_until(Ticket ticket, int64_t deadline_ns);

    // Wakes one sleeper, unless one is already on its way. A look is a sleeper's or a waker's duty:
    // who was woken and leaves work behind calls this again.
    void notify_one();
    void notify_all();

  private:
    // True when somebody sleeps (or is about to) who might not see what the caller published.
    bool has_sleepers() const;
    Ticket rearm();

    // The futex word: even, a ticket; odd, a notify is on its way. See parking.cc for the partners.
    std::atomic<uint32_t> epoch_{0};
    std::atomic<uint32_t> sleepers_{0};  // threads between prepare and the end of their wait
};

}  // namespace tritonpy
