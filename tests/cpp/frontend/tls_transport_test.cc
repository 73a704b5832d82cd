// Goal: a connection through TLS behaves as a plain one: everything arrives, in both directions,
// whatever is paused, blocked, cut or garbled; and small pieces share a record.
// Method: a scripted protocol on a loop that is turned by hand, against a TLS client of OpenSSL's
// whose bytes the test moves (and so can count, cut and garble).
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "frontend/connection.h"
#include "frontend/loop_fixture.h"
#include "frontend/scripted_protocol.h"
#include "frontend/test_certificates.h"
#include "frontend/tls_context.h"
#include "frontend/tls_test_client.h"

namespace tritonpy {
namespace {

// One for all tests: making keys takes longer than a test.
TlsContext& shared_context() {
    static const std::unique_ptr<TlsContext> context = [] {
        const PemFolder folder;
        const Identity server = make_identity("server");
        return std::move(TlsContext::make({folder.write_certificate("server.pem", server),
                                           folder.write_key("server.key", server), "", false},
                                          "http/1.1"))
            .value();
    }();
    return *context;
}

std::string text_of(size_t size) {
    std::string text;
    for (size_t i = 0; i < size; ++i) {
        text += static_cast<char>('a' + (i * 7 + i / 1000) % 26);
    }
    return text;
}

class TlsTransportTest : public ::testing::Test {
  protected:
    ~TlsTransportTest() override {
        socket.close();
        if (keeper.open_count() > 0) {
            connection->close_now();
            turn(loop);
        }
        EXPECT_EQ(record.closes, 1u);
        EXPECT_EQ(record.frees, 1u);
        EXPECT_FALSE(record.heard_after_close);
    }

    Connection& open() {
        return keeper.open(std::move(shared_context().make_transport(ends.server)).value(),
                           kPatient, [this](Connection&) {
                               return std::make_unique<ScriptedProtocol>(record);
                           });
    }
    void shake_hands() {
        client.start();
        for (int step = 0; step < 5; ++step) {
            turn(loop);
            client.pump();
        }
        ASSERT_TRUE(client.connected()) << client.error();
    }
    void answer(std::string_view bytes) {
        connection->out().append(bytes);
        connection->request_flush();
    }
    bool is_closed() const { return keeper.closed_count() == 1; }

