// Goal: bytes reach the protocol and its output the client, in fair shares, whatever the client
// does; and every way to end is one on_closed, one word to the owner, and no descriptor left.
// Method: a scripted protocol on a loop that is turned by hand, the client's end of a socket in the
// test's own hands, and a clock that moves when told.
#include "frontend/connection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "frontend/loop_fixture.h"
#include "frontend/scripted_protocol.h"

namespace tritonpy {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

class ConnectionTest : public ::testing::Test {
  protected:
    // Every connection that was opened has ended once, and nothing was said afterwards.
    ~ConnectionTest() override {
        client.reset();
        if (keeper.open_count() > 0) {
            connection->close_now();
            turn(loop);
        }
        EXPECT_EQ(record.closes, opened ? 1u : 0u);
        EXPECT_EQ(record.frees, opened ? 1u : 0u);
        EXPECT_EQ(keeper.closed_count(), opened ? 1u : 0u);
        EXPECT_FALSE(record.heard_after_close);
    }

    void open(SocketEnds ends = unix_sockets(), Connection::Timeouts timeouts = kPatient) {
        client.emplace(ends.client);
        opened = true;
        connection = &keeper.open(make_plain_transport(ends.server), timeouts,
                                  [&](Connection&) {
                                      return std::make_unique<ScriptedProtocol>(record);
                                  });
        turn(loop);
    }
    void answer(std::string_view bytes) {
        connection->out().append(bytes);
        connection->request_flush();
    }
    bool is_closed() const { return keeper.closed_count() == 1; }

    // Fills the socket, then leaves some output unwritten.
    std::string answer_more_than_fits() {
        std::string all;
        while (connection->out().empty()) {
            const std::string part(1 << 20, static_cast<char>('a' + all.size() / (1 << 20) % 26));
            all += part;
            answer(part);
            turn(loop);
        }
        return all;
    }
    std::string take_all(size_t size) {
        std::string taken;
        while (taken.size() < size && !client->at_end()) {
            taken += client->take();
            turn(loop);
        }
        return taken;
    }

