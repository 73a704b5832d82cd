// What front-end tests stand on: a loop that is turned by hand or runs on a thread, a client's end
// of a socket, and a keeper of connections.
//
// Turned by hand, a test is one straight line: the client sends, `turn` handles it, the client
// looks at what came. A ManualClock then says when timers fire. Where other threads answer (a model
// behind the front end), run the loop on a LoopThread, or turn it until what is expected has come.
//
// Threads: compatible, but for LoopThread::run, which is thread-safe.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/thread.h"
#include "frontend/connection.h"
#include "frontend/event_loop.h"
#include "frontend/transport.h"

namespace tritonpy {

// One turn that does not sleep: handed-in things, end of turn, sockets that are ready, due timers,
// and then the end of the turn once more, so that what the sockets caused is flushed.
inline void turn(EventLoop& loop) {
    loop.post([&loop] { loop.stop(); });
    loop.run();
}
inline void turns(EventLoop& loop, int count) {
    for (int i = 0; i < count; ++i) {
        turn(loop);
    }
}
// As many turns as it takes: over TCP, also on one machine, bytes arrive a moment after they were
// sent. Hangs when it never happens.
template <typename Predicate>
void turn_until(EventLoop& loop, Predicate happened) {
    while (!happened()) {
        turn(loop);
    }
}

// A loop that runs on a thread of its own until it is destroyed.
class LoopThread {
  public:
    explicit LoopThread(EventLoop& loop)
        : loop_(loop), thread_("test-io", [&loop] { loop.run(); }) {}
    ~LoopThread() { loop_.stop(); }

    // What `function` returns when it is run on the loop. Blocks.
    template <typename Function>
    auto run(Function function) {
        std::packaged_task<std::invoke_result_t<Function>()> task(std::move(function));
        auto result = task.get_future();
        loop_.post([&task] { task(); });
        return result.get();
    }

  private:
    EventLoop& loop_;
    Thread thread_;
};

// Both ends of a connected stream socket.
struct SocketEnds {
    int server;
    int client;
};

// What was sent is there when send returns, so that a turn by hand sees it.
inline SocketEnds unix_sockets() {
    std::array<int, 2> ends{};
    TRITONPY_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    return {ends[0], ends[1]};
}

// Over the loopback interface: with TCP's own ways to reset. See turn_until.
inline SocketEnds tcp_sockets() {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    TRITONPY_CHECK(bind(listener, generic, size) == 0 && listen(listener, 1) == 0 &&
                   getsockname(listener, generic, &size) == 0);
    const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    TRITONPY_CHECK(connect(client, generic, size) == 0);
    const int server = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    TRITONPY_CHECK(server >= 0);
    ::close(listener);
    return {server, client};
}

// The client's end of a socket.
class TestClient {
  public:
    explicit TestClient(int descriptor) : descriptor_(descriptor) {}
    ~TestClient() { close(); }
    TestClient(const TestClient&) = delete;
    TestClient& operator=(const TestClient&) = delete;

    int descriptor() const { return descriptor_; }

    // Blocks until all is sent.
    void send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t count = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            TRITONPY_CHECK(count > 0);
            bytes.remove_prefix(static_cast<size_t>(count));
        }
    }
    // Sends what the socket takes at once; how much that was.
    size_t try_send(std::string_view bytes) {
        const ssize_t count =
            ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        return count < 0 ? 0 : static_cast<size_t>(count);
    }

    // What has come so far. Does not block; see at_end.
    std::string take() {
        std::string taken;
        std::array<char, 65536> part;
        for (;;) {
            const ssize_t count = ::recv(descriptor_, part.data(), part.size(), MSG_DONTWAIT);
            if (count <= 0) {
                at_end_ |= count == 0;
                was_reset_ |= count < 0 && errno == ECONNRESET;
                return taken;
            }
            taken.append(part.data(), static_cast<size_t>(count));
        }
    }
    // Blocks until that much has come; less when the server ends before.
    std::string take_exactly(size_t size) {
        std::string taken(size, '\0');
        const ssize_t count = ::recv(descriptor_, taken.data(), size, MSG_WAITALL);
        taken.resize(static_cast<size_t>(std::max<ssize_t>(count, 0)));
        return taken;
    }
    // Whether take has seen the server's FIN, or its reset.
    bool at_end() const { return at_end_; }
    bool was_reset() const { return was_reset_; }

    // Sends FIN, but goes on receiving.
    void finish() { ::shutdown(descriptor_, SHUT_WR); }
    void close() {
        if (descriptor_ >= 0) {
            ::close(std::exchange(descriptor_, -1));
        }
    }
    // Goes without a word: the server gets a reset (over TCP).
    void reset() {
        const linger none{1, 0};
        setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
        close();
    }

  private:
    int descriptor_;
    bool at_end_ = false;
    bool was_reset_ = false;
};

// Keeps connections as a front end does, and counts those that closed.
class ConnectionKeeper final : public ConnectionOwner {
  public:
    explicit ConnectionKeeper(EventLoop& loop) : loop_(loop) {}

    // Makes a connection, its protocol with `make(connection)`, and starts it.
    Connection& open(std::unique_ptr<Transport> transport, Connection::Timeouts timeouts,
                     const std::function<std::unique_ptr<Protocol>(Connection&)>& make) {
        open_.push_back(
            std::make_unique<Connection>(loop_, std::move(transport), *this, timeouts));
        Connection& connection = *open_.back();
        TRITONPY_CHECK(connection.start(make(connection)).ok());
        return connection;
    }

    void on_connection_closed(Connection& connection) override {
        ++closed_;
        const auto found = std::find_if(open_.begin(), open_.end(), [&](const auto& one) {
            return one.get() == &connection;
        });
        TRITONPY_CHECK(found != open_.end());
        loop_.discard(std::move(*found));
        open_.erase(found);
    }

    size_t open_count() const { return open_.size(); }
    size_t closed_count() const { return closed_; }

  private:
    EventLoop& loop_;
    std::vector<std::unique_ptr<Connection>> open_;
    size_t closed_ = 0;
};

inline constexpr Connection::Timeouts kPatient{3'600'000'000'000, 60'000'000'000};

}  // namespace tritonpy
