// The native front end: its io threads, listeners and connections, from start to stop.
//
// The first loop accepts for all and hands each connection to the loop that has the fewest, so that
// long-lived connections spread evenly. At the limit of connections, or when the process has no
// descriptor left, accepting pauses for a moment; clients wait in the backlog.
//
// Threads: thread-safe, but listen_*, finish and stop, which are for one control thread at a time.
// Owns: io threads, loops, connections, the listening sockets, TLS contexts, the bridge.
// Borrows: the server and the log.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "frontend/acceptor.h"
#include "frontend/control_bridge.h"
#include "frontend/frontend_options.h"
#include "frontend/listener.h"
#include "server/inference_server.h"

namespace tritonpy {

class NativeFrontend {
    struct Parts;

  public:
    // Starts the io threads; nobody listens yet. unavailable when there is no room for a loop.
    // REQUIRES: `http` and `grpc` of the options are not set.
    static Result<std::unique_ptr<NativeFrontend>> make(FrontendOptions options,
                                                        InferenceServer& server,
                                                        const Clock& clock, Log& log);
    // For make.
    explicit NativeFrontend(std::unique_ptr<Parts> parts);
    // Stops without grace, and waits for the core.
    ~NativeFrontend();
    NativeFrontend(const NativeFrontend&) = delete;
    NativeFrontend& operator=(const NativeFrontend&) = delete;

    // Begin to accept. Take the descriptor, also on failure: invalid_arg as TlsContext::make,
    // unavailable when there is no room to watch it. REQUIRES: each once at most, before stop.
    Status listen_http(HttpListenerOptions options);
    Status listen_grpc(GrpcListenerOptions options);

    ControlBridge& bridge();
    void set_health(bool ready, bool exiting);
    // Whether the control plane is asked about each model, since some check themselves.
    void set_models_have_checks(bool have_checks);
    // Read certificates and keys again, for connections to come. Errors as TlsContext::make; then
    // all stays as it was. REQUIRES: the listener listens, with TLS.
    Status reload_http_tls();
    Status reload_grpc_tls();

    // Stops accepting and tells every connection to finish; waits until all have or `grace_ns` has
    // passed. Blocks; the bridge must still be served meanwhile. Whether all had finished.
    bool finish(int64_t grace_ns);
    // Gives a last word to clients that still wait, closes what is left, ends the io threads, and
    // waits until the core has answered what it has (with wait_for_core false: leaves that to a
    // later call, or to the destructor). Blocks. Idempotent.
    void stop(bool wait_for_core);

    size_t open_connections() const;
    size_t held_bytes() const;

  private:
    Status listen(int descriptor, const std::optional<TlsFiles>& tls, const char* alpn,
                  ProtocolMaker make_protocol, std::unique_ptr<Acceptor>& acceptor);
    void stop_accepting();

    std::unique_ptr<Parts> parts_;
};

}  // namespace tritonpy
