// The bytes of a connection, plain or through TLS, without blocking.
//
// Threads: confined(io). Owns: the socket, which it closes.
// Invariants: 1. no call blocks, whatever the descriptor's own mode, and none raises SIGPIPE;
//             2. after kFailed every further call gives kFailed.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace tritonpy {

struct IoResult {
    enum class Outcome : uint8_t {
        kDone,         // `bytes` were moved, at least one
        kWantsRead,    // nothing now; try again when the socket is readable (TLS: also for write)
        kWantsWrite,   // nothing now; try again when the socket is writable (TLS: also for read)
        kEndOfStream,  // read only: the peer has said its last
        kFailed,       // reset, or not TLS: the connection is gone
    };
    Outcome outcome;
    size_t bytes = 0;
};

// Threads: confined(io).
class Transport {
  public:
    virtual ~Transport() = default;
    virtual int descriptor() const = 0;
    // REQUIRES: `into` is not empty. A result shorter than `into` says that the socket was empty
    // only when reads_exhaust(); otherwise read on until it is not kDone, because bytes may wait
    // where epoll does not see them.
    virtual IoResult read(std::span<std::byte> into) = 0;
    // REQUIRES: `pieces` are not empty, and begin with the bytes that the last write was offered
    // and did not move, all of them.
    // A result shorter than `pieces` says that the socket is full.
    virtual IoResult write(std::span<const iovec> pieces) = 0;
    // Whether a short read means that nothing more is there (never so under TLS).
    virtual bool reads_exhaust() const = 0;
    // Whether the protocol's bytes can flow: not before TLS has shaken hands.
    virtual bool is_set_up() const = 0;
    // Says to the peer that nothing more will be written; does not wait.
    virtual void shutdown_write() = 0;
};

// Takes the descriptor, of any stream socket.
std::unique_ptr<Transport> make_plain_transport(int descriptor);

}  // namespace tritonpy
