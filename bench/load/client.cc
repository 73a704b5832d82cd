// client http|grpc PORT REQUEST_FILE [options]: offers a load to a server on 127.0.0.1.
//
// Holds --connections open with --streams calls in flight on each, always the same request. Warms
// up for --warm-up seconds and waits for all answers; prints "warm"; begins when a line comes on
// stdin; runs for --seconds and again waits for all answers, so that it and the server count the
// same ones; prints what it saw as one line of JSON; keeps its connections until stdin ends.
//
// One thread, one epoll loop, level-triggered. Exits with 1 and a reason when a connection cannot
// be made or breaks, an answer is not the right one, or a connection gets none: then the load was
// not offered. A run that takes much longer than asked for is killed by SIGALRM.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>

#include "client_connection.h"

namespace tritonpy::bench {
namespace {

constexpr size_t kReadSize = 256 * 1024;
constexpr size_t kEventsPerTurn = 256;
constexpr int kTurnMs = 10;          // how often the clock is looked at when nothing comes
constexpr unsigned kGraceSeconds = 30;

struct Options {
    std::unique_ptr<ClientConnection> (*make)(Load&) = nullptr;
    uint16_t port = 0;
    size_t connections = 1;
    double seconds = 1;
    double warm_up = 0.2;
};

[[noreturn]] void fail(const std::string& why) {
    std::fprintf(stderr, "client: %s\n", why.c_str());
    std::exit(1);
}

int64_t clock_ns(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

int connect_to(uint16_t port) {
    const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
        fail("cannot connect to port " + std::to_string(port));
    }
    fcntl(descriptor, F_SETFL, O_NONBLOCK);
    return descriptor;
}

// All connections, and the loop that serves them.
// Threads: confined to the main thread.
class Clients {
  public:
    Clients(const Options& options, Load& load)
        : load_(load), epoll_(epoll_create1(0)), buffer_(kReadSize) {
        for (size_t i = 0; i < options.connections; ++i) {
            peers_.push_back({connect_to(options.port), options.make(load), false});
        }
        for (size_t i = 0; i < peers_.size(); ++i) {
            control(EPOLL_CTL_ADD, i, EPOLLIN);
        }
    }

    // Keeps the calls in flight for so long, then waits for their answers.
    void run(double seconds) {
        const int64_t end = now_ns() + static_cast<int64_t>(seconds * 1e9);
        std::vector<size_t> before;
        load_.paused = false;
        for (size_t i = 0; i < peers_.size(); ++i) {
            before.push_back(peers_[i].client->answers());
            peers_[i].client->begin();
            send_some(i);
        }
        while (!load_.paused || any_in_flight()) {
            turn();
            load_.paused = load_.paused || now_ns() >= end;
        }
        for (size_t i = 0; i < peers_.size(); ++i) {
            if (peers_[i].client->answers() == before[i]) {
                fail("a connection got no answer");
            }
        }
    }

  private:
    struct Peer {
        int descriptor;
        std::unique_ptr<ClientConnection> client;
        bool waits_for_room;
    };

    void control(int operation, size_t index, uint32_t events) {
        epoll_event event{};
        event.events = events;
        event.data.u64 = index;
        epoll_ctl(epoll_, operation, peers_[index].descriptor, &event);
    }

    bool any_in_flight() const {
        return std::any_of(peers_.begin(), peers_.end(),
                           [](const Peer& peer) { return peer.client->in_flight() > 0; });
    }

    void turn() {
        std::array<epoll_event, kEventsPerTurn> events;
        const int count =
            epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), kTurnMs);
        for (int i = 0; i < count; ++i) {
            const epoll_event& event = events[static_cast<size_t>(i)];
            if ((event.events & ~uint32_t{EPOLLOUT}) != 0) {
                receive(event.data.u64);
            }
            send_some(event.data.u64);
        }
    }

    void receive(size_t index) {
        Peer& peer = peers_[index];
        const ssize_t count = recv(peer.descriptor, buffer_.data(), buffer_.size(), 0);
        if (count == 0 || (count < 0 && errno != EAGAIN)) {
            fail("the server closed a connection");
        }
        if (count > 0 && !peer.client->take({buffer_.data(), static_cast<size_t>(count)})) {
            fail("not the answer that there should be: " + peer.client->error());
        }
    }

