// Goal: a gRPC connection ends when it should and in the way it should: because the server stops,
// because it is old or silent, because its client breaks the rules; and not before.
// Method: nghttp2's client, and a clock that the test moves.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "frontend/grpc_fixture.h"

namespace tritonpy {
namespace {

constexpr uint32_t kNoError = NGHTTP2_NO_ERROR;
constexpr uint32_t kEnhanceYourCalm = NGHTTP2_ENHANCE_YOUR_CALM;

struct GrpcConnectionTest : GrpcTest {
    // Sends a request that stays in the core until may_execute.
    int32_t start_running(GrpcTestClient& client) {
        holds = true;
        int32_t id = client.unary("ModelInfer", GrpcInferMessage{}.bytes());
        client.flush();
        executing.acquire();
        return id;
    }
    void let_run() {
        holds = false;
        may_execute.release();
    }
    // All that the client had to say was read; else it would count as said after the clock moved.
    void settle(GrpcTestClient& client) {
        client.flush();
        let_io_run();
    }
};

// --- the server stops ---------------------------------------------------------------------------

TEST_F(GrpcConnectionTest, stopping_closes_an_idle_connection_with_a_word) {
    auto client = connect_grpc();
    expect_serves(*client);
    io->finish();
    client->wait_for_end();
    ASSERT_FALSE(client->goaways().empty());
    for (uint32_t error : client->goaways()) {
        EXPECT_EQ(error, kNoError);
    }
    client->leave();
    wait_until_all_closed();
}

TEST_F(GrpcConnectionTest, stopping_lets_calls_in_flight_end) {
    auto client = connect_grpc();
    int32_t running = start_running(*client);
    int32_t stream = client->start("ModelStreamInfer");
    client->flush();
    let_io_run();
    io->finish();
    client->wait([&] { return client->goaways().size() == 2; });
    EXPECT_FALSE(client->call(running).closed);
    let_run();
    EXPECT_EQ(client->wait_for(running).status(), kGrpcOk);
    client->send(stream, framed(GrpcInferMessage{}.bytes()));
    client->finish(stream);
    EXPECT_EQ(client->wait_for(stream).status(), kGrpcOk);
    EXPECT_EQ(client->call(stream).messages().size(), 1u);
    client->wait_for_end();
}

TEST_F(GrpcConnectionTest, call_that_was_on_its_way_when_the_end_was_announced_is_served) {
    auto client = connect_grpc();
    expect_serves(*client);
    io->finish();
    let_io_run();
    // The client has not read the announcement, nor answered the ping that came with it.
    int32_t id = client->unary("ModelInfer", GrpcInferMessage{}.bytes());
    EXPECT_EQ(client->wait_for(id).status(), kGrpcOk);
    client->wait_for_end();
}

TEST_F(GrpcConnectionTest, ping_of_the_announcement_is_not_waited_for_for_ever) {
    auto client = connect_grpc();
    expect_serves(*client);
    io->finish();
    let_io_run();
    EXPECT_FALSE(client->ended());
    advance_ms(1001);
    while (!client->ended()) {  // without an answer to the ping
        client->receive_some();
    }
    EXPECT_EQ(client->goaways(), (std::vector<uint32_t>{kNoError, kNoError}));
}

TEST_F(GrpcConnectionTest, calls_that_are_cut_off_are_told) {
    auto client = connect_grpc();
    int32_t running = start_running(*client);
    int32_t stream = client->start("ModelStreamInfer");
    int32_t control = client->unary("ModelConfig", "");
    client->flush();
    let_io_run();
    io->stop();
    client->wait_for_end();
    for (int32_t id : {running, stream, control}) {
        EXPECT_EQ(client->call(id).status(), kGrpcUnavailable);
        EXPECT_EQ(client->call(id).text(), "Server exiting");
    }
    let_run();
    bridge.take_events();  // with the messages in them
}

// --- age ----------------------------------------------------------------------------------------

TEST_F(GrpcConnectionTest, old_connection_is_told_to_go_and_may_finish) {
    options.grpc->keepalive.max_connection_age_ms = 10'000;
    options.grpc->keepalive.max_connection_age_grace_ms = 100'000;
    auto client = connect_grpc();
    int32_t running = start_running(*client);
    advance_ms(8'999);
    client->receive_some();
    EXPECT_TRUE(client->goaways().empty());
    advance_ms(2'002);
    client->wait([&] { return client->goaways().size() == 2; });
    let_run();
    EXPECT_EQ(client->wait_for(running).status(), kGrpcOk);
    client->wait_for_end();
    EXPECT_EQ(client->goaways(), (std::vector<uint32_t>{kNoError, kNoError}));
}

TEST_F(GrpcConnectionTest, old_connection_is_closed_when_its_grace_is_over) {
    options.grpc->keepalive.max_connection_age_ms = 10'000;
    options.grpc->keepalive.max_connection_age_grace_ms = 5'000;
    auto client = connect_grpc();
    int32_t running = start_running(*client);
    advance_ms(11'001);
    client->wait([&] { return client->goaways().size() == 2; });
    advance_ms(5'001);
    client->wait_for_end();
    EXPECT_FALSE(client->call(running).closed);
    let_run();
}

// --- pings --------------------------------------------------------------------------------------

TEST_F(GrpcConnectionTest, pings_are_answered) {
    auto client = connect_grpc();
    client->ping();
    EXPECT_TRUE(client->wait([&] { return client->ping_answers() == 1; }));
}

TEST_F(GrpcConnectionTest, client_that_pings_too_much_is_sent_away) {
    auto client = connect_grpc();
    expect_serves(*client);
    for (int count = 0; count < 20; ++count) {
        client->ping();
    }
    client->wait_for_end();
    EXPECT_EQ(client->goaways(), std::vector<uint32_t>{kEnhanceYourCalm});
    EXPECT_EQ(client->goaway_text(), "too_many_pings");
}

TEST_F(GrpcConnectionTest, client_may_ping_between_its_calls) {
    auto client = connect_grpc();
    for (int count = 0; count < 50; ++count) {
        client->ping();
        expect_serves(*client);
    }
    EXPECT_TRUE(client->goaways().empty());
}

TEST_F(GrpcConnectionTest, silent_client_with_a_call_is_pinged_and_closed_when_it_is_gone) {
    options.grpc->keepalive.time_ms = 1'000;
    options.grpc->keepalive.timeout_ms = 100;
    auto client = connect_grpc();
    start_running(*client);
    settle(*client);
    advance_ms(1'001);
    advance_ms(101);
    wait_until_all_closed();
    client->receive_some();
    EXPECT_EQ(client->pings(), 1u);
    let_run();
}

TEST_F(GrpcConnectionTest, silent_client_that_answers_pings_is_kept) {
    options.grpc->keepalive.time_ms = 1'000;
    options.grpc->keepalive.timeout_ms = 100;
    auto client = connect_grpc();
    int32_t running = start_running(*client);
    settle(*client);
    for (size_t ping = 1; ping <= 2; ++ping) {  // as many as may be sent without data
        advance_ms(1'001);
        EXPECT_TRUE(client->wait([&] { return client->pings() == ping; }));
        settle(*client);
        advance_ms(101);
    }
    advance_ms(10'000);
    advance_ms(10'000);
    EXPECT_FALSE(client->receive_some());
    let_run();
    EXPECT_EQ(client->wait_for(running).status(), kGrpcOk);
}

TEST_F(GrpcConnectionTest, ping_is_due_again_before_the_last_answer_would_have_been) {
    options.grpc->keepalive.time_ms = 1'000;
    options.grpc->keepalive.timeout_ms = 100'000;
    auto client = connect_grpc();
    int32_t running = start_running(*client);
    settle(*client);
    for (size_t ping = 1; ping <= 2; ++ping) {  // as many as may be sent without data
        advance_ms(1'001);
        EXPECT_TRUE(client->wait([&] { return client->pings() == ping; }));
        settle(*client);
    }
    let_run();
    EXPECT_EQ(client->wait_for(running).status(), kGrpcOk);
}

TEST_F(GrpcConnectionTest, idle_connection_is_pinged_when_that_is_permitted) {
    options.grpc->keepalive.time_ms = 1'000;
    auto client = connect_grpc();
    expect_serves(*client);
    advance_ms(10'000);
    EXPECT_FALSE(client->receive_some());
    options.grpc->keepalive.permit_without_calls = true;
    auto permitted = connect_grpc();
    expect_serves(*permitted);
    settle(*permitted);
    advance_ms(1'001);
    EXPECT_TRUE(permitted->wait([&] { return permitted->pings() == 1; }));
}

// --- idle, slow, broken -------------------------------------------------------------------------

struct GrpcTimeoutTest : GrpcConnectionTest {
    GrpcTimeoutTest() {
        options.idle_timeout_ms = 10'000;
        options.request_timeout_ms = 1'000;
    }
};

TEST_F(GrpcTimeoutTest, idle_connection_is_closed_with_a_word) {
    auto client = connect_grpc();
    expect_serves(*client);
    advance_ms(9'000);
    EXPECT_FALSE(client->receive_some());
    advance_ms(11'000);
    client->wait_for_end();
    EXPECT_EQ(client->goaways(), std::vector<uint32_t>{kNoError});
}

TEST_F(GrpcTimeoutTest, connection_with_a_call_is_not_idle) {
    auto client = connect_grpc();
    int32_t stream = client->start("ModelStreamInfer");
    int32_t running = start_running(*client);
    for (int count = 0; count < 10; ++count) {
        advance_ms(10'000);
    }
    EXPECT_TRUE(client->goaways().empty());
    let_run();
    EXPECT_EQ(client->wait_for(running).status(), kGrpcOk);
    client->finish(stream);
    EXPECT_EQ(client->wait_for(stream).status(), kGrpcOk);
}

TEST_F(GrpcTimeoutTest, client_that_stops_inside_something_is_not_waited_for) {
    int sockets[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    ::close(sockets[0]);
    GrpcTestClient source(sockets[1]);
    const std::string beginning = source.take();
    int32_t id = source.start("ModelStreamInfer");
    const std::string head = source.take();
    source.send(id, framed(GrpcInferMessage{}.bytes()));
    const std::string data = source.take();
    const std::string all = beginning + head + data;
    const size_t stops[] = {1,
                            beginning.size() - 1,
                            beginning.size() + 3,
                            beginning.size() + head.size() - 1,
                            beginning.size() + head.size() + 4,
                            all.size() - 1};
    std::vector<std::unique_ptr<GrpcTestClient>> clients;
    for (size_t stop : stops) {
        clients.push_back(connect_grpc());
        clients.back()->send_bytes(std::string_view(all).substr(0, stop));
    }
    let_io_run();
    advance_ms(1'001);
    for (auto& client : clients) {
        client->wait_for_end();
        client->leave();
    }
    wait_until_all_closed();
}

TEST_F(GrpcTimeoutTest, client_that_stops_inside_a_message_is_not_waited_for) {
    auto client = connect_grpc();
    expect_serves(*client);
    int32_t id = client->start("ModelInfer");
    client->send(id, framed(GrpcInferMessage{}.bytes()).substr(0, 20));
    client->flush();
    let_io_run();
    advance_ms(1'001);
    client->wait_for_end();
    EXPECT_EQ(client->goaways(), std::vector<uint32_t>{kNoError});
}

TEST_F(GrpcTimeoutTest, client_that_waits_for_our_credit_is_not_slow) {
    auto client = connect_grpc(/*window=*/0);
    GrpcInferMessage message;
    message.data.assign(1 << 20, 'x');
    std::vector<int32_t> ids;
    for (int count = 0; count < 150; ++count) {
        ids.push_back(client->unary("ModelInfer", message.bytes()));
    }
    for (int quiet = 0; quiet < 20; ++quiet) {
        std::string bytes = client->take();
        quiet = bytes.empty() ? quiet : 0;
        client->send_bytes(bytes);
        let_io_run();
        client->receive_some();
    }
    for (int count = 0; count < 5; ++count) {
        advance_ms(2'000);
    }
    for (int32_t id : ids) {
        client->give_credit(id, 1 << 30);
    }
    client->give_credit(0, 1 << 30);
    for (int32_t id : ids) {
        EXPECT_EQ(client->wait_for(id).status(), kGrpcOk);
    }
}

TEST_F(GrpcConnectionTest, what_is_no_http2_is_closed) {
    for (std::string bytes : {std::string("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                              std::string(100, '\xFF'), std::string(100, '\0')}) {
        auto client = connect_grpc();
        client->send_bytes(bytes);
        client->wait_for_end();
        client->leave();
        wait_until_all_closed();
    }
}

TEST_F(GrpcConnectionTest, client_that_resets_endlessly_is_sent_away) {
    auto client = connect_grpc();
    for (int64_t count = 0; count < limits::kStreamResetBurst + 100; ++count) {
        int32_t id = client->start("ModelInfer");
        client->flush();
        client->reset(id);
    }
    client->wait_for_end();
    ASSERT_FALSE(client->goaways().empty());
    EXPECT_NE(client->goaways().back(), kNoError);
    client->leave();
    wait_until_all_closed();
}

TEST_F(GrpcConnectionTest, client_that_ends_its_side_is_gone) {
    auto client = connect_grpc();
    start_running(*client);
    client->leave();
    wait_until_all_closed();
    let_run();
}

}  // namespace
}  // namespace tritonpy
