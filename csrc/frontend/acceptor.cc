#include "frontend/acceptor.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/limits.h"

namespace tritonpy {

namespace {

// A log that says the same thing every few milliseconds helps nobody.
constexpr int64_t kSilenceNs = 10'000'000'000;

// Whether an error of accept is about the connection that was to come, not about accepting: that
// one is gone, the next may be fine.
bool concerns_the_client(int error) {
    switch (error) {
        case EINTR:
        case ECONNABORTED:
        case EPROTO:
        case EPERM:
        case ENETDOWN:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case ENONET:
        case EHOSTUNREACH:
        case EOPNOTSUPP:
        case ENETUNREACH:
            return true;
        default:
            return false;
    }
}

}  // namespace

Acceptor::Acceptor(std::unique_ptr<Listener> listener, Threads threads, EventLoop& loop,
                   OpenConnections& open, size_t max_connections, Log& log)
    : listener_(std::move(listener)),
      threads_(threads),
      loop_(loop),
      open_(open),
      max_connections_(max_connections),
      log_(log),
      resume_timer_(*this),
      silent_until_ns_(loop.now_ns()) {}

Acceptor::~Acceptor() { TRITONPY_CHECK(!watching_ && !resume_timer_.armed()); }

Status Acceptor::start() {
    TRITONPY_RETURN_IF_ERROR(loop_.watch(listener_->descriptor(), EPOLLIN, *this));
    watching_ = true;
    return {};
}

void Acceptor::stop() {
    if (std::exchange(watching_, false)) {
        loop_.unwatch(listener_->descriptor(), *this);
    }
    resume_timer_.cancel();
    listener_->close();
}

void Acceptor::on_events(uint32_t /*events*/) {
    for (size_t count = 0; count < limits::kMaxAcceptsPerTurn; ++count) {
        if (open_.now() >= max_connections_) {
            pause("the limit of connections is reached");
            return;
        }
        switch (accept_one()) {
            case Outcome::kAccepted:
                break;
            case Outcome::kNobody:
                return;
            case Outcome::kNoRoom:
                pause("there is no room for another descriptor");
                return;
        }
    }
}

void Acceptor::on_timer(Timer& /*timer*/) {
    if (!start().ok()) {
        pause("there is no room for another descriptor");
    }
}

Acceptor::Outcome Acceptor::accept_one() {
    int descriptor =
        ::accept4(listener_->descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
        hand_out(descriptor);
        return Outcome::kAccepted;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return Outcome::kNobody;
    }
    return concerns_the_client(errno) ? Outcome::kAccepted : Outcome::kNoRoom;
}

void Acceptor::hand_out(int descriptor) {
    // Answers leave in one piece, so that waiting for more would only delay them.
    int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    auto fewest = std::min_element(
        threads_.begin(), threads_.end(), [](const auto& one, const auto& other) {
            return one->connection_count() < other->connection_count();
        });
    (*fewest)->open(descriptor, *listener_);
}

void Acceptor::pause(const char* reason) {
    if (std::exchange(watching_, false)) {
        loop_.unwatch(listener_->descriptor(), *this);
    }
    loop_.timers().arm(resume_timer_, loop_.now_ns() + limits::kAcceptPauseNs);
    if (loop_.now_ns() >= silent_until_ns_) {
        silent_until_ns_ = loop_.now_ns() + kSilenceNs;
        TRITONPY_LOG(log_, LogLevel::kWarning,
                     std::string("new connections have to wait: ") + reason);
    }
}

}  // namespace tritonpy
