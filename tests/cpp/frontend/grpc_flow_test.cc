// Goal: what a connection holds is bounded whatever its client sends and does not read, nothing
// honest ever waits for ever, and a client that goes leaves nothing behind.
// Method: clients that push, that stop anywhere, and that vanish at every byte; the front end's
// count of what it holds, which must be nothing in the end.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "frontend/grpc_fixture.h"

namespace tritonpy {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
// What a connection may hold: a window beyond what stops it, and a batch that turns from requests
// into answers.
constexpr size_t kBound = limits::kMaxHeldPerConnection +
                          static_cast<size_t>(limits::kConnectionWindow) + 8 * kMiB;

struct GrpcFlowTest : GrpcTest {
    // Lets both sides do what they can, until the client can send nothing more and nothing runs.
    // Returns the most that was held.
    size_t push_all(GrpcTestClient& client) {
        size_t most = 0;
        for (int quiet = 0; quiet < 5; ++quiet) {
            std::string bytes = client.take();
            if (!bytes.empty() || !server.in_flight().empty()) {
                quiet = 0;
            }
            client.send_bytes(bytes);
            let_io_run();
            most = std::max(most, held.now());
            while (client.receive_some()) {
            }
        }
        return most;
    }
    void expect_is_told_of_windows(GrpcTestClient& client) {
        client.ping();
        EXPECT_TRUE(client.wait([&] { return client.ping_answers() == 1; }));
    }
    static std::string large_message(size_t size = kMiB) {
        GrpcInferMessage message;
        message.data.assign(size, 'x');
        return message.bytes();
    }
};

TEST_F(GrpcFlowTest, client_that_pushes_and_never_reads_is_stopped_by_its_window) {
    constexpr int kCount = 300;
    auto client = connect_grpc(/*window=*/0);
    expect_is_told_of_windows(*client);
    const std::string message = large_message();
    std::vector<int32_t> ids;
    size_t most = 0;
    for (int count = 0; count < kCount; ++count) {
        ids.push_back(client->unary("ModelInfer", message));
        most = std::max(most, push_all(*client));
    }
    EXPECT_LE(most, kBound);
    EXPECT_GE(most, limits::kMaxHeldPerConnection);
    for (int32_t id : ids) {
        client->give_credit(id, 1 << 30);
    }
    client->give_credit(0, 1 << 30);
    for (int32_t id : ids) {
        EXPECT_EQ(client->wait_for(id).status(), kGrpcOk);
    }
    run_until([&] { return held.now() == 0; });
}

TEST_F(GrpcFlowTest, messages_that_arrive_side_by_side_are_held_once) {
    constexpr size_t kCount = 300;
    auto client = connect_grpc(/*window=*/0);
    expect_is_told_of_windows(*client);
    std::vector<int32_t> ids;
    for (size_t count = 0; count < kCount; ++count) {
        ids.push_back(client->unary("ModelInfer", large_message()));
    }
    EXPECT_LE(push_all(*client), kCount * (kMiB + 1000) + 8 * kMiB);
    for (int32_t id : ids) {
        client->give_credit(id, 1 << 30);
    }
    client->give_credit(0, 1 << 30);
    for (int32_t id : ids) {
        EXPECT_EQ(client->wait_for(id).status(), kGrpcOk);
    }
    run_until([&] { return held.now() == 0; });
}

TEST_F(GrpcFlowTest, stream_whose_client_never_reads_is_stopped_by_its_window) {
    constexpr int kCount = 300;
    auto client = connect_grpc(/*window=*/0);
    const std::string message = framed(large_message());
    int32_t id = client->start("ModelStreamInfer");
    for (int count = 0; count < kCount; ++count) {
        client->send(id, message);
    }
    client->finish(id);
    EXPECT_LE(push_all(*client), kBound);
    client->give_credit(id, 1 << 30);
    client->give_credit(0, 1 << 30);
    EXPECT_EQ(client->wait_for(id).status(), kGrpcOk);
    EXPECT_EQ(client->call(id).messages().size(), size_t{kCount});
    run_until([&] { return held.now() == 0; });
}

TEST_F(GrpcFlowTest, slow_model_stops_a_client_that_pushes_until_it_has_caught_up) {
    constexpr int kCount = 150;
    auto client = connect_grpc();
    expect_serves(*client);
    holds = true;
    const std::string message = large_message();
    std::vector<int32_t> ids;
    size_t most = 0;
    for (int count = 0; count < kCount; ++count) {
        ids.push_back(client->unary("ModelInfer", message));
        for (int turn = 0; turn < 3; ++turn) {
            client->flush();
            let_io_run();
            client->receive_some();
        }
        most = std::max(most, held.now());
    }
    EXPECT_LE(most, kBound);
    holds = false;
    may_execute.release(kCount);
    for (int32_t id : ids) {
        EXPECT_EQ(client->wait_for(id).status(), kGrpcOk);
    }
}

TEST_F(GrpcFlowTest, large_messages_that_are_all_partly_there_make_progress) {
    constexpr int kCount = 200;
    auto client = connect_grpc();
    expect_serves(*client);
    const std::string message = framed(large_message());
    for (bool other_runs : {false, true}) {
        // Also while a request of the same connection runs, which may be for long.
        int32_t running = 0;
        if (other_runs) {
            holds = true;
            running = client->unary("ModelInfer", GrpcInferMessage{}.bytes());
            client->flush();
            executing.acquire();
            holds = false;
        }
        std::vector<int32_t> ids;
        for (int count = 0; count < kCount; ++count) {
            ids.push_back(client->start("ModelInfer"));
            client->send(ids.back(), message.substr(0, message.size() - 1));
        }
        constexpr size_t kMostOfIt = kCount * kMiB - kCount;
        while (held.now() < kMostOfIt) {
            client->flush();
            let_io_run();
            client->receive_some();
        }
        if (other_runs) {
            may_execute.release();
            EXPECT_EQ(client->wait_for(running).status(), kGrpcOk);
        }
        for (int32_t id : ids) {
            client->send(id, message.substr(message.size() - 1));
            client->finish(id);
        }
        for (int32_t id : ids) {
            EXPECT_EQ(client->wait_for(id).status(), kGrpcOk);
        }
    }
    run_until([&] { return held.now() == 0; });
}

TEST_F(GrpcFlowTest, answers_pass_through_any_window) {
    for (uint32_t window : {1u, 100u, 16'384u}) {
        auto client = connect_grpc(window);
        GrpcInferMessage message;
        message.data.assign(window * 30 / 4 * 4 + 400, 'x');
        const GrpcTestCall& call = client->result_of("ModelInfer", message.bytes());
        EXPECT_EQ(call.status(), kGrpcOk);
        EXPECT_EQ(InferAnswer(call.messages().at(0)).data, message.data);
    }
}

TEST_F(GrpcFlowTest, credit_of_refused_and_cancelled_calls_comes_back) {
    options.grpc->max_receive_message_size = 2 * kMiB;
    auto client = connect_grpc();
    expect_serves(*client);
    // Each uses up a part of the connection's window; together they are many times the window.
    const std::string too_large = framed(large_message(3 * kMiB));
    for (int count = 0; count < 30; ++count) {
        int32_t id = client->start("ModelInfer");
        client->send(id, too_large);
        EXPECT_EQ(client->wait_for(id).status(), kGrpcResourceExhausted);
        int32_t gone = client->start("ModelInfer");
        client->send(gone, framed(large_message(kMiB)).substr(0, kMiB));
        client->flush();
        let_io_run();
        client->reset(gone);
        client->flush();
        while (client->receive_some()) {
        }
    }
    const std::string message = large_message();
    for (int count = 0; count < 40; ++count) {
        EXPECT_EQ(client->result_of("ModelInfer", message).status(), kGrpcOk);
    }
}

// Every prefix of a conversation, as a client that goes after it.
struct GrpcVanishTest : GrpcFlowTest {
    // The bytes of a connection's beginning and one call.
    static std::string conversation(std::string_view method, const std::string& body) {
        int sockets[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
        ::close(sockets[0]);
        GrpcTestClient client(sockets[1]);
        int32_t id = client.start(method);
        client.send(id, body);
        client.finish(id);
        return client.take();
    }
    void vanish_after_each_byte_of(const std::string& bytes) {
        for (size_t size = 0; size <= bytes.size(); ++size) {
            auto client = connect_grpc();
            client->send_bytes(std::string_view(bytes).substr(0, size));
            client->leave();
        }
        wait_until_all_closed();
        run_until([&] { return held.now() == 0 && server.in_flight().empty(); });
    }
};

TEST_F(GrpcVanishTest, client_of_a_unary_call_may_go_at_any_byte) {
    vanish_after_each_byte_of(conversation("ModelInfer", framed(GrpcInferMessage{}.bytes())));
}

TEST_F(GrpcVanishTest, client_of_a_stream_may_go_at_any_byte) {
    GrpcInferMessage many;
    many.model = "many";
    vanish_after_each_byte_of(conversation(
        "ModelStreamInfer",
        framed(GrpcInferMessage{}.bytes()) + framed(many.bytes()) + framed("\xFF") +
            framed(GrpcInferMessage{}.bytes())));
}

TEST_F(GrpcVanishTest, client_of_a_control_call_may_go_at_any_byte) {
    vanish_after_each_byte_of(conversation("ModelConfig", framed("question")));
    while (has_event()) {
        next_event();
    }
}

TEST_F(GrpcVanishTest, client_may_go_at_any_byte_of_its_answer) {
    const std::string question = conversation(
        "ModelStreamInfer", framed(GrpcInferMessage{}.bytes()) + framed(large_message(40'000)));
    for (size_t taken = 0; taken < 400; ++taken) {
        int sockets[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
        ASSERT_EQ(::fcntl(sockets[0], F_SETFL, O_NONBLOCK), 0);
        io->open(sockets[0], grpc_listener);
        HttpTestClient client(sockets[1]);
        client.send(question);
        EXPECT_EQ(client.read(taken).size(), taken);
        client.close();
    }
    wait_until_all_closed();
    run_until([&] { return held.now() == 0 && server.in_flight().empty(); });
}

TEST_F(GrpcVanishTest, client_that_goes_while_its_requests_wait_leaves_them_to_the_core_alone) {
    holds = true;
    for (int count = 0; count < 20; ++count) {
        auto client = connect_grpc();
        int32_t id = client->start("ModelStreamInfer");
        for (int request = 0; request < 20; ++request) {
            client->send(id, framed(GrpcInferMessage{}.bytes()));
        }
        client->unary("ModelInfer", GrpcInferMessage{}.bytes());
        client->flush();
        if (count == 0) {
            executing.acquire();
        }
        let_io_run();
        client->leave();
    }
    wait_until_all_closed();
    EXPECT_GE(held.now(), 100 * limits::kMinMessageCharge);
    holds = false;
    may_execute.release(1000);
    run_until([&] { return held.now() == 0; });
}

}  // namespace
}  // namespace tritonpy
