// Goal: calls cross to the control plane and back whole, in order, to whom they belong; what is
// over is over; nothing is unbounded.
// Method: loops that are turned by hand, with the test as the control plane; then loops on threads
// against a thread that answers, for the sanitizers.
#include "frontend/control_bridge.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/thread.h"
#include "frontend/loop_fixture.h"
#include "memory/block_pool.h"

namespace tritonpy {
namespace {

using AnswerKind = ControlAnswer::Kind;
using EventKind = ControlEvent::Kind;

ControlEvent make_event(EventKind kind, uint64_t call_id = 0, std::string target = {}) {
    ControlEvent event;
    event.kind = kind;
    event.call_id = call_id;
    event.target = std::move(target);
    return event;
}

ControlAnswer make_answer(uint64_t call_id, AnswerKind kind, std::string bytes = {}) {
    ControlAnswer answer;
    answer.kind = kind;
    answer.call_id = call_id;
    answer.bytes = std::move(bytes);
    return answer;
}

struct RecordingReceiver final : ControlReceiver {
    void on_answer(ControlAnswer answer) override {
        heard.push_back(answer.bytes);
        if (then) {
            then(answer);
        }
    }
    std::vector<std::string> heard;
    std::function<void(const ControlAnswer&)> then;
};

struct ControlBridgeTest : ::testing::Test {
    ManualClock clock;
    ControlBridge bridge;
    EventLoop loop{clock};
    ControlCalls calls{loop, bridge, 0};
    RecordingReceiver receiver;

