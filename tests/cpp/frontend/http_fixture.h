// An io thread that serves HTTP on socket pairs, with a real server behind it and a control plane
// that the test plays itself.
//
// The io thread's clock moves only when the test says so. The model "model" gives its input
// INPUT0, FP32 [-1,-1], back; a test may hold its executions.
//
// Threads: compatible: one test thread, which is also the control plane.
// Owns: everything, until the test ends.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <semaphore>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "frontend/control_bridge.h"
#include "frontend/held_bytes.h"
#include "frontend/http_protocol.h"
#include "frontend/http_test_client.h"
#include "frontend/io_thread.h"
#include "frontend/listener.h"
#include "frontend/open_connections.h"
#include "frontend/server_health.h"
#include "server/inference_server.h"
#include "support/scripted_model.h"

namespace tritonpy {

// The body of an answer that refuses.
inline std::string error_json(const std::string& text) { return "{\"error\":\"" + text + "\"}"; }

struct HttpTest : ::testing::Test {
    static constexpr int64_t kNsPerMs = 1'000'000;
    static constexpr int64_t kAnHourNs = 3'600'000 * kNsPerMs;

    SteadyClock steady_clock;
    ManualClock clock{1000};
    Log log;
    ServerHealth health;
    HeldBytes held;
    FrontendOptions options;
    ControlBridge bridge;
    OpenConnections open;
    InferenceServer server{make_server_options(), steady_clock, log};
    Listener listener{-1, &make_http_protocol, nullptr};
    std::unique_ptr<IoThread> io;

    // Executions wait for `may_execute` while this is set, and say first that they are there.
    std::atomic<bool> holds{false};
    std::counting_semaphore<> executing{0};
    std::counting_semaphore<> may_execute{0};
    // Called by each execution. Set it before the first request.
    std::function<void(Batch& batch)> on_execute = [](Batch&) {};

    HttpTest() {
        options.http.emplace();
        options.http->max_input_size = size_t{64} << 20;
        options.idle_timeout_ms = 1000;
        options.request_timeout_ms = 100;
        health.ready = true;
    }

    void SetUp() override {
        ModelConfig config = make_config("model", 1, 8);
        config.executor.inputs[0].dims = Shape({-1});
        config.executor.outputs[0].dims = Shape({-1});
        std::vector<std::unique_ptr<Model>> models;
        auto model = server.build_model(config);
        ASSERT_TRUE(model.ok()) << model.status().message();
        models.push_back(std::move(model).value());
        server.publish("model", std::move(models), {});
        io = std::make_unique<IoThread>(0, IoShared{server, clock, log, options, health, held,
                                                    bridge, open});
        io->start();
    }

    // Nothing is left behind, whatever the test did.
    void TearDown() override {
        holds = false;
        may_execute.release(1000);
        stop();
        io->settle();
        io.reset();
        EXPECT_EQ(held.now(), 0u);
        EXPECT_EQ(open.now(), 0u);
        EXPECT_TRUE(server.drain(steady_clock.now_ns() + kAnHourNs));
    }  // and the pool of the server checks that every block has come home

    void stop() {
        if (!std::exchange(stopped_, true)) {
            io->stop();
            io->join();
        }
    }

    HttpTestClient connect() {
        int sockets[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
        EXPECT_EQ(::fcntl(sockets[0], F_SETFL, O_NONBLOCK), 0);
        io->open(sockets[0], listener);
        return HttpTestClient(sockets[1]);
    }

    // Returns when the io thread has handled what was sent before, and timers that are due.
    void let_io_run() {
        io->call([] {});
        io->call([] {});
    }
    void advance_ms(int64_t by_ms) {
        clock.advance_ns(by_ms * kNsPerMs);
        let_io_run();
        let_io_run();
    }
    void wait_until_all_closed() {
        EXPECT_TRUE(open.wait_until_none(steady_clock, steady_clock.now_ns() + kAnHourNs));
    }

    // The next thing that the control plane hears.
    ControlEvent next_event() {
        while (events_.empty()) {
            pollfd watched{bridge.descriptor(), POLLIN, 0};
            ::poll(&watched, 1, -1);
            for (ControlEvent& event : bridge.take_events()) {
                events_.push_back(std::move(event));
            }
        }
        ControlEvent event = std::move(events_.front());
        events_.pop_front();
        return event;
    }
    // Whether the control plane has heard of something more, once the io thread has run.
    bool has_event() {
        let_io_run();
        for (ControlEvent& event : bridge.take_events()) {
            events_.push_back(std::move(event));
        }
        return !events_.empty();
    }
    void answer(uint64_t call_id, ControlAnswer::Kind kind, std::string bytes = "", int status = 0,
                ControlHeaders headers = {}) {
        ControlAnswer one;
        one.kind = kind;
        one.call_id = call_id;
        one.status = status;
        one.headers = std::move(headers);
        one.bytes = std::move(bytes);
        bridge.answer(std::move(one));
    }
    // A whole answer with a body of known length.
    void answer_whole(uint64_t call_id, const std::string& body) {
        answer(call_id, ControlAnswer::Kind::kHead, "", 200,
               {{"content-length", std::to_string(body.size())}, {"x-app", "yes"}});
        answer(call_id, ControlAnswer::Kind::kEnd, body);
    }

  private:
    ServerOptions make_server_options() {
        ServerOptions made;
        made.make_factory = scripted([this](Batch& batch) {
            on_execute(batch);
            if (holds) {
                executing.release();
                may_execute.acquire();
            }
            return echo(batch);
        });
        return made;
    }

    bool stopped_ = false;
    std::deque<ControlEvent> events_;
};

}  // namespace tritonpy
