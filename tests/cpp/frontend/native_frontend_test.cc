// Goal: a front end starts, serves both protocols and stops, with and without requests that run,
// and leaves nothing behind whatever its clients do meanwhile.
// Method: real sockets on free ports, a model that a test may hold, clients on threads.
#include "frontend/native_frontend.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/thread.h"
#include "frontend/bound_socket.h"
#include "frontend/http_test_client.h"
#include "frontend/test_certificates.h"
#include "support/scripted_model.h"

namespace tritonpy {
namespace {

constexpr int64_t kAnHourNs = 3'600'000'000'000;

struct NativeFrontendTest : ::testing::Test {
    SteadyClock clock;
    Log log;
    std::atomic<bool> holds{false};
    std::latch holding{1};   // a request runs
    std::latch released{1};  // it may go on
    std::unique_ptr<InferenceServer> server;
    BoundSocket http;
    BoundSocket grpc;
    std::unique_ptr<NativeFrontend> frontend;

    void SetUp() override {
        ServerOptions options;
        options.make_factory = scripted([this](Batch& batch) {
            if (holds.exchange(false)) {
                holding.count_down();
                released.wait();
            }
            return echo(batch);
        });
        server = std::make_unique<InferenceServer>(std::move(options), clock, log);
        ModelConfig config = make_config("model", 1, 8);
        config.executor.inputs[0].dims = Shape({-1});
        config.executor.outputs[0].dims = Shape({-1});
        auto model = server->build_model(config);
        ASSERT_TRUE(model.ok());
        std::vector<std::unique_ptr<Model>> models;
        models.push_back(std::move(model).value());
        server->publish("model", std::move(models), {});
    }

    void make(size_t io_threads = 1, size_t max_connections = 0) {
        FrontendOptions options;
        options.io_threads = io_threads;
        options.max_connections = max_connections;
        auto made = NativeFrontend::make(std::move(options), *server, clock, log);
        ASSERT_TRUE(made.ok()) << made.status().message();
        frontend = std::move(made).value();
        frontend->set_health(true, false);
    }
    void listen() {
        HttpListenerOptions options;
        options.descriptor = http.release();
        ASSERT_TRUE(frontend->listen_http(std::move(options)).ok());
        GrpcListenerOptions grpc_options;
        grpc_options.descriptor = grpc.release();
        ASSERT_TRUE(frontend->listen_grpc(std::move(grpc_options)).ok());
    }
    HttpTestClient client() const { return HttpTestClient(http.connect()); }
    int status_of(const std::string& target) const {
        HttpTestClient one = client();
        one.send(get(target));
        return one.read_answer().status;
    }
};

TEST_F(NativeFrontendTest, both_protocols_are_served) {
    make();
    listen();
    EXPECT_EQ(status_of("/v2/health/live"), 200);
    HttpTestClient inferring = client();
    inferring.send(infer_request());
    EXPECT_EQ(inferring.read_answer().status, 200);
    HttpTestClient speaks_http2(grpc.connect());
    speaks_http2.send(std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33));
    EXPECT_EQ(speaks_http2.read(4)[3], '\4') << "the server's SETTINGS";
}

TEST_F(NativeFrontendTest, health_is_what_was_told_last) {
    make();
    listen();
    EXPECT_EQ(status_of("/v2/health/ready"), 200);
    frontend->set_health(false, false);
    EXPECT_EQ(status_of("/v2/health/ready"), 400);
    EXPECT_EQ(status_of("/v2/health/live"), 200);
    frontend->set_health(false, true);
    EXPECT_EQ(status_of("/v2/health/live"), 503);
}

TEST_F(NativeFrontendTest, a_front_end_that_never_listened_stops) {
    make();
    EXPECT_TRUE(frontend->finish(0));
    frontend->stop(true);
    frontend->stop(true);
}

TEST_F(NativeFrontendTest, idle_connections_end_with_the_server) {
    make(3);
    listen();
    std::vector<HttpTestClient> idle;
    for (int count = 0; count < 20; ++count) {
        idle.push_back(client());
        idle.back().send(get("/v2/health/live"));
        EXPECT_EQ(idle.back().read_answer().status, 200);
    }
    EXPECT_EQ(frontend->open_connections(), 20u);
    EXPECT_TRUE(frontend->finish(kAnHourNs));
    EXPECT_EQ(frontend->open_connections(), 0u);
    for (HttpTestClient& one : idle) {
        EXPECT_EQ(one.read_to_end(), "");
    }
    EXPECT_LT(http.try_connect(), 0);
    EXPECT_LT(grpc.try_connect(), 0);
}

TEST_F(NativeFrontendTest, finish_waits_for_a_request_that_runs) {
    make();
    listen();
    holds = true;
    HttpTestClient running = client();
    running.send(infer_request());
    holding.wait();
    std::optional<bool> finished;
    {
        Thread finishing("finishing", [&] { finished = frontend->finish(kAnHourNs); });
        // Until nobody listens any more.
        for (int other = http.try_connect(); other >= 0; other = http.try_connect()) {
            ::close(other);
        }
        released.count_down();
        EXPECT_EQ(running.read_answer().status, 200);
        EXPECT_EQ(running.read_to_end(), "");
    }
    EXPECT_EQ(finished, true);
    frontend->stop(true);
    EXPECT_EQ(frontend->held_bytes(), 0u);
}

TEST_F(NativeFrontendTest, a_request_that_is_cut_off_is_told_so_and_its_core_is_not_waited_for) {
    make();
    listen();
    holds = true;
    HttpTestClient running = client();
    running.send(infer_request());
    holding.wait();
    frontend->set_health(false, true);
    EXPECT_FALSE(frontend->finish(0));
    frontend->stop(false);
    HttpAnswer answer = running.read_answer();
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.body, "{\"error\":\"Server exiting\"}");
    EXPECT_EQ(running.read_to_end(), "");
    EXPECT_EQ(server->in_flight().at(0).count, 1u);
    released.count_down();
    frontend.reset();
    EXPECT_TRUE(server->in_flight().empty()) << "the end of the front end waits for the core";
}