    uint64_t start(ControlReceiver& one) {
        Result<uint64_t> started = calls.start(make_event(EventKind::kHttpRequest), one);
        EXPECT_TRUE(started.ok()) << started.status().message();
        return started.value();
    }
    bool readable() const {
        pollfd watched{bridge.descriptor(), POLLIN, 0};
        return ::poll(&watched, 1, 0) == 1;
    }
};

TEST_F(ControlBridgeTest, an_event_crosses_whole) {
    BlockPool pool;
    ControlEvent head = make_event(EventKind::kHttpRequest, 0, "/v2?x");
    head.method = "POST";
    head.headers = {{"a", "1"}, {"a", "2"}};
    head.body = pool.allocate(3).value();
    head.minor_version = 0;
    head.chunks = 5;
    std::byte* body = head.body->data();
    Result<uint64_t> started = calls.start(std::move(head), receiver);
    ASSERT_TRUE(started.ok());
    auto events = bridge.take_events();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kind, EventKind::kHttpRequest);
    EXPECT_EQ(events[0].call_id, started.value());
    EXPECT_EQ(events[0].method, "POST");
    EXPECT_EQ(events[0].target, "/v2?x");
    EXPECT_EQ(events[0].headers, (ControlHeaders{{"a", "1"}, {"a", "2"}}));
    EXPECT_EQ(events[0].body->data(), body);
    EXPECT_EQ(events[0].minor_version, 0);
    EXPECT_EQ(events[0].chunks, 5u);
    calls.cancel(started.value());
}

TEST_F(ControlBridgeTest, events_of_a_call_are_taken_in_the_order_in_which_they_happened) {
    uint64_t call = start(receiver);
    calls.send(make_event(EventKind::kGrpcMessage, call));
    calls.send(make_event(EventKind::kHalfClose, call));
    calls.cancel(call);
    std::vector<EventKind> kinds;
    for (const ControlEvent& event : bridge.take_events()) {
        EXPECT_EQ(event.call_id, call);
        kinds.push_back(event.kind);
    }
    EXPECT_EQ(kinds, (std::vector{EventKind::kHttpRequest, EventKind::kGrpcMessage,
                                  EventKind::kHalfClose, EventKind::kGone}));
}

TEST_F(ControlBridgeTest, the_descriptor_is_readable_exactly_while_there_are_events) {
    EXPECT_FALSE(readable());
    uint64_t call = start(receiver);
    EXPECT_TRUE(readable());
    calls.send(make_event(EventKind::kHalfClose, call));
    EXPECT_EQ(bridge.take_events().size(), 2u);
    EXPECT_FALSE(readable());
    EXPECT_TRUE(bridge.take_events().empty());
    EXPECT_FALSE(readable());
    calls.cancel(call);
    EXPECT_TRUE(readable());
    EXPECT_EQ(bridge.take_events().size(), 1u);
    EXPECT_FALSE(readable());
}

TEST_F(ControlBridgeTest, answers_come_in_order_until_the_end_and_no_later) {
    uint64_t call = start(receiver);
    bridge.answer(make_answer(call, AnswerKind::kHead, "head"));
    bridge.answer(make_answer(call, AnswerKind::kPiece, "piece"));
    bridge.answer(make_answer(call, AnswerKind::kEnd, "end"));
    bridge.answer(make_answer(call, AnswerKind::kPiece, "late"));
    EXPECT_TRUE(receiver.heard.empty()) << "only in a turn of the loop";
    turn(loop);
    EXPECT_EQ(receiver.heard, (std::vector<std::string>{"head", "piece", "end"}));
}

TEST_F(ControlBridgeTest, what_belongs_to_a_call_that_ended_is_dropped) {
    uint64_t call = start(receiver);
    bridge.answer(make_answer(call, AnswerKind::kEnd));
    turn(loop);
    bridge.take_events();
    calls.send(make_event(EventKind::kHalfClose, call));
    calls.cancel(call);
    EXPECT_TRUE(bridge.take_events().empty());
}

TEST_F(ControlBridgeTest, a_cancelled_call_hears_no_more) {
    uint64_t call = start(receiver);
    bridge.answer(make_answer(call, AnswerKind::kHead, "on its way"));
    calls.cancel(call);
    bridge.answer(make_answer(call, AnswerKind::kEnd, "late"));
    turn(loop);
    EXPECT_TRUE(receiver.heard.empty());
}

TEST_F(ControlBridgeTest, a_receiver_may_be_freed_and_calls_made_inside_an_answer) {
    auto owned = std::make_unique<RecordingReceiver>();
    uint64_t other = start(receiver);
    uint64_t next = 0;
    owned->then = [&](const ControlAnswer& answer) {
        EXPECT_EQ(answer.kind, AnswerKind::kEnd);
        calls.cancel(other);
        next = start(receiver);
        owned.reset();
    };
    uint64_t call = start(*owned);
    bridge.answer(make_answer(call, AnswerKind::kEnd));
    bridge.answer(make_answer(other, AnswerKind::kEnd, "of a call that was cancelled before it"));
    turn(loop);
    EXPECT_EQ(owned, nullptr);
    EXPECT_TRUE(receiver.heard.empty());
    bridge.answer(make_answer(next, AnswerKind::kEnd, "of the next"));
    turn(loop);
    EXPECT_EQ(receiver.heard, (std::vector<std::string>{"of the next"}));
}

TEST_F(ControlBridgeTest, calls_beyond_the_limit_of_all_loops_are_refused_until_one_ends) {
    EventLoop other_loop(clock);
    ControlCalls other_calls(other_loop, bridge, 1);
    std::vector<uint64_t> open;
    for (size_t count = 0; count < limits::kMaxControlCalls; ++count) {
        open.push_back(start(receiver));
    }
    auto refused = [&](ControlCalls& of_loop) {
        Result<uint64_t> started =
            of_loop.start(make_event(EventKind::kHttpRequest), receiver);
        if (started.ok()) {
            of_loop.cancel(started.value());
        }
        return std::string(started.status().message());
    };
    const std::string full = "too many calls are waiting for the control plane";
    EXPECT_EQ(refused(calls), full);
    EXPECT_EQ(refused(other_calls), full);
    calls.cancel(open.back());
    open.pop_back();
    EXPECT_EQ(refused(other_calls), "");
    bridge.answer(make_answer(open.back(), AnswerKind::kEnd));
    turn(loop);
    open.pop_back();
    open.push_back(start(receiver));
    open.push_back(start(receiver));
    EXPECT_EQ(refused(calls), full);
    for (uint64_t call : open) {
        calls.cancel(call);
    }
}

TEST_F(ControlBridgeTest, a_closed_bridge_takes_no_calls_but_lets_those_it_has_end) {
    uint64_t call = start(receiver);
    bridge.close();
    Result<uint64_t> refused = calls.start(make_event(EventKind::kHttpRequest), receiver);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.status(), unavailable("Server exiting"));
    bridge.answer(make_answer(call, AnswerKind::kEnd, "end"));
    turn(loop);
    EXPECT_EQ(receiver.heard, (std::vector<std::string>{"end"}));
}