    ManualClock clock{kSecond};
    EventLoop loop{clock};
    ConnectionKeeper keeper{loop};
    ProtocolRecord record;
    std::optional<TestClient> client;
    Connection* connection = nullptr;
    bool opened = false;
};

TEST_F(ConnectionTest, bytes_go_to_the_protocol_and_answers_to_the_client) {
    open();
    record.on_bytes = [&](std::string_view) { answer("pong"); };
    client->send("ping");
    turn(loop);
    EXPECT_EQ(record.received, "ping");
    EXPECT_EQ(client->take(), "pong");
    EXPECT_FALSE(is_closed());
}

TEST_F(ConnectionTest, answers_of_one_turn_are_flushed_once_and_produce_ends_by_adding_nothing) {
    open();
    const size_t produced = record.produces;
    loop.post([&] {
        answer("one ");
        answer("two ");
        answer("three");
    });
    turn(loop);
    EXPECT_EQ(client->take(), "one two three");
    EXPECT_EQ(record.produces, produced + 1);
}

TEST_F(ConnectionTest, protocol_produces_until_it_has_no_more) {
    open();
    int left = 5;
    record.on_produce = [&] {
        if (left > 0) {
            --left;
            connection->out().append("piece ");
        }
    };
    connection->request_flush();
    turn(loop);
    EXPECT_EQ(client->take(), "piece piece piece piece piece ");
}

TEST_F(ConnectionTest, large_bodies_are_read_where_the_protocol_wants_them) {
    open();
    std::vector<std::byte> body(300'000);
    std::string sent;
    for (size_t i = 0; i < body.size(); ++i) {
        sent += static_cast<char>('a' + i % 23);
    }
    record.read_space = body;
    for (size_t at = 0; at < sent.size(); at += 50'000) {
        client->send(std::string_view(sent).substr(at, 50'000));
        turn(loop);
    }
    turns(loop, 3);
    EXPECT_TRUE(record.read_space.empty());
    EXPECT_TRUE(record.received == sent);
    EXPECT_TRUE(std::equal(body.begin(), body.end(), std::as_bytes(std::span(sent)).begin()));
    client->send("next");
    turn(loop);
    EXPECT_EQ(record.received.substr(sent.size()), "next");
}

TEST_F(ConnectionTest, one_turn_reads_no_more_than_its_share) {
    open();
    std::string sent;
    while (const size_t count = client->try_send(std::string(100'000, 'x'))) {
        sent.append(count, 'x');
    }
    size_t turns_taken = 0;
    std::vector<std::byte> body(64 << 20);
    record.read_space = body;
    while (record.received.size() < sent.size()) {
        const size_t before = record.received.size();
        turn(loop);
        ++turns_taken;
        EXPECT_LE(record.received.size() - before, limits::kMaxReadPerTurn);
    }
    EXPECT_GE(turns_taken, 1u);
    EXPECT_TRUE(record.received == sent);
}

TEST_F(ConnectionTest, paused_connection_reads_nothing_until_resumed) {
    open();
    record.on_bytes = [&](std::string_view) { connection->pause_reading(); };
    client->send("one");
    turn(loop);
    client->send("two");
    client->finish();
    turns(loop, 5);
    EXPECT_EQ(record.received, "one");
    EXPECT_EQ(record.ends, 0u);
    record.on_bytes = nullptr;
    connection->resume_reading();
    turns(loop, 2);
    EXPECT_EQ(record.received, "onetwo");
    EXPECT_EQ(record.ends, 1u);
}

TEST_F(ConnectionTest, pause_inside_on_bytes_stops_a_read_that_could_go_on) {
    open();
    record.on_bytes = [&](std::string_view) { connection->pause_reading(); };
    client->send(std::string(limits::kReadSize * 2, 'x'));
    turns(loop, 3);
    EXPECT_EQ(record.reads, 1u);
    connection->resume_reading();
    turns(loop, 3);
    EXPECT_EQ(record.reads, 2u);
}

TEST_F(ConnectionTest, end_of_input_comes_after_the_last_byte_once_and_leaves_the_way_back_open) {
    open();
    record.on_end = [&] { answer("last answer"); };
    client->send("last words");
    client->finish();
    turns(loop, 5);
    EXPECT_EQ(record.received, "last words");
    EXPECT_EQ(record.ends, 1u);
    EXPECT_EQ(client->take(), "last answer");
    EXPECT_FALSE(is_closed());
    connection->close_after_flush();
    turn(loop);
    EXPECT_TRUE(is_closed());
    client->take();
    EXPECT_TRUE(client->at_end());
    EXPECT_FALSE(client->was_reset());
}

TEST_F(ConnectionTest, bytes_of_a_client_that_has_gone_are_heard_before_the_connection_closes) {
    open();
    client->send("fire and forget");
    client->close();
    turns(loop, 3);
    EXPECT_EQ(record.received, "fire and forget");
    EXPECT_EQ(record.ends, 1u);
    EXPECT_TRUE(is_closed());
}

TEST_F(ConnectionTest, reset_closes_at_once_also_while_paused) {
    open(tcp_sockets());
    connection->pause_reading();
    client->reset();
    turn_until(loop, [&] { return is_closed(); });
    EXPECT_EQ(record.ends, 0u);
}

TEST_F(ConnectionTest, reset_while_reading_closes) {
    open(tcp_sockets());
    client->send("x");
    turn_until(loop, [&] { return record.received == "x"; });
    client->reset();
    turn_until(loop, [&] { return is_closed(); });
}

TEST_F(ConnectionTest, client_that_closed_while_paused_is_found_out_by_the_answer) {
    open(tcp_sockets());
    client->send("x");
    turn_until(loop, [&] { return record.received == "x"; });
    connection->pause_reading();
    client->close();  // to TCP no more than a half-close, until something is sent
    turn_until(loop, [&] {
        if (!is_closed()) {
            answer("answer");
        }
        return is_closed();
    });
    EXPECT_EQ(record.ends, 0u);
}

TEST_F(ConnectionTest, slow_reader_gets_all_and_holds_the_protocol_back_meanwhile) {
    open();
    const std::string sent = answer_more_than_fits();
    EXPECT_TRUE(connection->is_backed_up() || connection->out().size() < limits::kMaxUnwritten);
    const size_t produced = record.produces;
    connection->request_flush();
    turns(loop, 3);
    EXPECT_EQ(record.produces, produced);  // the socket is full
    EXPECT_TRUE(take_all(sent.size()) == sent);
    EXPECT_GT(record.produces, produced);
    EXPECT_TRUE(connection->out().empty());
    EXPECT_FALSE(connection->is_backed_up());
}

TEST_F(ConnectionTest, endless_producer_does_not_keep_the_loop_for_itself) {
    open();
    size_t produced = 0;
    bool on = true;
    record.on_produce = [&] {
        if (on) {
            connection->out().append(std::string(100'000, 'x'));
            produced += 100'000;
            client->take();  // a client that is always faster
        }
    };
    connection->request_flush();
    turn(loop);
    const size_t first = produced;
    EXPECT_GE(first, limits::kMaxWrittenPerTurn);
    EXPECT_LE(first, 3 * limits::kMaxWrittenPerTurn);
    turn(loop);
    EXPECT_GT(produced, first);  // it goes on by itself
    on = false;
}

TEST_F(ConnectionTest, write_to_a_client_that_has_gone_closes) {
    open(tcp_sockets());
    connection->pause_reading();
    answer_more_than_fits();
    client->reset();
    turn_until(loop, [&] { return is_closed(); });
}

TEST_F(ConnectionTest, close_after_flush_writes_all_lingers_for_the_client_and_closes_at_its_fin) {
    open();
    record.on_bytes = [&](std::string_view) {
        answer("error");
        connection->close_after_flush();
    };
    client->send("bad request");
    turn(loop);
    EXPECT_EQ(client->take(), "error");
    EXPECT_TRUE(client->at_end());
    client->send("and its endless body");  // unread, it would turn the close into a reset
    turn(loop);
    EXPECT_EQ(record.received, "bad request");
    EXPECT_FALSE(is_closed());
    client->finish();
    turn(loop);
    EXPECT_TRUE(is_closed());
    EXPECT_EQ(record.ends, 0u);
    client->take();
    EXPECT_FALSE(client->was_reset());
}

TEST_F(ConnectionTest, client_that_sends_all_before_it_reads_is_not_held_up_by_the_close) {
    open();
    record.on_bytes = [&](std::string_view) {
        if (!connection->is_backed_up()) {
            connection->out().append(std::string(2 << 20, 'x'));
            connection->close_after_flush();
        }
    };
    client->send("start");
    turn(loop);
    size_t sent = 0;
    while (sent < (4 << 20)) {
        sent += client->try_send(std::string(100'000, 'y'));
        turn(loop);
    }
    EXPECT_EQ(record.received, "start");
    EXPECT_EQ(take_all(2 << 20).size(), size_t{2} << 20);
}

TEST_F(ConnectionTest, lingering_ends_when_its_time_is_over) {
    open();
    connection->close_after_flush();
    turn(loop);
    client->take();
    EXPECT_TRUE(client->at_end());
    clock.advance_ns(limits::kLingerNs - 1'000'000);
    turn(loop);
    EXPECT_FALSE(is_closed());
    clock.advance_ns(1'000'000);
    turn(loop);
    EXPECT_TRUE(is_closed());
}

TEST_F(ConnectionTest, client_that_never_reads_its_last_answer_is_cut) {
    open();
    answer_more_than_fits();
    connection->close_after_flush();
    turn(loop);
    clock.advance_ns(limits::kClosingWindowNs - 1'000'000);
    turn(loop);
    EXPECT_FALSE(is_closed());
    clock.advance_ns(1'000'000);
    turn(loop);
    EXPECT_TRUE(is_closed());
}

TEST_F(ConnectionTest, client_that_reads_its_last_answer_slowly_gets_all_of_it) {
    open();
    const std::string sent = answer_more_than_fits() + std::string(3 << 20, 'z');
    answer(std::string(3 << 20, 'z'));
    connection->close_after_flush();
    std::string taken;
    while (!client->at_end()) {
        std::array<char, 50'000> part;
        const ssize_t count = ::recv(client->descriptor(), part.data(), part.size(), MSG_DONTWAIT);
        ASSERT_GE(count, 0);
        taken.append(part.data(), static_cast<size_t>(count));
        clock.advance_ns(limits::kClosingWindowNs / 2);
        turn(loop);
        if (count == 0) {
            break;
        }
    }
    EXPECT_TRUE(taken == sent);
}

TEST_F(ConnectionTest, close_after_flush_waits_for_what_the_protocol_still_produces) {
    open();
    bool goodbye = true;
    record.on_produce = [&] {
        if (std::exchange(goodbye, false)) {
            connection->out().append("goodbye");
        }
    };
    goodbye = true;
    connection->close_after_flush();
    turn(loop);
    EXPECT_EQ(client->take(), "goodbye");
    EXPECT_TRUE(client->at_end());
}

TEST_F(ConnectionTest, idle_connection_times_out_and_activity_moves_that) {
    open(unix_sockets(), {10 * kSecond, 60 * kSecond});
    record.on_timeout = [&] { connection->close_after_flush(); };
    clock.advance_ns(9 * kSecond);
    client->send("x");
    turn(loop);
    clock.advance_ns(9 * kSecond);
    answer("y");
    turns(loop, 2);
    clock.advance_ns(10 * kSecond - 1'000'000);
    turn(loop);
    EXPECT_EQ(record.timeouts, 0u);
    clock.advance_ns(1'000'000);
    turns(loop, 2);
    EXPECT_EQ(record.timeouts, 1u);
    client->take();
    EXPECT_TRUE(client->at_end());
}

TEST_F(ConnectionTest, busy_connection_is_not_idle_and_counts_from_the_end_of_its_work) {
    open(unix_sockets(), {10 * kSecond, 60 * kSecond});
    connection->set_busy(true);
    clock.advance_ns(100 * kSecond);
    turns(loop, 2);
    connection->set_busy(false);
    clock.advance_ns(9 * kSecond);
    turn(loop);
    EXPECT_EQ(record.timeouts, 0u);
    clock.advance_ns(10 * kSecond);
    turn(loop);
    EXPECT_EQ(record.timeouts, 1u);
}

TEST_F(ConnectionTest, request_that_trickles_times_out_and_one_that_flows_does_not) {
    open(unix_sockets(), {3600 * kSecond, 60 * kSecond});
    const std::string enough(60 * limits::kMinRequestBytesPerSecond, 'x');
    connection->expect_more(true);
    client->send(enough);
    turn(loop);
    clock.advance_ns(60 * kSecond);
    turn(loop);
    EXPECT_EQ(record.timeouts, 0u);  // it kept coming
    client->send(std::string_view(enough).substr(1));
    turn(loop);
    clock.advance_ns(60 * kSecond - 1'000'000);
    connection->expect_more(true);  // already so: the time runs on
    turn(loop);
    EXPECT_EQ(record.timeouts, 0u);
    clock.advance_ns(1'000'000);
    turn(loop);
    EXPECT_EQ(record.timeouts, 1u);
}

TEST_F(ConnectionTest, whole_request_stops_the_time_and_a_paused_one_is_not_blamed) {
    open(unix_sockets(), {3600 * kSecond, 60 * kSecond});
    connection->expect_more(true);
    connection->pause_reading();
    clock.advance_ns(61 * kSecond);
    turn(loop);
    connection->resume_reading();
    clock.advance_ns(59 * kSecond);
    turn(loop);
    connection->expect_more(false);
    clock.advance_ns(100 * kSecond);
    turn(loop);
    EXPECT_EQ(record.timeouts, 0u);
}

TEST_F(ConnectionTest, protocol_may_close_in_every_call) {
    const std::vector<std::function<void()>*> calls{
        nullptr, &record.on_end, &record.on_produce, &record.on_timeout, &record.on_shutdown};
    for (std::function<void()>* call : calls) {
        ProtocolRecord fresh;
        std::swap(record, fresh);
        ConnectionKeeper own_keeper(loop);
        const SocketEnds ends = unix_sockets();
        TestClient own_client(ends.client);
        Connection& own = own_keeper.open(
            make_plain_transport(ends.server), {kSecond, kSecond},
            [&](Connection&) { return std::make_unique<ScriptedProtocol>(record); });
        if (call == nullptr) {
            record.on_bytes = [&](std::string_view) { own.close_now(); };
        } else {
            *call = [&] { own.close_now(); };
        }
        own.out().append("something unwritten");
        own_client.send("x");
        own_client.finish();
        turns(loop, 2);
        if (own_keeper.closed_count() == 0) {
            own.request_flush();
            turn(loop);
        }
        if (own_keeper.closed_count() == 0) {
            own.protocol().on_shutdown();
        }
        if (own_keeper.closed_count() == 0) {
            clock.advance_ns(kSecond);
        }
        turns(loop, 2);
        EXPECT_EQ(own_keeper.closed_count(), 1u);
        EXPECT_EQ(record.closes, 1u);
        EXPECT_EQ(record.frees, 1u);
        EXPECT_FALSE(record.heard_after_close);
        record = ProtocolRecord{};
    }
}

TEST_F(ConnectionTest, everything_is_harmless_on_a_connection_that_has_closed) {
    open();
    loop.post([&] {
        connection->close_now();
        EXPECT_TRUE(connection->closed());
        connection->close_now();
        connection->close_after_flush();
        connection->request_flush();
        connection->pause_reading();
        connection->resume_reading();
        connection->expect_more(true);
        connection->set_busy(true);
    });
    turns(loop, 2);
    clock.advance_ns(kPatient.idle_ns);
    turns(loop, 2);
    EXPECT_TRUE(is_closed());
}

TEST_F(ConnectionTest, connection_that_cannot_be_watched_does_not_start) {
    Connection unstarted(loop, make_plain_transport(-1), keeper, kPatient);
    ProtocolRecord unheard;
    const Status status = unstarted.start(std::make_unique<ScriptedProtocol>(unheard));
    EXPECT_EQ(status.code(), StatusCode::kUnavailable);
    EXPECT_EQ(unheard.frees, 1u);
    EXPECT_EQ(unheard.closes, 0u);
}

TEST_F(ConnectionTest, connection_that_goes_without_closing_tells_its_protocol) {
    const SocketEnds ends = unix_sockets();
    TestClient own_client(ends.client);
    ProtocolRecord heard;
    {
        Connection own(loop, make_plain_transport(ends.server), keeper, kPatient);
        ASSERT_TRUE(own.start(std::make_unique<ScriptedProtocol>(heard)).ok());
        own.request_flush();
    }
    EXPECT_EQ(heard.closes, 1u);
    EXPECT_EQ(keeper.closed_count(), 0u);
    turn(loop);
    own_client.take();
    EXPECT_TRUE(own_client.at_end());
}

}  // namespace
}  // namespace tritonpy
