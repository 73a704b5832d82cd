// floor http|grpc ANSWER_FILE [--port P] [--threads N]: the least that a server can do.
//
// Reads requests and answers each with the same bytes, taken from the file: no model, no hand-over.
// One epoll loop per thread, level-triggered, one receive and one send a request where it fits; the
// threads share the port by SO_REUSEPORT. Prints "ready PORT" when it listens on 127.0.0.1, and
// runs until it is killed.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "floor_connection.h"

namespace tritonpy::bench {
namespace {

constexpr size_t kReadSize = 256 * 1024;
constexpr int kBacklog = 4096;
constexpr size_t kEventsPerTurn = 256;

using MakeConnection = std::unique_ptr<FloorConnection> (*)(std::string_view answer);

struct Options {
    MakeConnection make = nullptr;
    std::string answer;
    uint16_t port = 0;
    size_t threads = 1;
};

[[noreturn]] void fail(const char* what) {
    std::perror(what);
    std::exit(1);
}

// Listens on `port`, or on a free one when it is 0, and says which.
int listen_on(uint16_t& port) {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // connections inherit it
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener, generic, size) < 0 || listen(listener, kBacklog) < 0 ||
        getsockname(listener, generic, &size) < 0) {
        fail("floor: listen");
    }
    port = ntohs(address.sin_port);
    return listener;
}

// One thread's loop.
// Threads: confined to the thread that runs it.
class Loop {
  public:
    Loop(const Options& options, int listener)
        : options_(options), listener_(listener), epoll_(epoll_create1(0)), buffer_(kReadSize) {
        control(EPOLL_CTL_ADD, listener_, EPOLLIN);
    }

    [[noreturn]] void run() {
        while (true) {
            const int count =
                epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), -1);
            for (int i = 0; i < count; ++i) {
                const auto& event = events_[static_cast<size_t>(i)];
                if (event.data.fd == listener_) {
                    accept_all();
                } else {
                    serve(event.data.fd, event.events);
                }
            }
        }
    }

  private:
    struct Peer {
        std::unique_ptr<FloorConnection> connection;
        bool waits_for_room = false;
    };

    void control(int operation, int descriptor, uint32_t events) {
        epoll_event event{};
        event.events = events;
        event.data.fd = descriptor;
        if (epoll_ctl(epoll_, operation, descriptor, &event) < 0) {
            fail("floor: epoll_ctl");
        }
    }

    void accept_all() {
        while (true) {
            const int descriptor = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
            if (descriptor < 0) {
                return;
            }
            peers_[descriptor].connection = options_.make(options_.answer);
            control(EPOLL_CTL_ADD, descriptor, EPOLLIN);
        }
    }

    void serve(int descriptor, uint32_t events) {
        Peer& peer = peers_[descriptor];
        if (((events & ~uint32_t{EPOLLOUT}) == 0 || read_once(descriptor, peer)) &&
            peer.connection->send_some(descriptor)) {
            const bool owes = peer.connection->owes();
            if (owes != peer.waits_for_room) {
                peer.waits_for_room = owes;
                control(EPOLL_CTL_MOD, descriptor, owes ? EPOLLIN | EPOLLOUT : EPOLLIN);
            }
            return;
        }
        close(descriptor);
        peers_.erase(descriptor);
    }

    // False when the client has gone or makes no sense.
    bool read_once(int descriptor, Peer& peer) {
        const ssize_t count = recv(descriptor, buffer_.data(), buffer_.size(), 0);
        if (count < 0) {
            return errno == EAGAIN;
        }
        return count > 0 &&
               peer.connection->take({buffer_.data(), static_cast<size_t>(count)});
    }

    const Options& options_;
    const int listener_;
    const int epoll_;
    std::array<epoll_event, kEventsPerTurn> events_{};
    std::vector<char> buffer_;
    std::unordered_map<int, Peer> peers_;
};

std::string read_file(const char* path) {
    std::ifstream file(path, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(file), {}};
    if (!file || bytes.empty()) {
        fail(path);
    }
    return bytes;
}

Options read_options(const std::vector<std::string>& arguments) {
    Options options;
    bool understood = arguments.size() >= 2 && arguments.size() % 2 == 0;
    if (understood) {
        understood = arguments[0] == "http" || arguments[0] == "grpc";
        options.make = arguments[0] == "http" ? make_http_connection : make_grpc_connection;
        options.answer = read_file(arguments[1].c_str());
    }
    for (size_t i = 2; i + 1 < arguments.size(); i += 2) {
        const auto value = std::strtoul(arguments[i + 1].c_str(), nullptr, 10);
        if (arguments[i] == "--port") {
            options.port = static_cast<uint16_t>(value);
        } else if (arguments[i] == "--threads" && value > 0) {
            options.threads = value;
        } else {
            understood = false;
        }
    }
    if (!understood) {
        std::fputs("usage: floor http|grpc ANSWER_FILE [--port P] [--threads N]\n", stderr);
        std::exit(2);
    }
    return options;
}

void run(Options options) {
    signal(SIGPIPE, SIG_IGN);  // a client that leaves early is an error of its socket alone
    std::vector<int> listeners;
    for (size_t i = 0; i < options.threads; ++i) {
        listeners.push_back(listen_on(options.port));
    }
    std::printf("ready %d\n", options.port);
    std::fflush(stdout);
    std::vector<std::thread> threads;
    for (int listener : listeners) {
        threads.emplace_back([&options, listener] { Loop(options, listener).run(); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}

}  // namespace
}  // namespace tritonpy::bench

int main(int argc, char** argv) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    tritonpy::bench::run(tritonpy::bench::read_options(arguments));
}