TEST_F(ControlBridgeTest, an_answer_goes_to_the_loop_that_asked) {
    EventLoop other_loop(clock);
    ControlCalls other_calls(other_loop, bridge, limits::kMaxIoThreads - 1);
    RecordingReceiver other_receiver;
    uint64_t here = start(receiver);
    Result<uint64_t> there =
        other_calls.start(make_event(EventKind::kHttpRequest), other_receiver);
    ASSERT_TRUE(there.ok());
    bridge.answer(make_answer(there.value(), AnswerKind::kEnd, "there"));
    bridge.answer(make_answer(here, AnswerKind::kEnd, "here"));
    turn(loop);
    EXPECT_EQ(receiver.heard, (std::vector<std::string>{"here"}));
    EXPECT_TRUE(other_receiver.heard.empty());
    turn(other_loop);
    EXPECT_EQ(other_receiver.heard, (std::vector<std::string>{"there"}));
}

// One loop on its thread that makes calls one after another, each when the one before has ended.
class Caller final : public ControlReceiver {
  public:
    Caller(ControlBridge& bridge, size_t index, int count)
        : calls_(loop_, bridge, index), left_(count) {}
    void run() {
        LoopThread thread(loop_);
        thread.run([this] { next(); });
        done_.wait(false);
    }
    void on_answer(ControlAnswer answer) override {
        if (answer.kind == AnswerKind::kEnd) {
            next();
        }
    }

  private:
    void next() {
        if (left_-- == 0) {
            done_ = true;
            done_.notify_all();
            return;
        }
        Result<uint64_t> call = calls_.start(make_event(EventKind::kGrpcCall), *this);
        TRITONPY_CHECK(call.ok());
        calls_.send(make_event(EventKind::kHalfClose, call.value()));
        if (left_ % 7 == 0) {
            calls_.cancel(call.value());
            next();
        }
    }

    SteadyClock clock_;
    EventLoop loop_{clock_};
    ControlCalls calls_;
    int left_;
    std::atomic<bool> done_{false};
};

TEST(ControlBridgeThreadsTest, every_call_of_every_loop_ends_exactly_once) {
    ControlBridge bridge;
    std::atomic<bool> stopping{false};
    Caller first(bridge, 0, 3000);
    Caller second(bridge, 1, 3000);
    Thread control("control", [&] {
        while (!stopping) {
            pollfd watched{bridge.descriptor(), POLLIN, 0};
            ::poll(&watched, 1, 10);
            for (const ControlEvent& event : bridge.take_events()) {
                if (event.kind == EventKind::kHalfClose) {
                    bridge.answer(make_answer(event.call_id, AnswerKind::kPiece, "x"));
                    bridge.answer(make_answer(event.call_id, AnswerKind::kEnd));
                }
            }
        }
    });
    {
        Thread one("caller", [&] { first.run(); });
        second.run();
    }
    stopping = true;
}

}  // namespace
}  // namespace tritonpy
