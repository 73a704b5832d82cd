// Goal: connections spread evenly, a limit makes clients wait and not fail, and a process without
// descriptors neither spins nor loses anybody.
// Method: an acceptor on a loop that is turned by hand, with io threads and a protocol that does
// nothing; clients connect before anybody accepts, and wait in the backlog.
#include "frontend/acceptor.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <memory>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "frontend/bound_socket.h"
#include "frontend/loop_fixture.h"

namespace tritonpy {
namespace {

class SilentProtocol final : public Protocol {
  public:
    explicit SilentProtocol(Connection& connection) : connection_(connection) {}
    std::span<std::byte> read_space() override { return {}; }
    void on_bytes(std::span<const std::byte> /*bytes*/) override {}
    void on_end_of_input() override { connection_.close_now(); }
    void produce() override {}
    void on_timeout() override {}
    void on_shutdown() override {}
    void on_closed() override {}

  private:
    Connection& connection_;
};

std::unique_ptr<Protocol> make_silent(IoContext& /*context*/, Connection& connection) {
    return std::make_unique<SilentProtocol>(connection);
}

// Lowers the number of descriptors that the process may have, until it goes.
class FewDescriptors {
  public:
    explicit FewDescriptors(rlim_t count) {
        TRITONPY_CHECK(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
        rlimit few{count, before_.rlim_max};
        TRITONPY_CHECK(::setrlimit(RLIMIT_NOFILE, &few) == 0);
    }
    ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

  private:
    rlimit before_{};
};

// The number that the next descriptor gets.
rlim_t next_descriptor() {
    int probe = ::dup(STDERR_FILENO);
    TRITONPY_CHECK(probe >= 0);
    ::close(probe);
    return static_cast<rlim_t>(probe);
}

struct AcceptorTest : ::testing::Test {
    ManualClock clock;
    Log log;
    InferenceServer server{ServerOptions{}, clock, log};
    FrontendOptions options;
    ServerHealth health;
    HeldBytes held;
    ControlBridge bridge;
    OpenConnections open;
    EventLoop loop{clock};
    std::vector<std::unique_ptr<IoThread>> threads;
    BoundSocket bound;
    std::unique_ptr<Acceptor> acceptor;
    std::vector<std::unique_ptr<TestClient>> clients;

    AcceptorTest() {
        LogSettings quiet;
        quiet.warning = false;
        EXPECT_TRUE(log.configure(quiet).ok());
    }

    void SetUp() override { start_threads(1); }
    void TearDown() override {
        if (acceptor) {
            acceptor->stop();
        }
        stop_threads();
    }

    void start_threads(size_t count) {
        for (size_t index = threads.size(); index < count; ++index) {
            threads.push_back(std::make_unique<IoThread>(
                index, IoShared{server, clock, log, options, health, held, bridge, open}));
            threads.back()->start();
        }
    }
    void stop_threads() {
        for (const auto& thread : threads) {
            thread->stop();
            thread->join();
            thread->settle();
        }
        EXPECT_EQ(open.now(), 0u);
    }
    void accept(size_t max_connections) {
        auto listener = std::make_unique<Listener>(bound.release(), &make_silent, nullptr);
        acceptor = std::make_unique<Acceptor>(std::move(listener), threads, loop, open,
                                              max_connections, log);
        ASSERT_TRUE(acceptor->start().ok());
    }
    void connect(size_t count) {
        for (size_t index = 0; index < count; ++index) {
            clients.push_back(std::make_unique<TestClient>(bound.connect()));
        }
    }
    void leave(size_t index) {
        size_t before = open.now();
        clients[index]->close();
        while (open.now() == before) {
            std::this_thread::yield();
        }
    }
    std::vector<size_t> counts() const {
        std::vector<size_t> of_threads;
        for (const auto& thread : threads) {
            of_threads.push_back(thread->connection_count());
        }
        return of_threads;
    }
    void pass_the_pause() {
        clock.advance_ns(limits::kAcceptPauseNs);
        turns(loop, 3);
    }
};

TEST_F(AcceptorTest, connections_spread_evenly_over_the_threads) {
    start_threads(3);
    accept(1000);
    connect(30);
    turns(loop, 2);
    EXPECT_EQ(counts(), (std::vector<size_t>{10, 10, 10}));
}

TEST_F(AcceptorTest, a_new_connection_goes_where_most_have_left) {
    start_threads(3);
    accept(1000);
    connect(9);  // the first thread has the first, fourth and seventh
    turns(loop, 2);
    leave(0);
    leave(3);
    EXPECT_EQ(counts(), (std::vector<size_t>{1, 3, 3}));
    connect(2);
    turns(loop, 2);
    EXPECT_EQ(counts(), (std::vector<size_t>{3, 3, 3}));
}

TEST_F(AcceptorTest, a_turn_accepts_a_bounded_number) {
    accept(1000);
    connect(limits::kMaxAcceptsPerTurn + 3);
    turn(loop);
    EXPECT_EQ(open.now(), limits::kMaxAcceptsPerTurn);
    turn(loop);
    EXPECT_EQ(open.now(), limits::kMaxAcceptsPerTurn + 3);
}

TEST_F(AcceptorTest, clients_beyond_the_limit_wait_until_others_leave) {
    accept(4);
    connect(6);
    turns(loop, 3);
    EXPECT_EQ(open.now(), 4u);
    pass_the_pause();
    EXPECT_EQ(open.now(), 4u);
    leave(0);
    leave(1);
    turns(loop, 3);
    EXPECT_EQ(open.now(), 2u) << "nobody looks at the listener during a pause";
    pass_the_pause();
    EXPECT_EQ(open.now(), 4u);
}

TEST_F(AcceptorTest, a_process_without_descriptors_pauses_and_loses_nobody) {
    connect(6);
    accept(1000);
    {
        FewDescriptors few(next_descriptor() + 2);
        turns(loop, 3);
        EXPECT_EQ(open.now(), 2u);
        pass_the_pause();
        EXPECT_EQ(open.now(), 2u);
    }
    turns(loop, 3);
    EXPECT_EQ(open.now(), 2u) << "nobody looks at the listener during a pause";
    pass_the_pause();
    EXPECT_EQ(open.now(), 6u);
}

TEST_F(AcceptorTest, a_stopped_acceptor_has_closed_its_socket) {
    accept(1000);
    connect(1);
    turns(loop, 2);
    acceptor->stop();
    acceptor->stop();
    EXPECT_LT(bound.try_connect(), 0);
    EXPECT_EQ(open.now(), 1u) << "who was accepted stays";
}

TEST_F(AcceptorTest, an_acceptor_may_stop_while_it_pauses) {
    accept(1);
    connect(2);
    turns(loop, 2);
    acceptor->stop();
    EXPECT_LT(bound.try_connect(), 0);
    pass_the_pause();
    EXPECT_EQ(open.now(), 1u);
}

}  // namespace
}  // namespace tritonpy
