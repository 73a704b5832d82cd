// A TLS client on a test's end of a socket, which never blocks: what it cannot do yet, it does when
// it is pumped again.
//
// Threads: compatible. Borrows: the socket's end.
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <string>
#include <string_view>

#include "base/check.h"
#include "frontend/loop_fixture.h"
#include "frontend/test_certificates.h"
#include "frontend/tls_transport.h"

namespace tritonpy {

struct TlsClientOptions {
    std::string alpn;  // as on the wire: a length and a name for each
    const Identity* identity = nullptr;
    int max_version = 0;  // 0: the newest
    SSL_SESSION* session = nullptr;
};

class TlsTestClient {
  public:
    explicit TlsTestClient(TestClient& socket, const TlsClientOptions& options = {})
        : socket_(socket), context_(SSL_CTX_new(TLS_client_method())) {
        SSL_CTX_set_security_level(context_.get(), 0);  // so that it can offer what is refused
        if (options.max_version != 0) {
            SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
            SSL_CTX_set_max_proto_version(context_.get(), options.max_version);
        }
        if (options.identity != nullptr) {
            SSL_CTX_use_certificate(context_.get(), options.identity->certificate.get());
            SSL_CTX_use_PrivateKey(context_.get(), options.identity->key.get());
        }
        session_.reset(SSL_new(context_.get()));
        SSL_set_alpn_protos(session_.get(),
                            reinterpret_cast<const unsigned char*>(options.alpn.data()),
                            static_cast<unsigned int>(options.alpn.size()));
        if (options.session != nullptr) {
            SSL_set_session(session_.get(), options.session);
        }
        incoming_ = BIO_new(BIO_s_mem());
        outgoing_ = BIO_new(BIO_s_mem());
        BIO_set_mem_eof_return(incoming_, -1);
        SSL_set_bio(session_.get(), incoming_, outgoing_);  // takes both
        SSL_set_connect_state(session_.get());
    }

    SSL& session() { return *session_; }
    // Why it failed; empty: it did not.
    const std::string& error() const { return error_; }
    bool connected() const { return SSL_is_init_finished(session_.get()) == 1; }
    // The server's close_notify was seen.
    bool ended() const { return ended_; }

    void start() {
        check(SSL_do_handshake(session_.get()));
        pump();
    }
    // Moves what is there between the socket and TLS, and goes on with the handshake.
    void pump() {
        const std::string came = socket_.take();
        BIO_write(incoming_, came.data(), static_cast<int>(came.size()));
        if (!connected() && error_.empty()) {
            check(SSL_do_handshake(session_.get()));
        }
        flush();
    }
    void send(std::string_view bytes) {
        check(SSL_write(session_.get(), bytes.data(), static_cast<int>(bytes.size())));
        flush();
    }
    std::string take() {
        pump();
        std::string taken;
        std::array<char, 65536> part;
        int count = 0;
        while ((count = SSL_read(session_.get(), part.data(), part.size())) > 0) {
            taken.append(part.data(), static_cast<size_t>(count));
        }
        check(count);
        flush();
        return taken;
    }
    void close_notify() {
        SSL_shutdown(session_.get());
        flush();
    }

  private:
    void check(int result) {
        if (result > 0) {
            return;
        }
        switch (SSL_get_error(session_.get(), result)) {
            case SSL_ERROR_WANT_READ:
            case SSL_ERROR_WANT_WRITE:
                break;
            case SSL_ERROR_ZERO_RETURN:
                ended_ = true;
                break;
            default:
                if (error_.empty()) {
                    const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
                    error_ = reason == nullptr ? "no reason" : reason;
                }
        }
        ERR_clear_error();
    }
    void flush() {
        std::array<char, 65536> part;
        int count = 0;
        while ((count = BIO_read(outgoing_, part.data(), part.size())) > 0) {
            unsent_.append(part.data(), static_cast<size_t>(count));
        }
        unsent_.erase(0, socket_.try_send(unsent_));
    }

    TestClient& socket_;
    OpenSslPtr<SSL_CTX> context_;
    OpenSslPtr<SSL> session_;
    BIO* incoming_;
    BIO* outgoing_;
    std::string unsent_;
    std::string error_;
    bool ended_ = false;
};

}  // namespace tritonpy
