// One io thread's loop: sockets through epoll, timers, what other threads hand in, and the end of
// each turn, where output is flushed once however often it was added to.
//
// A turn: take what other threads handed in; finish (flush, free); sleep, unless there is something
// left to do; handle the sockets that are ready; fire timers. Level-triggered, so that nothing that
// is left for the next turn is lost.
//
// Threads: run blocks its thread, which is then the loop's; post and stop are thread-safe;
// everything else is confined(io), or before run.
// Owns: the epoll instance, the timers' wheel, posted tasks. Borrows: watchers, sources, the clock.
// Invariants: 1. after unwatch, a watcher hears no more of this descriptor, also not of events that
//                were already fetched in this turn;
//             2. what discard was given is freed at the end of the turn, when nothing of it is on
//                the stack;
//             3. the wake-up is signalled at most once for all that is handed in during a sleep,
//                and never while there is more to do than a lone client makes.
// Limits: limits::kMaxEventsPerTurn sockets in one turn; the others come in the next.
#pragma once

#include <sys/epoll.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "base/status.h"
#include "base/timer_wheel.h"
#include "queue/inbox.h"
#include "queue/wakeup.h"

namespace tritonpy {

// Something with a descriptor.
// Threads: confined(io).
class Watcher {
  public:
    virtual ~Watcher() = default;
    // EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR as epoll gives them.
    virtual void on_events(uint32_t events) = 0;
};

// Something that other threads hand things to; usually an Inbox behind it.
// Threads: confined(io).
class LoopSource {
  public:
    virtual ~LoopSource() = default;
    // Handles what has come; whether there was anything.
    virtual bool drain() = 0;
    // Inbox::arm.
    virtual bool arm() = 0;
};

// Something that has work to finish when the turn ends.
// Threads: confined(io).
class TurnEnd {
  public:
    virtual ~TurnEnd() = default;
    virtual void on_turn_end() = 0;
};

// What the loop frees at the end of a turn.
// Threads: compatible.
class Discarded {
  public:
    virtual ~Discarded() = default;
};

class EventLoop {
  public:
    explicit EventLoop(const Clock& clock);
    ~EventLoop();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

    // unavailable when the system had no room for the loop's descriptors: then nothing else may be
    // called.
    Status status() const;

    // Runs turns until stop; what was posted before it is done first. A stopped loop can run again.
    void run();
    void stop();

    // Runs `task` on the loop, in the order of the posts. After the last run tasks wait, and are
    // freed with the loop.
    void post(std::function<void()> task);

    // unavailable when the system has no room for another descriptor.
    Status watch(int descriptor, uint32_t events, Watcher& watcher);
    void rewatch(int descriptor, uint32_t events, Watcher& watcher);
    void unwatch(int descriptor, Watcher& watcher);

    // Asked in every turn, as long as the loop runs. Sources share wakeup().
    void add_source(LoopSource& source);
    Wakeup& wakeup() { return wakeup_; }

    // Once for each call, at the end of this turn; of the next one when this turn is ending.
    // Borrows the callback until then, or until forget_turn_end.
    void call_at_turn_end(TurnEnd& callback);
    void forget_turn_end(TurnEnd& callback);
    void discard(std::unique_ptr<Discarded> object);

    TimerWheel& timers() { return timers_; }
    // The time at which this turn's events were fetched.
    int64_t now_ns() const { return now_ns_; }
    // Where connections read into: one for the loop, so that an idle connection holds no memory.
    std::span<std::byte> read_buffer() { return read_buffer_; }

  private:
    bool drain_sources();
    bool arm_sources();
    void end_turn();
    void fetch_events(bool may_sleep);
    int sleep_ms() const;
    size_t dispatch();

    const Clock& clock_;
    Wakeup wakeup_;
    Inbox<std::function<void()>> tasks_;
    std::vector<std::function<void()>> taken_tasks_;
    TimerWheel timers_;
    int64_t now_ns_;
    int epoll_;
    bool stopping_ = false;
    std::vector<LoopSource*> sources_;
    std::vector<TurnEnd*> ending_;
    std::vector<TurnEnd*> ending_now_;  // of the turn that is ending; null: forgotten
    std::vector<std::unique_ptr<Discarded>> discarded_;
    std::vector<std::unique_ptr<Discarded>> discarded_now_;
    std::vector<epoll_event> events_;
    size_t fetched_ = 0;  // of events_, in this turn
    size_t handled_ = 0;  // of those, done with
    std::vector<std::byte> read_buffer_;
};

}  // namespace tritonpy
