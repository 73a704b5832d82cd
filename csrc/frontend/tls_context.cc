#include "frontend/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string_view>
#include <system_error>

#include "frontend/tls_transport.h"

namespace tritonpy {
namespace {

// Of a PEM file: a bundle of all the world's authorities takes a quarter of it.
constexpr size_t kMaxPemFile = size_t{1} << 20;

// Forward secrecy and authenticated encryption, which is what HTTP/2 asks of TLS 1.2.
constexpr const char* kTls12Ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

// Names whom a session may be resumed with; OpenSSL wants one where clients have certificates.
constexpr std::string_view kSessionContext = "tritonpy";

Status cannot_read(const std::string& file, int error) {
    return invalid_arg("failed to read '" + file +
                       "': " + std::generic_category().message(error));
}

Status cannot_use(const std::string& file) {
    ERR_clear_error();
    return invalid_arg("failed to set up TLS with '" + file + "'");
}

Result<std::string> read_file(const std::string& file) {
    struct Close {
        void operator()(FILE* stream) const { std::fclose(stream); }
    };
    const std::unique_ptr<FILE, Close> stream(std::fopen(file.c_str(), "rbe"));
    if (stream == nullptr) {
        return cannot_read(file, errno);
    }
    std::string text;
    std::array<char, 4096> part;
    while (size_t count = std::fread(part.data(), 1, part.size(), stream.get())) {
        text.append(part.data(), count);
        if (text.size() > kMaxPemFile) {
            return cannot_read(file, EFBIG);
        }
    }
    if (std::ferror(stream.get()) != 0) {
        return cannot_read(file, errno);
    }
    return text;
}

// Instead of OpenSSL's own, which asks on the terminal.
int no_password(char* /*into*/, int /*size*/, int /*rwflag*/, void* /*context*/) { return -1; }

OpenSslPtr<BIO> open_text(const std::string& text) {
    return OpenSslPtr<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

OpenSslPtr<X509> next_certificate(BIO& text) {
    return OpenSslPtr<X509>(PEM_read_bio_X509(&text, nullptr, no_password, nullptr));
}

// Whether reading certificates ended because there are no more.
bool at_last_certificate() {
    const unsigned long error = ERR_peek_last_error();
    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

Status use_certificates(SSL_CTX& context, const std::string& file) {
    TRITONPY_ASSIGN_OR_RETURN(const std::string text, read_file(file));
    const OpenSslPtr<BIO> stream = open_text(text);
    OpenSslPtr<X509> certificate = stream == nullptr ? nullptr : next_certificate(*stream);
    if (certificate == nullptr || SSL_CTX_use_certificate(&context, certificate.get()) != 1) {
        return cannot_use(file);
    }
    for (certificate = next_certificate(*stream); certificate != nullptr;
         certificate = next_certificate(*stream)) {
        if (SSL_CTX_add1_chain_cert(&context, certificate.get()) != 1) {
            return cannot_use(file);
        }
    }
    return at_last_certificate() ? Status() : cannot_use(file);
}

Status use_key(SSL_CTX& context, const std::string& file) {
    TRITONPY_ASSIGN_OR_RETURN(const std::string text, read_file(file));
    const OpenSslPtr<BIO> stream = open_text(text);
    const OpenSslPtr<EVP_PKEY> key(
        stream == nullptr ? nullptr
                          : PEM_read_bio_PrivateKey(stream.get(), nullptr, no_password, nullptr));
    // That it is the certificate's key is checked too.
    if (key == nullptr || SSL_CTX_use_PrivateKey(&context, key.get()) != 1 ||
        SSL_CTX_check_private_key(&context) != 1) {
        return cannot_use(file);
    }
    return {};
}

// Clients' certificates are asked for only when they are required, as gRPC's own servers do.
Status use_roots(SSL_CTX& context, const std::string& file, bool mutual) {
    TRITONPY_ASSIGN_OR_RETURN(const std::string text, read_file(file));
    const OpenSslPtr<BIO> stream = open_text(text);
    X509_STORE* const roots = SSL_CTX_get_cert_store(&context);
    size_t count = 0;
    if (stream == nullptr) {
        return cannot_use(file);
    }
    for (auto root = next_certificate(*stream); root != nullptr;
         root = next_certificate(*stream), ++count) {
        if (X509_STORE_add_cert(roots, root.get()) != 1 ||
            SSL_CTX_add_client_CA(&context, root.get()) != 1) {
            return cannot_use(file);
        }
    }
    if (count == 0 || !at_last_certificate()) {
        return cannot_use(file);
    }
    if (mutual) {
        SSL_CTX_set_verify(&context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    return {};
}

// What the client offers must hold the port's protocol.
int select_protocol(SSL* /*session*/, const unsigned char** selected, unsigned char* size,
                    const unsigned char* offered, unsigned int offered_size, void* settings) {
    const std::string& ours = static_cast<const TlsSettings*>(settings)->protocols;
    unsigned char* found = nullptr;
    const int outcome = SSL_select_next_proto(
        &found, size, reinterpret_cast<const unsigned char*>(ours.data()),
        static_cast<unsigned int>(ours.size()), offered, offered_size);
    *selected = found;
    return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

bool set_options(TlsSettings& settings) {
    SSL_CTX* const context = settings.context.get();
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     // Many clients end without close_notify; what they send says
                                     // itself where it ends.
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);  // a record costs one recv, not two
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(context, select_protocol, &settings);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, kTls12Ciphers) == 1 &&
           SSL_CTX_set_num_tickets(context, 1) == 1 &&
           SSL_CTX_set_session_id_context(
               context, reinterpret_cast<const unsigned char*>(kSessionContext.data()),
               static_cast<unsigned int>(kSessionContext.size())) == 1;
}

Result<std::shared_ptr<const TlsSettings>> make_settings(const TlsFiles& files,
                                                         const std::string& alpn) {
    ERR_clear_error();
    auto settings = std::make_shared<TlsSettings>();
    settings->protocols = static_cast<char>(alpn.size()) + alpn;
    settings->socket_stream = make_socket_stream();
    settings->context.reset(SSL_CTX_new(TLS_server_method()));
    if (settings->socket_stream == nullptr || settings->context == nullptr ||
        !set_options(*settings)) {
        return cannot_use(files.server_cert);
    }
    SSL_CTX& context = *settings->context;
    TRITONPY_RETURN_IF_ERROR(use_certificates(context, files.server_cert));
    TRITONPY_RETURN_IF_ERROR(use_key(context, files.server_key));
    if (files.mutual || !files.root_cert.empty()) {
        TRITONPY_RETURN_IF_ERROR(use_roots(context, files.root_cert, files.mutual));
    }
    ERR_clear_error();
    return std::shared_ptr<const TlsSettings>(std::move(settings));
}

}  // namespace

TlsContext::TlsContext(TlsFiles files, std::string alpn)
    : files_(std::move(files)), alpn_(std::move(alpn)) {}

TlsContext::~TlsContext() = default;

Result<std::unique_ptr<TlsContext>> TlsContext::make(TlsFiles files, std::string alpn) {
    auto context = std::make_unique<TlsContext>(std::move(files), std::move(alpn));
    TRITONPY_RETURN_IF_ERROR(context->reload());
    return context;
}

Status TlsContext::reload() {
    TRITONPY_ASSIGN_OR_RETURN(std::shared_ptr<const TlsSettings> settings,
                              make_settings(files_, alpn_));
    std::lock_guard lock(mutex_);
    settings_.swap(settings);
    return {};
}

Result<std::unique_ptr<Transport>> TlsContext::make_transport(int descriptor) {
    std::shared_ptr<const TlsSettings> settings;
    {
        std::lock_guard lock(mutex_);
        settings = settings_;
    }
    return make_tls_transport(std::move(settings), descriptor);
}

}  // namespace tritonpy