    ManualClock clock{1'000'000'000};
    EventLoop loop{clock};
    ConnectionKeeper keeper{loop};
    ProtocolRecord record;
    SocketEnds ends = unix_sockets();
    TestClient socket{ends.client};
    TlsTestClient client{socket};
    Connection* connection = &open();
};

TEST_F(TlsTransportTest, bytes_go_both_ways) {
    shake_hands();
    record.on_bytes = [&](std::string_view) { answer("pong"); };
    client.send("ping");
    turn(loop);
    EXPECT_EQ(record.received, "ping");
    EXPECT_EQ(client.take(), "pong");
}

TEST_F(TlsTransportTest, output_made_before_the_handshake_follows_it) {
    answer("hello from the server");
    shake_hands();
    EXPECT_EQ(client.take(), "hello from the server");
}

TEST_F(TlsTransportTest, request_that_comes_with_the_end_of_the_handshake_is_heard) {
    client.start();
    turn(loop);
    client.pump();  // says Finished
    client.send("early");
    turn(loop);
    EXPECT_EQ(record.received, "early");
}

TEST_F(TlsTransportTest, large_bodies_arrive_whole_both_ways) {
    shake_hands();
    const std::string sent = text_of(5 << 20);
    std::vector<std::byte> body(sent.size());
    record.read_space = body;
    client.send(sent);
    while (record.received.size() < sent.size()) {
        turn(loop);
        client.pump();
    }
    EXPECT_TRUE(record.received == sent);
    EXPECT_TRUE(record.read_space.empty());
    answer(sent);
    std::string taken;
    while (taken.size() < sent.size()) {
        turn(loop);
        taken += client.take();
    }
    EXPECT_TRUE(taken == sent);
}

// The record that the blocked socket has half taken is offered again unchanged, though what lies
// behind it in the queue has been cut and put together differently meanwhile.
TEST_F(TlsTransportTest, blocked_output_goes_on_where_it_stopped) {
    shake_hands();
    std::string sent;
    std::string taken;
    const std::string large = text_of(300'000);
    for (int round = 0; round < 40; ++round) {
        const std::string small = text_of(100 + static_cast<size_t>(round) * 37);
        const auto owned = std::make_shared<const std::string>(text_of(5'000));
        answer(small);
        connection->out().append(std::as_bytes(std::span(*owned)), owned);
        connection->out().append(small);
        sent += small + *owned + small;
        if (round % 8 == 0) {
            answer(large);
            sent += large;
        }
        turn(loop);
        if (round % 10 == 9) {
            taken += client.take();
        }
    }
    while (taken.size() < sent.size()) {
        turn(loop);
        taken += client.take();
    }
    EXPECT_TRUE(taken == sent);
}

TEST_F(TlsTransportTest, small_pieces_share_one_record) {
    shake_hands();
    client.take();
    std::string expected;
    for (int i = 0; i < 3; ++i) {
        const auto owned = std::make_shared<const std::string>(text_of(5'000));
        answer("head");
        connection->out().append(std::as_bytes(std::span(*owned)), owned);
        expected += "head" + *owned;
    }
    turn(loop);
    const std::string raw = socket.take();
    ASSERT_GE(raw.size(), 5u);
    const auto byte = [&](size_t at) { return static_cast<size_t>(static_cast<uint8_t>(raw[at])); };
    EXPECT_EQ(byte(0), 23u);                            // application data
    EXPECT_EQ(byte(3) << 8 | byte(4), raw.size() - 5);  // one record is all there is
    EXPECT_LT(raw.size(), expected.size() + 100);
}

// What TLS has taken out of the socket makes no event.
TEST_F(TlsTransportTest, bytes_inside_tls_are_heard_when_reading_resumes) {
    shake_hands();
    record.on_bytes = [&](std::string_view) { connection->pause_reading(); };
    std::string sent;
    for (const char* part : {"one ", "two ", "three"}) {
        client.send(part);  // a record each, in one read from the socket
        sent += part;
    }
    turns(loop, 3);
    EXPECT_EQ(record.received, "one ");
    connection->resume_reading();
    turns(loop, 2);
    EXPECT_EQ(record.received, "one two ");
    record.on_bytes = nullptr;
    connection->resume_reading();
    turns(loop, 2);
    EXPECT_EQ(record.received, sent);
}

TEST_F(TlsTransportTest, close_notify_and_bare_fin_both_end_the_input_after_the_last_byte) {
    shake_hands();
    client.send("last");
    client.close_notify();
    turn(loop);
    EXPECT_EQ(record.received, "last");
    EXPECT_EQ(record.ends, 1u);
    answer("and the answer");
    connection->close_after_flush();
    turn(loop);
    EXPECT_EQ(client.take(), "and the answer");
    EXPECT_TRUE(client.ended());
}

TEST_F(TlsTransportTest, fin_without_close_notify_ends_the_input) {
    shake_hands();
    client.send("last");
    socket.finish();
    turns(loop, 2);
    EXPECT_EQ(record.received, "last");
    EXPECT_EQ(record.ends, 1u);
    EXPECT_FALSE(is_closed());
}

TEST_F(TlsTransportTest, last_word_is_close_notify_and_fin) {
    shake_hands();
    answer("bye");
    connection->close_after_flush();
    turn(loop);
    EXPECT_EQ(client.take(), "bye");
    EXPECT_TRUE(client.ended());
    EXPECT_TRUE(socket.at_end());
    client.send("what is still on its way");
    turn(loop);
    EXPECT_FALSE(is_closed());
    client.close_notify();
    socket.finish();
    turn(loop);
    EXPECT_TRUE(is_closed());
}

TEST_F(TlsTransportTest, what_is_not_tls_closes) {
    socket.send("GET / HTTP/1.1\r\n\r\n");
    turn(loop);
    EXPECT_TRUE(is_closed());
    EXPECT_EQ(record.received, "");
}

TEST_F(TlsTransportTest, garbled_record_closes_and_nothing_of_it_is_heard) {
    shake_hands();
    std::string garbled("\x17\x03\x03\x00\x20", 5);
    garbled.append(32, 'x');
    socket.send(garbled);
    turn(loop);
    EXPECT_TRUE(is_closed());
    EXPECT_EQ(record.received, "");
}

TEST_F(TlsTransportTest, client_that_goes_while_it_is_written_to_closes_without_a_signal) {
    shake_hands();
    connection->pause_reading();
    answer(text_of(32 << 20));
    turn(loop);
    socket.reset();
    turns(loop, 2);
    EXPECT_TRUE(is_closed());
}

TEST_F(TlsTransportTest, lone_read_costs_no_second_look_and_misses_nothing) {
    shake_hands();
    for (int n = 0; n < 100; ++n) {
        client.send("x");
        turn(loop);
        EXPECT_EQ(record.received.size(), static_cast<size_t>(n) + 1);
    }
}

TEST(TlsTransportAlone, write_to_a_client_that_has_gone_fails_without_a_signal) {
    const SocketEnds ends = unix_sockets();
    auto transport = std::move(shared_context().make_transport(ends.server)).value();
    TestClient socket(ends.client);
    TlsTestClient client(socket);
    std::array<std::byte, 100> space;
    client.start();
    for (int step = 0; step < 5; ++step) {
        EXPECT_EQ(transport->read(space).outcome, IoResult::Outcome::kWantsRead);
        client.pump();
    }
    socket.close();
    std::string text = text_of(100'000);
    const iovec piece{text.data(), text.size()};
    EXPECT_EQ(transport->write(std::span(&piece, 1)).outcome, IoResult::Outcome::kFailed);
    EXPECT_EQ(transport->write(std::span(&piece, 1)).outcome, IoResult::Outcome::kFailed);
    EXPECT_EQ(transport->read(space).outcome, IoResult::Outcome::kFailed);
    transport->shutdown_write();
}

TEST(TlsTransportAlone, renegotiation_is_refused) {
    const SocketEnds ends = unix_sockets();
    TestClient socket(ends.client);
    TlsTestClient client(socket, {"", nullptr, TLS1_2_VERSION, nullptr});
    auto transport = std::move(shared_context().make_transport(ends.server)).value();
    std::array<std::byte, 100> space;
    client.start();
    for (int step = 0; step < 5; ++step) {
        EXPECT_EQ(transport->read(space).outcome, IoResult::Outcome::kWantsRead);
        client.pump();
    }
    ASSERT_TRUE(client.connected());
    SSL_renegotiate(&client.session());
    client.start();
    for (int step = 0; step < 5; ++step) {
        EXPECT_NE(transport->read(space).outcome, IoResult::Outcome::kDone);
        client.pump();
    }
    EXPECT_EQ(client.error(), "no renegotiation");
}

// The client's handshake and first request, cut after every byte.
TEST(TlsCut, client_that_vanishes_at_any_byte_leaves_nothing) {
    for (size_t cut = 0;; cut += cut < 16 ? 1 : 13) {
        ManualClock clock{1'000'000'000};
        EventLoop loop(clock);
        ConnectionKeeper keeper(loop);
        ProtocolRecord record;
        const SocketEnds ends = unix_sockets();
        keeper.open(std::move(shared_context().make_transport(ends.server)).value(), kPatient,
                    [&](Connection&) { return std::make_unique<ScriptedProtocol>(record); });
        // The real client talks to the test, which passes on what is before the cut.
        const SocketEnds inner = unix_sockets();
        TestClient inner_end(inner.server);
        TestClient inner_socket(inner.client);
        TlsTestClient client(inner_socket);
        TestClient outer(ends.client);
        client.start();
        size_t passed = 0;
        bool sent = false;
        for (int step = 0; step < 10 && passed <= cut; ++step) {
            std::string from_client = inner_end.take();
            from_client.resize(std::min(from_client.size(), cut - passed));
            outer.send(from_client);
            passed += from_client.size();
            turn(loop);
            inner_end.send(outer.take());
            client.pump();
            if (client.connected() && !std::exchange(sent, true)) {
                client.send("request");
            }
        }
        const bool whole = passed < cut;
        if (cut % 2 == 0) {
            outer.reset();
        } else {
            outer.close();
        }
        turns(loop, 3);
        if (keeper.open_count() > 0) {
            EXPECT_EQ(record.ends, 1u);  // it is the protocol's to close
        }
        EXPECT_EQ(record.received, whole ? "request" : "");
        if (whole) {
            break;
        }
    }
}

}  // namespace
}  // namespace tritonpy
