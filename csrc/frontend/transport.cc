#include "frontend/transport.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace tritonpy {
namespace {

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

class PlainTransport final : public Transport {
  public:
    explicit PlainTransport(int descriptor) : descriptor_(descriptor) {}
    ~PlainTransport() override { ::close(descriptor_); }

    int descriptor() const override { return descriptor_; }
    bool reads_exhaust() const override { return true; }
    bool is_set_up() const override { return true; }
    void shutdown_write() override { ::shutdown(descriptor_, SHUT_WR); }

    IoResult read(std::span<std::byte> into) override {
        ssize_t count = 0;
        do {
            count = ::recv(descriptor_, into.data(), into.size(), MSG_DONTWAIT);
        } while (count < 0 && errno == EINTR);
        if (count > 0) {
            return {IoResult::Outcome::kDone, static_cast<size_t>(count)};
        }
        if (count == 0) {
            return {IoResult::Outcome::kEndOfStream};
        }
        return {would_block(errno) ? IoResult::Outcome::kWantsRead : IoResult::Outcome::kFailed};
    }

    IoResult write(std::span<const iovec> pieces) override {
        ssize_t count = 0;
        do {
            count = send_all(pieces);
        } while (count < 0 && errno == EINTR);
        if (count >= 0) {
            return {IoResult::Outcome::kDone, static_cast<size_t>(count)};
        }
        return {would_block(errno) ? IoResult::Outcome::kWantsWrite : IoResult::Outcome::kFailed};
    }

  private:
    // writev, without the signal that a peer's reset would raise.
    ssize_t send_all(std::span<const iovec> pieces) const {
        constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
        if (pieces.size() == 1) {
            return ::send(descriptor_, pieces[0].iov_base, pieces[0].iov_len, kFlags);
        }
        msghdr message{};
        message.msg_iov = const_cast<iovec*>(pieces.data());  // sendmsg only reads them
        message.msg_iovlen = pieces.size();
        return ::sendmsg(descriptor_, &message, kFlags);
    }

    const int descriptor_;
};

}  // namespace

std::unique_ptr<Transport> make_plain_transport(int descriptor) {
    return std::make_unique<PlainTransport>(descriptor);
}

}  // namespace tritonpy
