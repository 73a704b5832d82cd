#include "frontend/tls_transport.h"

#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace tritonpy {
namespace {

// The largest record; what is written is cut and put together to these.
constexpr size_t kRecordSize = SSL3_RT_MAX_PLAIN_LENGTH;

// The socket as OpenSSL's stream sees it.
struct Socket {
    int descriptor;
    bool drained = false;  // the last recv was short: nothing more was there
    bool ended = false;
};

Socket& socket_of(BIO* stream) { return *static_cast<Socket*>(BIO_get_data(stream)); }

int receive(BIO* stream, char* into, size_t size, size_t* received) {
    Socket& socket = socket_of(stream);
    BIO_clear_retry_flags(stream);
    if (std::exchange(socket.drained, false)) {
        BIO_set_retry_read(stream);
        return 0;
    }
    ssize_t count = 0;
    do {
        count = ::recv(socket.descriptor, into, size, MSG_DONTWAIT);
    } while (count < 0 && errno == EINTR);
    if (count > 0) {
        *received = static_cast<size_t>(count);
        socket.drained = *received < size;
        return 1;
    }
    if (count == 0) {
        socket.ended = true;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        BIO_set_retry_read(stream);
    }
    return 0;
}

int send(BIO* stream, const char* bytes, size_t size, size_t* sent) {
    BIO_clear_retry_flags(stream);
    ssize_t count = 0;
    do {
        count = ::send(socket_of(stream).descriptor, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    if (count >= 0) {
        *sent = static_cast<size_t>(count);
        return 1;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        BIO_set_retry_write(stream);
    }
    return 0;
}

long control(BIO* stream, int command, long /*number*/, void* /*pointer*/) {
    switch (command) {
        case BIO_CTRL_FLUSH:
            return 1;  // nothing is kept back here
        case BIO_CTRL_EOF:
            return socket_of(stream).ended ? 1 : 0;
        default:
            return 0;
    }
}

// Goes through pieces, a record's worth at a time.
class PieceReader {
  public:
    explicit PieceReader(std::span<const iovec> pieces) : pieces_(pieces) {}

    bool at_end() const { return pieces_.empty(); }

    // The next bytes, `size` of them or all that is left: where they are when they lie in one
    // piece, otherwise copied into `scratch`. REQUIRES: !at_end(); `scratch` holds `size`.
    std::span<const std::byte> next(size_t size, std::span<std::byte> scratch) const {
        if (pieces_.size() == 1 || left_of_first() >= size) {
            return {first(), std::min(size, left_of_first())};
        }
        PieceReader rest = *this;
        size_t copied = 0;
        while (copied < size && !rest.at_end()) {
            const size_t part = std::min(size - copied, rest.left_of_first());
            std::memcpy(scratch.data() + copied, rest.first(), part);
            copied += part;
            rest.skip(part);
        }
        return scratch.first(copied);
    }

    void skip(size_t size) {
        while (size >= left_of_first()) {
            size -= left_of_first();
            used_ = 0;
            pieces_ = pieces_.subspan(1);
            if (pieces_.empty()) {
                return;
            }
        }
        used_ += size;
    }

  private:
    size_t left_of_first() const { return pieces_[0].iov_len - used_; }
    const std::byte* first() const {
        return static_cast<const std::byte*>(pieces_[0].iov_base) + used_;
    }

    std::span<const iovec> pieces_;
    size_t used_ = 0;  // of the first
};

class TlsTransport final : public Transport {
  public:
    TlsTransport(std::shared_ptr<const TlsSettings> settings, int descriptor)
        : settings_(std::move(settings)),
          socket_{descriptor},
          session_(SSL_new(settings_->context.get())) {}
    ~TlsTransport() override { ::close(socket_.descriptor); }

    // False without memory.
    bool set_up() {
        BIO* stream = session_ == nullptr ? nullptr : BIO_new(settings_->socket_stream.get());
        if (stream == nullptr) {
            return false;
        }
        BIO_set_data(stream, &socket_);
        BIO_set_init(stream, 1);
        SSL_set_bio(session_.get(), stream, stream);  // takes it
        SSL_set_accept_state(session_.get());
        return true;
    }

    int descriptor() const override { return socket_.descriptor; }
    bool reads_exhaust() const override { return false; }
    bool is_set_up() const override { return SSL_is_init_finished(session_.get()) == 1; }

    IoResult read(std::span<std::byte> into) override {
        if (failed_) {
            return {IoResult::Outcome::kFailed};
        }
        ERR_clear_error();
        size_t count = 0;
        const int result = SSL_read_ex(session_.get(), into.data(), into.size(), &count);
        return result == 1 ? IoResult{IoResult::Outcome::kDone, count} : why_not(result);
    }

    IoResult write(std::span<const iovec> pieces) override {
        if (failed_) {
            return {IoResult::Outcome::kFailed};
        }
        std::array<std::byte, kRecordSize> scratch;
        PieceReader left(pieces);
        size_t written = 0;
        while (!left.at_end()) {
            // OpenSSL goes on with a record that is half on its way, whatever it is offered, as
            // long as that is no less than before: what is to be written only grows.
            const auto record = left.next(kRecordSize, scratch);
            ERR_clear_error();
            size_t count = 0;
            const int result = SSL_write_ex(session_.get(), record.data(), record.size(), &count);
            if (result != 1) {
                const IoResult why = why_not(result);
                return written == 0 || failed_ ? why : IoResult{IoResult::Outcome::kDone, written};
            }
            written += count;
            left.skip(count);
        }
        return {IoResult::Outcome::kDone, written};
    }

    void shutdown_write() override {
        if (!failed_ && SSL_is_init_finished(session_.get()) == 1) {
            ERR_clear_error();
            SSL_shutdown(session_.get());  // close_notify; where it does not fit, FIN must do
            ERR_clear_error();
        }
        ::shutdown(socket_.descriptor, SHUT_WR);
    }

  private:
    IoResult why_not(int result) {
        switch (SSL_get_error(session_.get(), result)) {
            case SSL_ERROR_WANT_READ:
                return {IoResult::Outcome::kWantsRead};
            case SSL_ERROR_WANT_WRITE:
                return {IoResult::Outcome::kWantsWrite};
            case SSL_ERROR_ZERO_RETURN:
                return {IoResult::Outcome::kEndOfStream};
            default:
                failed_ = true;  // the session must not be used again
                ERR_clear_error();
                return {IoResult::Outcome::kFailed};
        }
    }

    const std::shared_ptr<const TlsSettings> settings_;
    Socket socket_;
    const OpenSslPtr<SSL> session_;
    bool failed_ = false;
};

}  // namespace

OpenSslPtr<BIO_METHOD> make_socket_stream() {
    OpenSslPtr<BIO_METHOD> method(BIO_meth_new(BIO_TYPE_SOURCE_SINK, "tritonpy socket"));
    if (method != nullptr) {
        BIO_meth_set_read_ex(method.get(), receive);
        BIO_meth_set_write_ex(method.get(), send);
        BIO_meth_set_ctrl(method.get(), control);
    }
    return method;
}

Result<std::unique_ptr<Transport>> make_tls_transport(std::shared_ptr<const TlsSettings> settings,
                                                      int descriptor) {
    auto transport = std::make_unique<TlsTransport>(std::move(settings), descriptor);
    if (!transport->set_up()) {
        ERR_clear_error();
        return unavailable("there is no memory for another TLS connection");
    }
    return std::unique_ptr<Transport>(std::move(transport));
}

}  // namespace tritonpy
