// One io thread: its loop, what the protocols on it share, and the connections that it has.
//
// Threads: confined(io), to this thread, but what says that it is thread-safe or blocks, which is
// for others.
// Owns: the loop, calls into the core and the control plane, connections. Borrows: the rest.
// Invariant: a connection is counted from open until it is closed, or could not be made.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "base/thread.h"
#include "frontend/connection.h"
#include "frontend/control_bridge.h"
#include "frontend/event_loop.h"
#include "frontend/frontend_options.h"
#include "frontend/infer_calls.h"
#include "frontend/io_context.h"
#include "frontend/listener.h"
#include "frontend/open_connections.h"

namespace tritonpy {

// What all io threads of a front end share.
struct IoShared {
    InferenceServer& server;
    const Clock& clock;
    Log& log;
    const FrontendOptions& options;
    const ServerHealth& health;
    HeldBytes& held;
    ControlBridge& bridge;
    OpenConnections& open;
};

class IoThread final : public ConnectionOwner {
  public:
    // `index` is below limits::kMaxIoThreads. The thread does not run yet.
    IoThread(size_t index, const IoShared& shared);
    // REQUIRES: it never ran, or was stopped and settled.
    ~IoThread() override;
    IoThread(const IoThread&) = delete;
    IoThread& operator=(const IoThread&) = delete;

    // EventLoop::status: nothing else may be called when it is not OK.
    Status status() const { return loop_.status(); }
    EventLoop& loop() { return loop_; }

    void start();
    // Runs `task` on the thread and waits for it. Blocks. REQUIRES: the thread runs, and is not the
    // caller.
    void call(const std::function<void()>& task);

    // Connections now, those included that are on their way. Thread-safe.
    size_t connection_count() const { return count_.load(std::memory_order_relaxed); }
    // Takes an accepted socket: makes its connection on this thread, in a turn to come; drops it
    // when that fails. Thread-safe. REQUIRES: the listener lives until the thread was joined.
    void open(int descriptor, const Listener& listener);

    // Tells every connection that the server stops. Returns at once. Thread-safe.
    void finish();
    // Gives every connection a last word, closes it, and ends the loop. Returns at once.
    // Thread-safe.
    void stop();
    // Waits until the loop has ended, and lets instances that it drove go on without it. Blocks.
    // REQUIRES: stop.
    void join();
    // Waits until the core has answered what this thread has asked, and lets go of it. Blocks.
    // REQUIRES: join.
    void settle();

    void on_connection_closed(Connection& connection) override;

  private:
    void open_now(int descriptor, const Listener& listener);
    // Calls `act` with each connection that is open now; it may close any.
    void for_each_open(const std::function<void(Connection&)>& act);

    const size_t index_;
    Log& log_;
    const Connection::Timeouts timeouts_;
    OpenConnections& open_;
    std::atomic<size_t> count_{0};  // relaxed: a hint to whoever chooses a thread
    EventLoop loop_;
    InferCalls infer_calls_;
    ControlCalls control_calls_;
    IoContext context_;
    std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
    std::optional<Thread> thread_;
};

}  // namespace tritonpy
