// The certificates of a listener that speaks TLS, and the transports made with them.
//
// TLS 1.2 and newer, with forward secrecy and authenticated ciphers only. ALPN offers the one
// protocol of the port; a client that offers others only is refused, one that offers none is
// served. Sessions resume by tickets, which the server does not store. Files are read again by
// reload: connections made from then on use the new ones, and a failed reload keeps the old ones.
//
// Threads: thread-safe. Owns: OpenSSL's context, shared with the connections that use it.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/result.h"
#include "frontend/transport.h"

namespace tritonpy {

struct TlsFiles {
    std::string server_cert;  // PEM: the chain, the server's first
    std::string server_key;   // PEM, not encrypted
    std::string root_cert;    // PEM: who signs clients' certificates; read whenever it is given
    bool mutual = false;      // a client without a valid certificate is refused; needs root_cert
};

struct TlsSettings;  // tls_transport.h: OpenSSL's headers stay out of here

class TlsContext {
  public:
    // `alpn` is "h2" or "http/1.1". invalid_arg `failed to read '<file>': ...` or `failed to set up
    // TLS with '<file>'`, which names the certificate, the key or the root file.
    static Result<std::unique_ptr<TlsContext>> make(TlsFiles files, std::string alpn);
    // Use make: before the first reload there is nothing to make transports with.
    TlsContext(TlsFiles files, std::string alpn);
    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    // Reads the files again. Errors as make. Reads them on the caller's thread.
    Status reload();
    // Takes the descriptor, also on failure. The handshake happens inside its first reads and
    // writes. unavailable when OpenSSL has no memory for another connection.
    Result<std::unique_ptr<Transport>> make_transport(int descriptor);

  private:
    const TlsFiles files_;
    const std::string alpn_;
    std::mutex mutex_;  // guards settings_
    std::shared_ptr<const TlsSettings> settings_;  // shared: connections outlive a reload
};

}  // namespace tritonpy
