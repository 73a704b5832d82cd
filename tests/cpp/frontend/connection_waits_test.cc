// Goal: a connection waits for exactly what its transport asks for, keeps its share of a turn, and
// never forgets bytes that the transport holds where epoll does not see them.
// Method: a scripted transport in place of a socket's own; its descriptor is one end of a pair, so
// that the test decides when epoll calls.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "frontend/connection.h"
#include "frontend/loop_fixture.h"
#include "frontend/scripted_protocol.h"

namespace tritonpy {
namespace {

using Outcome = IoResult::Outcome;

// What the transport does: the test's to set. Reads and writes that are not scripted want more.
struct TransportScript {
    std::string held;                // bytes inside the transport
    size_t endless = 0;              // each read fills what it is given, so many bytes in all
    std::deque<Outcome> reads;       // outcomes that come before bytes do
    std::deque<Outcome> writes;
    std::string written;
    size_t read_calls = 0;
    size_t write_calls = 0;
    bool exhausts = false;
    bool shut_down = false;
    bool is_set_up = true;
};

class ScriptedTransport final : public Transport {
  public:
    ScriptedTransport(int descriptor, TransportScript& script)
        : descriptor_(descriptor), script_(script) {}
    ~ScriptedTransport() override { ::close(descriptor_); }

    int descriptor() const override { return descriptor_; }
    bool reads_exhaust() const override { return script_.exhausts; }
    bool is_set_up() const override { return script_.is_set_up; }
    void shutdown_write() override { script_.shut_down = true; }

    IoResult read(std::span<std::byte> into) override {
        ++script_.read_calls;
        if (!script_.reads.empty()) {
            return {take_first(script_.reads)};
        }
        if (script_.endless > 0) {
            const size_t count = std::min(script_.endless, into.size());
            script_.endless -= count;
            return {Outcome::kDone, count};
        }
        if (script_.held.empty()) {
            return {Outcome::kWantsRead};
        }
        const size_t count = std::min({script_.held.size(), into.size(), kRecord});
        std::memcpy(into.data(), script_.held.data(), count);
        script_.held.erase(0, count);
        return {Outcome::kDone, count};
    }
    IoResult write(std::span<const iovec> pieces) override {
        ++script_.write_calls;
        if (!script_.writes.empty()) {
            const Outcome outcome = take_first(script_.writes);
            if (outcome != Outcome::kDone) {
                return {outcome};
            }
        }
        size_t count = 0;
        for (const iovec& piece : pieces) {
            script_.written.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
            count += piece.iov_len;
        }
        return {Outcome::kDone, count};
    }

  private:
    static constexpr size_t kRecord = 4;

    static Outcome take_first(std::deque<Outcome>& outcomes) {
        const Outcome first = outcomes.front();
        outcomes.pop_front();
        return first;
    }

    const int descriptor_;
    TransportScript& script_;
};

class ConnectionWaitsTest : public ::testing::Test {
  protected:
    ~ConnectionWaitsTest() override {
        if (keeper.open_count() > 0) {
            connection.close_now();
            turn(loop);
        }
        EXPECT_EQ(record.closes, 1u);
    }
    // Makes the descriptor readable once, without bytes for the transport.
    void ring() { client.send("!"); }
    void silence() { TestClient(dup(ends.server)).take(); }
    void answer(std::string_view bytes) {
        connection.out().append(bytes);
        connection.request_flush();
    }