    void send_some(size_t index) {
        Peer& peer = peers_[index];
        if (!peer.client->send_some(peer.descriptor)) {
            fail("the server broke a connection");
        }
        if (peer.client->owes() != peer.waits_for_room) {
            peer.waits_for_room = !peer.waits_for_room;
            control(EPOLL_CTL_MOD, index, peer.waits_for_room ? EPOLLIN | EPOLLOUT : EPOLLIN);
        }
    }

    Load& load_;
    const int epoll_;
    std::vector<Peer> peers_;
    std::vector<char> buffer_;
};

// REQUIRES: there are latencies, which are put in order.
double percentile_us(std::vector<uint32_t>& latencies_ns, double part) {
    const auto rank = static_cast<size_t>(part * static_cast<double>(latencies_ns.size() - 1));
    const auto found = latencies_ns.begin() + static_cast<ptrdiff_t>(rank);
    std::nth_element(latencies_ns.begin(), found, latencies_ns.end());
    return *found / 1e3;
}

void measure(const Options& options, Load& load) {
    const auto limit = static_cast<unsigned>(options.warm_up + options.seconds) + kGraceSeconds;
    alarm(limit);
    Clients clients(options, load);
    clients.run(options.warm_up);
    alarm(0);
    std::puts("warm");
    std::fflush(stdout);
    std::getchar();

    alarm(limit);
    load.latencies_ns.clear();
    const int64_t begin = now_ns();
    const int64_t cpu_begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    clients.run(options.seconds);
    const auto cpu_ns = static_cast<double>(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_begin);
    const auto elapsed_ns = static_cast<double>(now_ns() - begin);
    alarm(0);
    const double p50 = percentile_us(load.latencies_ns, 0.50);
    const double p99 = percentile_us(load.latencies_ns, 0.99);
    std::printf("{\"answers\": %zu, \"seconds\": %.6f, \"p50_us\": %.1f, \"p99_us\": %.1f, "
                "\"cpu_seconds\": %.6f}\n",
                load.latencies_ns.size(), elapsed_ns / 1e9, p50, p99, cpu_ns / 1e9);
    std::fflush(stdout);
    while (std::getchar() != EOF) {
    }
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(file), {}};
    if (!file || bytes.empty()) {
        fail("cannot read " + path);
    }
    return bytes;
}

bool read_option(const std::string& name, const std::string& value, Options& options, Load& load) {
    if (name == "--connections") {
        options.connections = std::strtoul(value.c_str(), nullptr, 10);
    } else if (name == "--streams") {
        load.streams = std::strtoul(value.c_str(), nullptr, 10);
    } else if (name == "--seconds") {
        options.seconds = std::strtod(value.c_str(), nullptr);
    } else if (name == "--warm-up") {
        options.warm_up = std::strtod(value.c_str(), nullptr);
    } else if (name == "--path") {
        load.path = value;
    } else {
        return false;
    }
    return true;
}

int run(const std::vector<std::string>& arguments) {
    Options options;
    Load load;
    bool understood = arguments.size() >= 3 && arguments.size() % 2 == 1 &&
                      (arguments[0] == "http" || arguments[0] == "grpc");
    for (size_t i = 3; understood && i < arguments.size(); i += 2) {
        understood = read_option(arguments[i], arguments[i + 1], options, load);
    }
    if (!understood) {
        std::fputs("usage: client http|grpc PORT REQUEST_FILE [--connections N] [--streams N] "
                   "[--seconds S] [--warm-up S] [--path /SERVICE/METHOD]\n",
                   stderr);
        return 2;
    }
    options.make = arguments[0] == "http" ? make_http_client : make_grpc_client;
    options.port = static_cast<uint16_t>(std::strtoul(arguments[1].c_str(), nullptr, 10));
    load.authority = "127.0.0.1:" + arguments[1];
    load.request = read_file(arguments[2]);
    signal(SIGPIPE, SIG_IGN);
    measure(options, load);
    return 0;
}

}  // namespace

int64_t now_ns() { return clock_ns(CLOCK_MONOTONIC); }

}  // namespace tritonpy::bench

int main(int argc, char** argv) {
    return tritonpy::bench::run(std::vector<std::string>(argv + 1, argv + argc));
}
