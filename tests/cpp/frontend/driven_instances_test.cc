// Goal: an io thread hears of the instances that it drives when, and only when, they have something
// to read; and lets go of all of them when its loop has ended.
// Method: scripted instances over pipes and a loop turned by hand; then a model in a scripted
// worker behind InferCalls.
#include "frontend/driven_instances.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <future>
#include <memory>
#include <semaphore>
#include <string>
#include <utility>
#include <vector>

#include "frontend/infer_calls.h"
#include "frontend/loop_fixture.h"
#include "model/deferred_wakes.h"
#include "support/fake_launcher.h"
#include "support/request_builder.h"
#include "support/scripted_model.h"

namespace tritonpy {
namespace {

// Has its answer when it has read `size` bytes, or the end.
class ScriptedInstance final : public DrivenInstance {
  public:
    explicit ScriptedInstance(size_t size) : left_(size) {
        TRITONPY_CHECK(pipe2(ends_.data(), O_CLOEXEC) == 0);
    }
    ~ScriptedInstance() override {
        ::close(ends_[0]);
        end();
    }

    void write(const std::string& bytes) {
        TRITONPY_CHECK(::write(ends_[1], bytes.data(), bytes.size()) > 0);
    }
    void end() { ::close(std::exchange(ends_[1], -1)); }
    // What was called, in order.
    const std::string& calls() const { return calls_; }

    int answer_descriptor() const override { return ends_[0]; }
    bool receive() override {
        calls_ += "r";
        std::array<char, 100> bytes;
        const ssize_t count = ::read(ends_[0], bytes.data(), bytes.size());
        left_ -= static_cast<size_t>(count);
        return count == 0 || left_ == 0;
    }
    void finish() override { calls_ += DeferredWakes::of_burst() == nullptr ? "?" : "f"; }
    void hand_back() override { calls_ += "h"; }

  private:
    std::array<int, 2> ends_{};
    size_t left_;
    std::string calls_;
};

struct DrivenInstancesTest : ::testing::Test {
    SteadyClock clock;
    EventLoop loop{clock};
    DrivenInstances driven{loop};
};

TEST_F(DrivenInstancesTest, an_answer_is_read_as_it_comes_and_then_finished) {
    ScriptedInstance instance(3);
    ASSERT_TRUE(driven.watch(instance));
    turn(loop);
    EXPECT_EQ(instance.calls(), "");
    instance.write("ab");
    turn(loop);
    EXPECT_EQ(instance.calls(), "r");
    instance.write("c");
    turn(loop);
    EXPECT_EQ(instance.calls(), "rrf");
    instance.write("d");
    turn(loop);
    EXPECT_EQ(instance.calls(), "rrf");
}

TEST_F(DrivenInstancesTest, several_are_driven_at_a_time_and_again_and_again) {
    for (int round = 0; round < 3; ++round) {
        ScriptedInstance first(1);
        ScriptedInstance second(1);
        ASSERT_TRUE(driven.watch(first) && driven.watch(second));
        second.end();
        turn(loop);
        EXPECT_EQ(second.calls(), "rf");
        EXPECT_EQ(first.calls(), "");
        first.write("a");
        turn(loop);
        EXPECT_EQ(first.calls(), "rf");
    }
}

TEST_F(DrivenInstancesTest, what_cannot_be_watched_is_refused) {
    ScriptedInstance instance(1);
    ScriptedInstance other(1);
    ::close(instance.answer_descriptor());
    EXPECT_FALSE(driven.watch(instance));
    ASSERT_TRUE(driven.watch(other));
    other.write("a");
    turn(loop);
    EXPECT_EQ(other.calls(), "rf");
    EXPECT_EQ(instance.calls(), "");
    ASSERT_EQ(::dup2(other.answer_descriptor(), instance.answer_descriptor()),
              instance.answer_descriptor());  // for its destructor to close
}

TEST_F(DrivenInstancesTest, all_are_handed_back_in_the_end) {
    ScriptedInstance first(1);
    ScriptedInstance second(1);
    ASSERT_TRUE(driven.watch(first) && driven.watch(second));
    first.write("a");
    driven.hand_back_all();
    EXPECT_EQ(first.calls(), "h");
    EXPECT_EQ(second.calls(), "h");
    turn(loop);
    EXPECT_EQ(first.calls(), "h");
}

class Receiver final : public ResponseReceiver {
  public:
    void on_response(std::unique_ptr<InferenceResponse> response) override {
        responses.push_back(std::move(response));
    }
    std::vector<std::unique_ptr<InferenceResponse>> responses;
};

struct DrivenWorkersTest : ::testing::Test {
    void publish(FakeLauncher::Script script) {
        launcher.add(std::move(script));
        ServerOptions options;
        options.worker_launcher = &launcher;
        server = std::make_unique<InferenceServer>(std::move(options), clock, log);
        ModelConfig config = make_config("model");
        config.executor.backend = "python";
        std::vector<std::unique_ptr<Model>> models;
        models.push_back(server->build_model(config).value());
        server->publish("model", std::move(models), {});
        calls = std::make_unique<InferCalls>(loop, *server);
    }
    void submit(InferCalls& its_calls, uint64_t tag) {
        auto request = make_rows_request(1, nullptr, tag);
        request->model_name = "model";
        ASSERT_TRUE(its_calls.submit(std::move(request), receiver).ok());
    }
    void submit(uint64_t tag) { submit(*calls, tag); }
    void expect_values(float value) {
        ASSERT_EQ(receiver.responses.size(), 1u);
        EXPECT_EQ(values_of<float>(receiver.responses[0]->outputs.at(0)),
                  std::vector<float>{value});
        receiver.responses.clear();
    }

