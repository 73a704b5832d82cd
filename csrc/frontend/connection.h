// One client connection: socket bytes to its protocol, the protocol's output to the socket.
//
// Reads go into the loop's buffer, or where the protocol wants a large body. Output is collected
// during a turn and written with one writev at its end; what the socket does not take waits for
// EPOLLOUT. Reading can be paused, which is how a client that sends faster than it is served, or
// does not read its answers, is held back; it costs no system call unless the client does send.
//
// How it ends. A client that says its last (FIN) is seen after its last byte, while reading is on;
// while it is paused nothing is asked of its input, so that a half-closed client costs no turn, and
// it is seen when reading resumes. A connection that is gone both ways (reset, or a hang-up) closes
// at once, paused or not: nobody could be answered. close_after_flush throws away further input,
// writes what there is, says its own last and waits a moment for the client's, so that a client
// which still sends is not reset before it has read the answer. Each wait has an end: a client that
// takes nothing is cut, see limits::kClosingWindowNs and kLingerNs.
//
// Threads: confined(io).
// Owns: transport, protocol, unwritten output. Borrows: the loop, the owner's registry.
// Invariants: 1. a protocol hears nothing after on_closed, and after close_after_flush nothing but
//                produce and on_closed;
//             2. a connection that started closes once: one on_closed, one on_connection_closed;
//             3. the object is freed by the loop at the end of the turn in which it closed.
// Limits: limits::kMaxReadPerTurn, kMaxWrittenPerTurn, kMaxUnwritten, kMaxIovecs; an idle timeout,
// a limit on the time from the first byte of a request to its last, and the same on a handshake.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/limits.h"
#include "base/status.h"
#include "base/timer_wheel.h"
#include "frontend/event_loop.h"
#include "frontend/transport.h"
#include "wire/out_queue.h"

namespace tritonpy {

class Connection;

// What is spoken on a connection.
// Threads: confined(io).
class Protocol {
  public:
    virtual ~Protocol() = default;
    // Where the next read should go when it is part of a large body; empty: anywhere.
    virtual std::span<std::byte> read_space() = 0;
    // Takes all of the bytes (those in read_space are already where they belong).
    virtual void on_bytes(std::span<const std::byte> bytes) = 0;
    // The client will send no more. What was asked may be finished or dropped; the protocol closes
    // the connection now or later.
    virtual void on_end_of_input() = 0;
    // There is room for output: append to Connection::out what is ready. Called at the end of turns
    // that asked for it with request_flush; again when what it added, or what the socket had left
    // before, has been taken; not while the socket is full.
    virtual void produce() = 0;
    // Nothing was read or written for the idle timeout, or a request did not become whole in time
    // (see Connection::expect_more). Closes the connection, perhaps after a last word.
    virtual void on_timeout() = 0;
    // The server is stopping: refuse new requests, close as soon as the running ones are answered.
    virtual void on_shutdown() = 0;
    // The time that stopping allows is over: a last word to whoever still waits. What is in
    // Connection::out then is written as far as the socket takes it, and the connection closed.
    virtual void on_cut_off() {}
    // The connection is gone; cancel what runs for it. The last call. What it was given is freed at
    // the end of the turn.
    virtual void on_closed() = 0;
};

// Who keeps connections: counts them, and reaches each of them when the server stops.
// Threads: confined(io).
class ConnectionOwner {
  public:
    virtual ~ConnectionOwner() = default;
    // The connection closed. It is taken out and handed to the loop to be freed.
    virtual void on_connection_closed(Connection& connection) = 0;
};

class Connection final : public Watcher, public TurnEnd, public Timer::Handler, public Discarded {
  public:
    struct Timeouts {
        int64_t idle_ns;     // without any byte, in either direction, and no request running
        int64_t request_ns;  // from a request's first byte to its last; then again and again, as
                             // long as bytes kept coming in the time before at a rate that is not
                             // an attack's (limits::kMinRequestBytesPerSecond)
    };

    Connection(EventLoop& loop, std::unique_ptr<Transport> transport, ConnectionOwner& owner,
               Timeouts timeouts);
    // One that started and was not closed tells its protocol, but not its owner.
    ~Connection() override;

    // Begins to watch the socket. REQUIRES: called once. unavailable as EventLoop::watch; then the
    // protocol is gone, unheard, and the connection is to be freed by the caller.
    Status start(std::unique_ptr<Protocol> protocol);

    EventLoop& loop() { return loop_; }
    // Output; request_flush after adding to it.
    OutQueue& out() { return out_; }
    void request_flush();
    // Whether the protocol should make no more output for now.
    bool is_backed_up() const { return out_.size() >= limits::kMaxUnwritten; }

    // Inside on_bytes: no more of them after this call.
    void pause_reading() { reading_ = false; }
    void resume_reading();

    // A request is partly here (true) or not (false): the time it may take runs, or stops.
    void expect_more(bool partial);
    // A request runs (true), so that an idle connection is not idle; or none does.
    void set_busy(bool busy);

    void close_after_flush();
    void close_now();
    bool closed() const { return state_ == State::kClosed; }
    // Whether the protocol is still to be told anything: neither closed nor closing.
    bool protocol_hears() const { return state_ == State::kOpen; }

    // REQUIRES: start was called.
    Protocol& protocol() { return *protocol_; }

    void on_events(uint32_t events) override;
    void on_turn_end() override;
    void on_timer(Timer& timer) override;

  private:
    enum class State : uint8_t {
        kNew,        // not started, or it could not be
        kOpen,       // bytes go to the protocol
        kFlushing,   // close_after_flush: bytes are thrown away, output is written
        kLingering,  // all is written and the client was told so; bytes are thrown away
        kClosed,
    };

    bool wants_input() const;
    void read();
    bool handle_read(IoResult result, std::span<std::byte> into);
    void end_input();
    void flush();
    bool write_out(size_t& budget);
    void say_last_word();
    uint64_t delivered() const;
    void watch_delivery(int64_t window_ns);
    void set_interest(uint32_t interest);
    void check_idle();
    void check_request();
    void check_delivery();

    EventLoop& loop_;
    const std::unique_ptr<Transport> transport_;
    ConnectionOwner& owner_;
    std::unique_ptr<Protocol> protocol_;
    const Timeouts timeouts_;
    OutQueue out_;
    Timer idle_timer_;
    Timer progress_timer_;  // of a partial request; in kFlushing and kLingering, of the end
    int64_t last_activity_ns_ = 0;
    uint64_t read_ = 0;                // bytes, so far
    uint64_t written_ = 0;             // bytes, so far
    uint64_t progress_at_window_ = 0;  // of what must go on, when progress_timer_ was armed
    uint32_t interest_ = 0;            // as epoll has it
    State state_ = State::kNew;
    bool busy_ = false;
    bool reading_ = true;             // as the protocol has it
    bool input_ended_ = false;
    bool read_on_ = false;            // bytes may wait in the transport, where epoll sees none
    bool read_waits_to_write_ = false;  // TLS
    bool write_blocked_ = false;        // the socket is full
    bool write_waits_to_read_ = false;  // TLS
    bool output_left_ = false;          // by the last flush
    bool flush_requested_ = false;
};

}  // namespace tritonpy
