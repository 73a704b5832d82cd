// One connection of the load client: keeps a number of calls in flight and checks every answer.
//
// A call is always the same request; when its answer is complete and good, the next one begins,
// until the load is told to pause.
//
// Threads: compatible; all connections belong to the one loop.
// Owns: what of an answer is incomplete. Borrows: the request, the log of latencies.
// Invariant: 1. an answer counts once it has arrived whole, and only with status 200 (gRPC: 0).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tritonpy::bench {

int64_t now_ns();

// What the connections share. Threads: compatible.
struct Load {
    std::string request;  // HTTP: head and body; gRPC: the message with its prefix
    std::string path;     // gRPC: of the method
    std::string authority;
    size_t streams = 1;  // calls in flight on a connection; HTTP: 1
    bool paused = true;  // no new calls begin
    std::vector<uint32_t> latencies_ns;
};

class ClientConnection {
  public:
    virtual ~ClientConnection() = default;
    // Begins as many calls as are to be in flight; what was begun leaves with send_some.
    virtual void begin() = 0;
    // Takes what was read; false when it is not the answer that there should be: see error().
    virtual bool take(std::string_view bytes) = 0;
    // As FloorConnection.
    virtual bool send_some(int descriptor) = 0;
    virtual bool owes() const = 0;

    virtual size_t in_flight() const = 0;
    // Answers since the connection was made.
    virtual size_t answers() const = 0;
    virtual std::string error() const = 0;
};

std::unique_ptr<ClientConnection> make_http_client(Load& load);
std::unique_ptr<ClientConnection> make_grpc_client(Load& load);

}  // namespace tritonpy::bench
