// One connection of the floor program: reads requests, answers each with the same bytes.
//
// The floor is what a server would cost that did nothing: no model, no hand-over, no parsing beyond
// finding where a request ends. Request bodies are counted and dropped; answers are borrowed from
// the one string that all of them share.
//
// Threads: compatible; each connection belongs to one loop.
// Owns: what of a request or an answer is incomplete. Borrows: the answer.
// Invariant: 1. send_some sends until nothing is owed or the socket takes no more, and the loop
//               asks for room exactly while owes() is true.
// Limits: kMaxHead bytes for a request head of HTTP; a client that sends more is dropped.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace tritonpy::bench {

class FloorConnection {
  public:
    virtual ~FloorConnection() = default;
    // Takes what was read; false when it makes no sense, and the connection is to be closed.
    virtual bool take(std::string_view bytes) = 0;
    // Sends what is owed, as far as the socket takes it; false when the connection is broken.
    virtual bool send_some(int descriptor) = 0;
    // Whether there is something to send as soon as there is room.
    virtual bool owes() const = 0;
};

// `answer`: a whole HTTP response, head and body.
std::unique_ptr<FloorConnection> make_http_connection(std::string_view answer);
// `answer`: a whole gRPC message, its five-byte prefix included.
std::unique_ptr<FloorConnection> make_grpc_connection(std::string_view answer);

}  // namespace tritonpy::bench
