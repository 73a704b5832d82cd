// One stream between the server and a worker, cut into messages: a socket, or two pipes, which a
// message goes through in half the time.
//
// Threads: confined to one thread, except shut_down (thread-safe).
// Owns: the descriptors.
// Invariants: nobody is killed by a pipe whose reader has gone: programs that run Python ignore
//             SIGPIPE.
// Limits: limits::kMaxWorkerMessage for one message; what is queued is bounded by who queues it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <span>

#include "backend/message_bytes.h"
#include "backend/message_header.h"

namespace tritonpy {

class MessageStream {
  public:
    struct Message {
        WorkerMessageKind kind;
        std::span<const std::byte> body;  // valid until the next receive
    };

    explicit MessageStream(int socket) : MessageStream(socket, socket) {}
    // Two pipes; or twice the same socket.
    MessageStream(int reading, int writing) : reading_(reading), writing_(writing) {}
    ~MessageStream();
    MessageStream(const MessageStream&) = delete;
    MessageStream& operator=(const MessageStream&) = delete;

    int descriptor() const { return reading_; }
    int writing_descriptor() const { return writing_; }
    // From now on receive does not wait, and flush sends what there is room for. Comes before both.
    void never_block();

    // Sends all of `bytes`; blocks until the peer has room. False when it has gone.
    bool send(std::span<const std::byte> bytes);
    // The same without blocking: false, too, when there is no room; then nothing was sent.
    // REQUIRES: never_block, and PIPE_BUF bytes or less, which go whole or not at all.
    bool send_at_once(std::span<const std::byte> bytes);
    // What is appended here is sent by flush as far as there is room; false when the peer has gone.
    // REQUIRES of flush: never_block.
    Bytes& queue() { return queued_; }
    bool flush();
    bool has_unsent() const { return sent_ < queued_.size(); }

    // Reads once, and waits for something to read, or for a signal. False when the peer has gone.
    bool receive();
    // The next whole message of what was received, if there is one.
    std::optional<Message> next();
    // What came is no message: nothing else can be read.
    bool broken() const { return broken_; }

    // Ends the conversation on a socket both ways; whoever waits in receive or send is told that
    // the peer has gone. Pipes end with the peer only.
    void shut_down();
    // Says nothing more, so that the peer comes to the end. REQUIRES: send and flush come no more.
    void finish();

  private:
    bool is_socket() const { return reading_ == writing_; }
    ssize_t write_some(std::span<const std::byte> bytes) const;

    const int reading_;
    int writing_;  // -1 once it is closed
    Bytes received_;
    size_t begin_ = 0;  // of what next has not given out yet
    size_t end_ = 0;    // of what was received
    bool broken_ = false;
    Bytes queued_;
    size_t sent_ = 0;
};

}  // namespace tritonpy
