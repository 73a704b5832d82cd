// Goal: the plain transport moves bytes and tells its outcomes apart, never blocks (also on a
// blocking socket) and never raises SIGPIPE.
// Method: socket pairs and loopback TCP whose other end reads, ends, resets or goes.
#include "frontend/transport.h"

#include <gtest/gtest.h>
#include <sys/uio.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/loop_fixture.h"

namespace tritonpy {
namespace {

using Outcome = IoResult::Outcome;

struct PlainTransportTest : ::testing::TestWithParam<SocketEnds (*)()> {
    SocketEnds ends = GetParam()();
    std::unique_ptr<Transport> transport = make_plain_transport(ends.server);
    TestClient client{ends.client};
    std::array<std::byte, 64> space{};

    IoResult write(std::string_view bytes) {
        const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
        return transport->write(std::span(&piece, 1));
    }
    // The next outcome but "not yet": over TCP, what was sent arrives a moment later.
    IoResult await_read() {
        IoResult result{Outcome::kWantsRead};
        while (result.outcome == Outcome::kWantsRead) {
            result = transport->read(space);
        }
        return result;
    }
    std::string read() {
        const IoResult result = await_read();
        EXPECT_EQ(result.outcome, Outcome::kDone);
        return std::string(reinterpret_cast<const char*>(space.data()), result.bytes);
    }
    void await_end() {
        while (!client.at_end()) {
            EXPECT_EQ(client.take(), "");
        }
    }
    // What a write comes to when the peer has gone and that is known here.
    Outcome write_until_failed() {
        Outcome outcome = Outcome::kWantsWrite;
        while (outcome == Outcome::kWantsWrite) {
            outcome = write_until_refused();
        }
        return outcome;
    }
    // The outcome of the first write that is not kDone.
    Outcome write_until_refused() {
        const std::string many(1 << 20, 'x');
        IoResult result{Outcome::kDone};
        while (result.outcome == Outcome::kDone) {
            result = write(many);
        }
        return result.outcome;
    }
};

TEST_P(PlainTransportTest, reads_what_came_and_then_wants_more) {
    EXPECT_EQ(transport->descriptor(), ends.server);
    EXPECT_TRUE(transport->reads_exhaust());
    EXPECT_EQ(transport->read(space).outcome, Outcome::kWantsRead);
    client.send("hello");
    EXPECT_EQ(read(), "hello");
    EXPECT_EQ(transport->read(space).outcome, Outcome::kWantsRead);
}

TEST_P(PlainTransportTest, last_word_comes_after_the_last_byte) {
    client.send("bye");
    client.finish();
    EXPECT_EQ(read(), "bye");
    EXPECT_EQ(await_read().outcome, Outcome::kEndOfStream);
    EXPECT_EQ(transport->read(space).outcome, Outcome::kEndOfStream);
}

TEST_P(PlainTransportTest, writes_all_pieces_in_order) {
    std::string one = "one ";
    std::string two = "two ";
    std::string three = "three";
    const std::array<iovec, 3> pieces{{{one.data(), one.size()},
                                       {two.data(), two.size()},
                                       {three.data(), three.size()}}};
    const IoResult result = transport->write(pieces);
    EXPECT_EQ(result.outcome, Outcome::kDone);
    EXPECT_EQ(result.bytes, 13u);
    EXPECT_EQ(client.take_exactly(13), "one two three");
}

TEST_P(PlainTransportTest, full_socket_wants_to_write) {
    EXPECT_EQ(write_until_refused(), Outcome::kWantsWrite);
}

TEST_P(PlainTransportTest, writing_to_a_peer_that_has_gone_fails_without_a_signal) {
    client.reset();
    EXPECT_EQ(write_until_failed(), Outcome::kFailed);
    std::string one = "one";
    const std::array<iovec, 2> pieces{{{one.data(), one.size()}, {one.data(), one.size()}}};
    EXPECT_EQ(transport->write(pieces).outcome, Outcome::kFailed);
}

TEST_P(PlainTransportTest, shutdown_is_seen_by_the_peer_and_leaves_reading_on) {
    transport->shutdown_write();
    await_end();
    client.send("still here");
    EXPECT_EQ(read(), "still here");
    EXPECT_EQ(write("x").outcome, Outcome::kFailed);
}

TEST_P(PlainTransportTest, destructor_closes_the_socket) {
    transport.reset();
    await_end();
}

INSTANTIATE_TEST_SUITE_P(Sockets, PlainTransportTest,
                         ::testing::Values(&unix_sockets, &tcp_sockets));

using TcpTransportTest = PlainTransportTest;

TEST_P(TcpTransportTest, reset_by_the_peer_fails_the_read) {
    client.reset();
    EXPECT_EQ(await_read().outcome, Outcome::kFailed);
}

INSTANTIATE_TEST_SUITE_P(Sockets, TcpTransportTest, ::testing::Values(&tcp_sockets));

}  // namespace
}  // namespace tritonpy