    SteadyClock clock;
    Log log;
    FakeLauncher launcher;
    std::unique_ptr<InferenceServer> server;
    EventLoop loop{clock};
    Receiver receiver;
    std::unique_ptr<InferCalls> calls;
};

TEST_F(DrivenWorkersTest, requests_of_a_lone_client_are_answered) {
    publish(echo_script);
    for (uint64_t tag = 1; tag <= 100; ++tag) {
        submit(tag);
        turn_until(loop, [&] { return !receiver.responses.empty(); });
        expect_values(static_cast<float>(tag));
    }
    calls->hand_back_all();
    calls->close_and_wait();
}

TEST_F(DrivenWorkersTest, what_runs_when_the_loop_ends_is_waited_for) {
    std::binary_semaphore running{0};
    std::binary_semaphore may_answer{0};
    publish([&](FakeWorker& worker) {
        while (auto requests = worker.read_execute()) {
            running.release();
            may_answer.acquire();
            worker.answer(FakeWorker::echoes(*requests));
        }
    });
    may_answer.release();
    submit(1);
    turn_until(loop, [&] { return !receiver.responses.empty(); });
    expect_values(1);
    running.acquire();
    submit(2);
    turn(loop);
    running.acquire();
    calls->hand_back_all();
    std::future<void> closed = std::async(std::launch::async, [&] { calls->close_and_wait(); });
    may_answer.release();
    closed.get();
    calls->drain();
    expect_values(2);
}

TEST_F(DrivenWorkersTest, loops_that_end_together_do_not_wait_for_each_other) {
    std::counting_semaphore<> running{0};
    std::counting_semaphore<> may_answer{0};
    publish([&](FakeWorker& worker) {
        while (auto requests = worker.read_execute()) {
            running.release();
            may_answer.acquire();
            worker.answer(FakeWorker::echoes(*requests));
        }
    });
    EventLoop other_loop{clock};
    InferCalls other_calls(other_loop, *server);
    submit(*calls, 1);
    turn(loop);
    running.acquire();
    submit(other_calls, 2);
    turn(other_loop);
    for (InferCalls* each : {&other_calls, calls.get()}) {
        each->hand_back_all();
    }
    may_answer.release(2);
    for (InferCalls* each : {&other_calls, calls.get()}) {
        each->close_and_wait();
        each->drain();
    }
    ASSERT_EQ(receiver.responses.size(), 2u);
    EXPECT_EQ(values_of<float>(receiver.responses[0]->outputs.at(0)), std::vector<float>{2});
    EXPECT_EQ(values_of<float>(receiver.responses[1]->outputs.at(0)), std::vector<float>{1});
}

}  // namespace
}  // namespace tritonpy
