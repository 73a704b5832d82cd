// One connection through TLS: OpenSSL on a socket of ours.
//
// OpenSSL's own socket BIO writes with write(), which raises SIGPIPE, and reads until the kernel
// says that nothing is there. The one here sends without the signal, and takes a short recv as that
// answer, which saves a system call for each turn of a busy connection (level-triggered epoll
// reminds the loop of bytes that came between).
//
// Threads: TlsSettings is immutable; a transport is confined(io).
// Owns: the socket, the TLS session; a share of the settings.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "base/result.h"
#include "frontend/transport.h"

namespace tritonpy {

// Frees what OpenSSL has made.
struct OpenSslFree {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* session) const { SSL_free(session); }
    void operator()(BIO* stream) const { BIO_free(stream); }
    void operator()(BIO_METHOD* method) const { BIO_meth_free(method); }
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <typename T>
using OpenSslPtr = std::unique_ptr<T, OpenSslFree>;

// What the connections of a listener share. It stays where it was made: OpenSSL points to it.
// Threads: immutable, once it is set up.
struct TlsSettings {
    std::string protocols;  // what ALPN selects from: each a length and a name, as on the wire
    OpenSslPtr<BIO_METHOD> socket_stream;
    OpenSslPtr<SSL_CTX> context;
};

// What makes OpenSSL use a socket of ours. Null without memory.
OpenSslPtr<BIO_METHOD> make_socket_stream();

// As TlsContext::make_transport.
Result<std::unique_ptr<Transport>> make_tls_transport(std::shared_ptr<const TlsSettings> settings,
                                                      int descriptor);

}  // namespace tritonpy
