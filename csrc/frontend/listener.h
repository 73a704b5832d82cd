// A listening socket, and what becomes of what is accepted from it: its transport and its protocol.
//
// Threads: thread-safe, but close, which is confined(io) to the loop that accepts.
// Owns: the descriptor and the TLS context.
#pragma once

#include <memory>
#include <utility>

#include "base/result.h"
#include "frontend/connection.h"
#include "frontend/io_context.h"
#include "frontend/tls_context.h"
#include "frontend/transport.h"

namespace tritonpy {

using ProtocolMaker = std::unique_ptr<Protocol> (*)(IoContext& context, Connection& connection);

class Listener {
  public:
    // `descriptor` is bound and listening. Without `tls` connections are plain.
    Listener(int descriptor, ProtocolMaker maker, std::unique_ptr<TlsContext> tls);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    int descriptor() const { return descriptor_; }
    // Nobody is accepted any more; those who wait in the backlog are reset. Idempotent.
    void close();

    // Takes a descriptor that was accepted. Errors as TlsContext::make_transport.
    Result<std::unique_ptr<Transport>> make_transport(int descriptor) const;
    std::unique_ptr<Protocol> make_protocol(IoContext& context, Connection& connection) const {
        return maker_(context, connection);
    }
    // TlsContext::reload. REQUIRES: it was made with TLS.
    Status reload_tls();

  private:
    int descriptor_;  // -1: closed
    const ProtocolMaker maker_;
    const std::unique_ptr<TlsContext> tls_;
};

}  // namespace tritonpy
