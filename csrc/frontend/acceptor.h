// Accepts the connections of one listener and spreads them over the io threads.
//
// Each goes to the thread that has the fewest, so that long-lived connections spread evenly. At the
// limit of connections, and when the process or the system has no descriptor left, the socket is
// not looked at for a moment (limits::kAcceptPauseNs): clients wait in its backlog, and a socket
// that epoll would report for ever costs nothing.
//
// Threads: confined(io), to the loop that accepts.
// Owns: the listener. Borrows: the io threads, the loop, the count of connections, the log.
// Limits: limits::kMaxAcceptsPerTurn connections in one turn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/log.h"
#include "base/timer_wheel.h"
#include "frontend/event_loop.h"
#include "frontend/io_thread.h"
#include "frontend/listener.h"
#include "frontend/open_connections.h"

namespace tritonpy {

class Acceptor final : public Watcher, public Timer::Handler {
  public:
    using Threads = std::span<const std::unique_ptr<IoThread>>;

    // Connections beyond `max_connections`, over all listeners that share `open`, wait.
    Acceptor(std::unique_ptr<Listener> listener, Threads threads, EventLoop& loop,
             OpenConnections& open, size_t max_connections, Log& log);
    // REQUIRES: stop was called, or start was not or failed.
    ~Acceptor() override;

    // Errors as EventLoop::watch.
    Status start();
    // Accepts no more and closes the listening socket. Idempotent.
    void stop();

    // Thread-safe.
    Listener& listener() { return *listener_; }

    void on_events(uint32_t events) override;
    void on_timer(Timer& timer) override;

  private:
    enum class Outcome : uint8_t { kAccepted, kNobody, kNoRoom };

    Outcome accept_one();
    void hand_out(int descriptor);
    void pause(const char* reason);

    const std::unique_ptr<Listener> listener_;
    const Threads threads_;
    EventLoop& loop_;
    OpenConnections& open_;
    const size_t max_connections_;
    Log& log_;
    Timer resume_timer_;
    int64_t silent_until_ns_;
    bool watching_ = false;
};

}  // namespace tritonpy