    ManualClock clock{1'000'000'000};
    EventLoop loop{clock};
    ConnectionKeeper keeper{loop};
    ProtocolRecord record;
    TransportScript script;
    SocketEnds ends = unix_sockets();
    TestClient client{ends.client};
    Connection& connection =
        keeper.open(std::make_unique<ScriptedTransport>(ends.server, script), kPatient,
                    [this](Connection&) { return std::make_unique<ScriptedProtocol>(record); });
};

TEST_F(ConnectionWaitsTest, short_read_is_the_last_where_it_tells_that_all_was_read) {
    script.exhausts = true;
    script.held = "all";
    ring();
    turn(loop);
    EXPECT_EQ(record.received, "all");
    EXPECT_EQ(script.read_calls, 1u);
}

TEST_F(ConnectionWaitsTest, short_read_is_followed_by_others_where_it_tells_nothing) {
    script.held = "several records";
    ring();
    turn(loop);
    silence();
    EXPECT_EQ(record.received, "several records");
    const size_t calls = script.read_calls;
    turns(loop, 3);
    EXPECT_EQ(script.read_calls, calls);
}

TEST_F(ConnectionWaitsTest, turn_has_its_share_and_the_rest_comes_without_an_event) {
    script.endless = 3 * limits::kMaxReadPerTurn + 5;
    ring();
    size_t most = 0;
    for (size_t before = 0; record.received.size() < 3 * limits::kMaxReadPerTurn + 5;
         before = record.received.size()) {
        turn(loop);
        silence();
        ASSERT_GT(record.received.size(), before);
        most = std::max(most, record.received.size() - before);
    }
    // A turn by hand ends twice, so that what the first end asks for may be done in the second.
    EXPECT_LE(most, 2 * limits::kMaxReadPerTurn);
}

TEST_F(ConnectionWaitsTest, own_space_does_not_widen_the_share) {
    script.exhausts = true;
    script.endless = 16 * limits::kMaxReadPerTurn;
    std::vector<std::byte> body(16 * limits::kMaxReadPerTurn);
    record.read_space = body;
    ring();
    turn(loop);
    EXPECT_EQ(record.received.size(), limits::kMaxReadPerTurn);
    turn(loop);
    EXPECT_EQ(record.received.size(), 2 * limits::kMaxReadPerTurn);
}

TEST_F(ConnectionWaitsTest, bytes_held_by_the_transport_come_when_reading_resumes) {
    record.on_bytes = [&](std::string_view) { connection.pause_reading(); };
    script.held = "onetwo";
    ring();
    turn(loop);
    silence();
    turns(loop, 2);
    EXPECT_EQ(record.received, "onet");
    connection.resume_reading();
    turn(loop);
    EXPECT_EQ(record.received, "onetwo");
}

TEST_F(ConnectionWaitsTest, bytes_held_by_the_transport_are_thrown_away_by_a_close) {
    record.on_bytes = [&](std::string_view) { connection.pause_reading(); };
    script.held = "onetwo";
    ring();
    turn(loop);
    connection.close_after_flush();
    turns(loop, 2);
    EXPECT_EQ(record.received, "onet");
    EXPECT_TRUE(script.held.empty());
    EXPECT_TRUE(script.shut_down);
}

TEST_F(ConnectionWaitsTest, read_that_waits_to_write_goes_on_when_the_socket_is_writable) {
    script.reads = {Outcome::kWantsWrite};
    script.held = "x";
    ring();
    turn(loop);
    silence();
    turn(loop);
    EXPECT_EQ(record.received, "x");
    const size_t calls = script.read_calls;
    turns(loop, 5);  // and is not asked again: it is writable all the time
    EXPECT_EQ(script.read_calls, calls);
}

TEST_F(ConnectionWaitsTest, write_that_waits_to_read_goes_on_when_the_socket_is_readable) {
    script.writes = {Outcome::kWantsRead};
    connection.pause_reading();
    answer("answer");
    turns(loop, 3);
    EXPECT_EQ(script.write_calls, 1u);
    ring();
    turns(loop, 2);
    EXPECT_EQ(script.written, "answer");
    EXPECT_EQ(script.read_calls, 0u);
}

TEST_F(ConnectionWaitsTest, refused_write_waits_for_room_and_then_rests) {
    script.writes = {Outcome::kWantsWrite};
    answer("answer");
    turns(loop, 3);
    EXPECT_EQ(script.written, "answer");
    EXPECT_EQ(script.write_calls, 2u);
    const size_t produced = record.produces;
    turns(loop, 5);
    EXPECT_EQ(record.produces, produced);
}

// Who counts what is unwritten hears when all of it has gone, though it has nothing to add.
TEST_F(ConnectionWaitsTest, protocol_is_asked_again_when_the_socket_has_taken_what_it_refused) {
    script.writes = {Outcome::kWantsWrite};
    std::vector<size_t> unwritten;  // at each call
    record.on_produce = [&] { unwritten.push_back(connection.out().size()); };
    answer("answer");
    turns(loop, 3);
    EXPECT_EQ(script.written, "answer");
    EXPECT_EQ(unwritten, (std::vector<size_t>{6, 6, 0}));
}

TEST_F(ConnectionWaitsTest, failed_write_closes) {
    script.writes = {Outcome::kFailed};
    answer("answer");
    turn(loop);
    EXPECT_EQ(keeper.closed_count(), 1u);
}

TEST_F(ConnectionWaitsTest, failed_read_closes) {
    script.reads = {Outcome::kFailed};
    ring();
    turn(loop);
    EXPECT_EQ(keeper.closed_count(), 1u);
    EXPECT_EQ(record.ends, 0u);
}

// Counts how often a loop looks at it: a few times each turn.
class CountingClock final : public Clock {
  public:
    int64_t now_ns() const override {
        looks.fetch_add(1);
        return steady.now_ns();
    }
    SteadyClock steady;
    mutable std::atomic<int> looks{0};
};

// A few turns are right. A loop that epoll keeps awake makes thousands in that time.
TEST(PausedConnection, costs_no_turns_while_its_client_sends_and_ends) {
    CountingClock clock;
    EventLoop loop(clock);
    ConnectionKeeper keeper(loop);
    ProtocolRecord record;
    const SocketEnds ends = unix_sockets();
    TestClient client(ends.client);
    Connection& connection =
        keeper.open(make_plain_transport(ends.server), kPatient,
                    [&](Connection&) { return std::make_unique<ScriptedProtocol>(record); });
    struct Alarm final : Timer::Handler {
        explicit Alarm(EventLoop& its_loop) : loop(its_loop) {}
        void on_timer(Timer&) override { loop.stop(); }
        EventLoop& loop;
        Timer timer{*this};
    } alarm(loop);
    connection.pause_reading();
    client.send("more");
    client.finish();
    loop.timers().arm(alarm.timer, clock.now_ns() + 20'000'000);
    const int before = clock.looks.load();
    loop.run();
    EXPECT_LT(clock.looks.load() - before, 100);
    EXPECT_EQ(record.received, "");
    connection.close_now();
    turn(loop);
}

// A handshake may take as long as a request; once it has ended, only idleness ends the connection.
TEST(ConnectionSetUpTest, handshake_that_does_not_end_is_cut_off) {
    for (bool ends_in_time : {false, true}) {
        ManualClock clock{1'000'000'000};
        EventLoop loop{clock};
        ConnectionKeeper keeper{loop};
        ProtocolRecord record;
        TransportScript script;
        script.is_set_up = false;
        SocketEnds ends = unix_sockets();
        TestClient client{ends.client};
        Connection& connection =
            keeper.open(std::make_unique<ScriptedTransport>(ends.server, script), kPatient,
                        [&](Connection&) { return std::make_unique<ScriptedProtocol>(record); });
        clock.advance_ns(kPatient.request_ns / 2);
        turn(loop);
        script.is_set_up = ends_in_time;
        clock.advance_ns(kPatient.request_ns);
        turns(loop, 2);
        EXPECT_EQ(keeper.open_count(), ends_in_time ? 1u : 0u);
        clock.advance_ns(kPatient.idle_ns);
        turns(loop, 2);
        EXPECT_EQ(record.timeouts, ends_in_time ? 1u : 0u);
        if (keeper.open_count() > 0) {
            connection.close_now();
            turn(loop);
        }
        EXPECT_EQ(record.closes, 1u);
    }
}

}  // namespace
}  // namespace tritonpy