TEST_F(NativeFrontendTest, calls_of_the_control_plane_end_with_the_front_end) {
    make();
    listen();
    HttpTestClient asking = client();
    asking.send(get("/v2"));
    std::vector<ControlEvent> events;
    while (events.empty()) {
        events = frontend->bridge().take_events();
    }
    EXPECT_EQ(events[0].target, "/v2");
    frontend->stop(true);
    frontend->bridge().answer({ControlAnswer::Kind::kEnd, events[0].call_id, 0, {}, "late"});
    events = frontend->bridge().take_events();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kind, ControlEvent::Kind::kGone);
}

TEST_F(NativeFrontendTest, a_stop_under_load_ends_every_client) {
    make(2);
    listen();
    std::atomic<int> answered{0};
    std::vector<std::unique_ptr<Thread>> clients;
    for (int index = 0; index < 4; ++index) {
        clients.push_back(std::make_unique<Thread>("client", [&] {
            for (int next = http.try_connect(); next >= 0; next = http.try_connect()) {
                HttpTestClient one(next);
                for (int count = 0; count < 5; ++count) {
                    one.send(infer_request() + get("/v2/health/live"));
                    answered += one.read_answer().status == 200;
                    answered += one.read_answer().status == 200;
                }
            }
        }));
    }
    while (answered < 200) {
        std::this_thread::yield();
    }
    frontend->finish(0);
    frontend->stop(true);
    clients.clear();
    EXPECT_EQ(frontend->open_connections(), 0u);
    EXPECT_EQ(frontend->held_bytes(), 0u);
}

TEST_F(NativeFrontendTest, clients_beyond_the_limit_are_served_when_others_leave) {
    make(1, 2);
    listen();
    std::vector<HttpTestClient> served;
    for (int count = 0; count < 2; ++count) {
        served.push_back(client());
        served.back().send(get("/v2/health/live"));
        EXPECT_EQ(served.back().read_answer().status, 200);
    }
    HttpTestClient waiting = client();
    waiting.send(get("/v2/health/live"));
    served.pop_back();
    EXPECT_EQ(waiting.read_answer().status, 200);
    EXPECT_LE(frontend->open_connections(), 2u);
}

TEST_F(NativeFrontendTest, files_that_are_no_certificates_leave_nobody_listening) {
    make();
    HttpListenerOptions options;
    options.descriptor = http.release();
    options.tls = TlsFiles{"/nonexistent/cert", "/nonexistent/key", "", false};
    Status status = frontend->listen_http(std::move(options));
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status,
              invalid_arg("failed to read '/nonexistent/cert': No such file or directory"));
    EXPECT_LT(http.try_connect(), 0);
}

TEST_F(NativeFrontendTest, a_reload_reads_the_files_of_each_protocol_again) {
    PemFolder folder;
    Identity identity = make_identity("localhost");
    TlsFiles files{folder.write_certificate("cert", identity), folder.write_key("key", identity),
                   "", false};
    make();
    HttpListenerOptions options;
    options.descriptor = http.release();
    options.tls = files;
    ASSERT_TRUE(frontend->listen_http(std::move(options)).ok());
    GrpcListenerOptions grpc_options;
    grpc_options.descriptor = grpc.release();
    grpc_options.tls = files;
    ASSERT_TRUE(frontend->listen_grpc(std::move(grpc_options)).ok());
    EXPECT_TRUE(frontend->reload_http_tls().ok());
    EXPECT_TRUE(frontend->reload_grpc_tls().ok());
    folder.write("cert", "no certificate");
    Status broken = invalid_arg("failed to set up TLS with '" + files.server_cert + "'");
    EXPECT_EQ(frontend->reload_http_tls(), broken);
    EXPECT_EQ(frontend->reload_grpc_tls(), broken);
}

}  // namespace
}  // namespace tritonpy
