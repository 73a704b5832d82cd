// Goal: a turn does what the loop's essay says, in that order, and no watcher, callback or object
// is touched after it has gone.
// Method: turns by hand, with pipes of bytes between watchers and a manual clock; a thread where
// sleeping and waking are the point. A lost wake-up shows as a test that hangs.
#include "frontend/event_loop.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "frontend/loop_fixture.h"

namespace tritonpy {
namespace {

struct EventLoopTest : ::testing::Test {
    ManualClock clock{1'000'000'000};
    EventLoop loop{clock};
    std::vector<std::string> heard;
};

// Reads what comes and does what it is told.
struct Reader final : Watcher {
    explicit Reader(std::function<void(uint32_t)> what) : then(std::move(what)) {}
    void on_events(uint32_t events) override { then(events); }
    std::function<void(uint32_t)> then;
};

struct Finisher final : TurnEnd {
    explicit Finisher(std::function<void()> what) : then(std::move(what)) {}
    void on_turn_end() override { then(); }
    std::function<void()> then;
};

struct Waste final : Discarded {
    explicit Waste(std::function<void()> what) : at_end(std::move(what)) {}
    ~Waste() override { at_end(); }
    std::function<void()> at_end;
};

// A source that other threads push numbers to.
struct Numbers final : LoopSource {
    explicit Numbers(EventLoop& loop) : inbox(loop.wakeup()) { loop.add_source(*this); }
    bool drain() override {
        if (!inbox.take_all(taken)) {
            return false;
        }
        for (int number : taken) {
            sum += number;
        }
        taken.clear();
        return true;
    }
    bool arm() override { return inbox.arm(); }
    Inbox<int> inbox;
    std::vector<int> taken;
    int64_t sum = 0;
};

TEST_F(EventLoopTest, has_its_descriptors) { EXPECT_TRUE(loop.status().ok()); }

TEST_F(EventLoopTest, tasks_run_in_the_order_of_their_posts_and_stop_is_one_of_them) {
    loop.post([&] { heard.push_back("first"); });
    loop.post([&] { heard.push_back("second"); });
    loop.stop();
    loop.run();
    EXPECT_EQ(heard, (std::vector<std::string>{"first", "second"}));
    loop.post([&] { heard.push_back("third"); });
    loop.stop();
    loop.run();
    EXPECT_EQ(heard.back(), "third");
}

TEST_F(EventLoopTest, tasks_that_never_ran_are_freed_with_the_loop) {
    auto watched = std::make_shared<int>(1);
    {
        EventLoop other(clock);
        other.post([watched] { FAIL(); });
        EXPECT_EQ(watched.use_count(), 2);
    }
    EXPECT_EQ(watched.use_count(), 1);
}

TEST_F(EventLoopTest, watcher_hears_of_its_descriptor_until_it_has_read) {
    const SocketEnds ends = unix_sockets();
    TestClient server(ends.server);
    TestClient client(ends.client);
    Reader reader([&](uint32_t events) {
        EXPECT_EQ(events, static_cast<uint32_t>(EPOLLIN));
        heard.push_back("in");
    });
    ASSERT_TRUE(loop.watch(ends.server, EPOLLIN, reader).ok());
    turn(loop);
    EXPECT_TRUE(heard.empty());
    client.send("x");
    turn(loop);
    turn(loop);
    EXPECT_EQ(heard.size(), 2u);  // level-triggered: it did not read
    EXPECT_EQ(server.take(), "x");
    turn(loop);
    EXPECT_EQ(heard.size(), 2u);
    client.send("y");
    loop.rewatch(ends.server, 0, reader);
    turn(loop);
    EXPECT_EQ(heard.size(), 2u);
    loop.rewatch(ends.server, EPOLLIN, reader);
    turn(loop);
    EXPECT_EQ(heard.size(), 3u);
    loop.unwatch(ends.server, reader);
    turn(loop);
    EXPECT_EQ(heard.size(), 3u);
}

TEST_F(EventLoopTest, watching_what_cannot_be_watched_is_unavailable) {
    Reader reader([](uint32_t) {});
    const Status status = loop.watch(-1, EPOLLIN, reader);
    EXPECT_EQ(status.code(), StatusCode::kUnavailable);
}

// Both are ready in one fetch; whichever comes first silences the other.
TEST_F(EventLoopTest, unwatched_watcher_hears_nothing_of_events_already_fetched) {
    const SocketEnds one = unix_sockets();
    const SocketEnds other = unix_sockets();
    TestClient one_server(one.server);
    TestClient other_server(other.server);
    TestClient one_client(one.client);
    TestClient other_client(other.client);
    int calls = 0;
    std::unique_ptr<Reader> first;
    std::unique_ptr<Reader> second;
    first = std::make_unique<Reader>([&](uint32_t) {
        ++calls;
        loop.unwatch(other.server, *second);
        second.reset();
        one_server.take();
    });
    second = std::make_unique<Reader>([&](uint32_t) {
        ++calls;
        loop.unwatch(one.server, *first);
        first.reset();
        other_server.take();
    });
    ASSERT_TRUE(loop.watch(one.server, EPOLLIN, *first).ok());
    ASSERT_TRUE(loop.watch(other.server, EPOLLIN, *second).ok());
    one_client.send("x");
    other_client.send("x");
    turns(loop, 2);
    EXPECT_EQ(calls, 1);
    EXPECT_NE(first == nullptr, second == nullptr);
}

TEST_F(EventLoopTest, more_ready_sockets_than_one_turn_serves_are_all_served) {
    constexpr size_t kCount = limits::kMaxEventsPerTurn + 50;
    std::vector<std::unique_ptr<TestClient>> ends;
    std::vector<std::unique_ptr<Reader>> readers;
    size_t served = 0;
    for (size_t i = 0; i < kCount; ++i) {
        const SocketEnds pair = unix_sockets();
        ends.push_back(std::make_unique<TestClient>(pair.server));
        TestClient& server = *ends.back();
        ends.push_back(std::make_unique<TestClient>(pair.client));
        ends.back()->send("x");
        readers.push_back(std::make_unique<Reader>([&](uint32_t) {
            ++served;
            server.take();
        }));
        ASSERT_TRUE(loop.watch(pair.server, EPOLLIN, *readers.back()).ok());
    }
    turn(loop);
    EXPECT_EQ(served, limits::kMaxEventsPerTurn);
    turn(loop);
    EXPECT_EQ(served, kCount);
}

TEST_F(EventLoopTest, turn_end_comes_once_for_each_call_and_before_what_is_discarded_goes) {
    Finisher finisher([&] { heard.push_back("end"); });
    loop.post([&] {
        loop.discard(std::make_unique<Waste>([&] { heard.push_back("freed"); }));
        loop.call_at_turn_end(finisher);
        heard.push_back("task");
    });
    turns(loop, 2);
    EXPECT_EQ(heard, (std::vector<std::string>{"task", "end", "freed"}));
}

TEST_F(EventLoopTest, what_a_turn_end_asks_for_comes_in_the_next_turn_without_sleep) {
    int left = 3;
    Finisher finisher([&] {
        if (--left > 0) {
            loop.call_at_turn_end(finisher);
        } else {
            loop.stop();
        }
    });
    loop.call_at_turn_end(finisher);
    loop.run();  // would sleep for ever
    EXPECT_EQ(left, 0);
}

TEST_F(EventLoopTest, what_is_discarded_by_what_goes_is_freed_too) {
    loop.discard(std::make_unique<Waste>([&] {
        heard.push_back("outer");
        loop.discard(std::make_unique<Waste>([&] {
            heard.push_back("inner");
            loop.stop();
        }));
    }));
    loop.run();
    EXPECT_EQ(heard, (std::vector<std::string>{"outer", "inner"}));
}

TEST_F(EventLoopTest, forgotten_turn_end_does_not_come_even_from_inside_another) {
    auto second = std::make_unique<Finisher>([&] { heard.push_back("second"); });
    Finisher first([&] {
        heard.push_back("first");
        loop.forget_turn_end(*second);
        second.reset();
    });
    loop.call_at_turn_end(first);
    loop.call_at_turn_end(*second);
    Finisher third([&] { heard.push_back("third"); });
    loop.call_at_turn_end(third);
    loop.call_at_turn_end(third);
    loop.forget_turn_end(third);
    turn(loop);
    EXPECT_EQ(heard, (std::vector<std::string>{"first"}));
}

TEST_F(EventLoopTest, watcher_that_discards_its_owner_is_freed_when_it_has_returned) {
    const SocketEnds ends = unix_sockets();
    TestClient server(ends.server);
    TestClient client(ends.client);
    struct Owner final : Discarded, Watcher {
        Owner(EventLoop& its_loop, int its_descriptor, bool& is_freed)
            : loop(its_loop), descriptor(its_descriptor), freed(is_freed) {}
        ~Owner() override { freed = true; }
        void on_events(uint32_t) override {
            loop.unwatch(descriptor, *this);
            loop.discard(std::move(self));
            EXPECT_FALSE(freed);
        }
        EventLoop& loop;
        int descriptor;
        bool& freed;
        std::unique_ptr<Discarded> self;
    };
    bool freed = false;
    auto owner = std::make_unique<Owner>(loop, ends.server, freed);
    Owner& borrowed = *owner;
    ASSERT_TRUE(loop.watch(ends.server, EPOLLIN, borrowed).ok());
    borrowed.self = std::move(owner);
    client.send("x");
    turn(loop);
    EXPECT_TRUE(freed);
}

TEST_F(EventLoopTest, timers_fire_by_the_clock_and_see_the_time_of_the_turn) {
    struct Alarm final : Timer::Handler {
        explicit Alarm(EventLoop& its_loop) : loop(its_loop) {}
        void on_timer(Timer&) override { fired_at_ns = loop.now_ns(); }
        EventLoop& loop;
        Timer timer{*this};
        int64_t fired_at_ns = 0;
    } alarm(loop);
    loop.timers().arm(alarm.timer, clock.now_ns() + 5'000'000);
    clock.advance_ns(4'000'000);
    turn(loop);
    EXPECT_EQ(alarm.fired_at_ns, 0);
    clock.advance_ns(1'000'000);
    turn(loop);
    EXPECT_EQ(alarm.fired_at_ns, clock.now_ns());
}

// Woken by a socket, the loop is awake for everybody.
TEST_F(EventLoopTest, what_is_handed_in_after_another_wake_up_does_not_signal) {
    const SocketEnds ends = unix_sockets();
    TestClient server(ends.server);
    TestClient client(ends.client);
    Numbers numbers(loop);
    bool signalled = true;
    Reader reader([&](uint32_t) {
        server.take();
        numbers.inbox.push(1);
        pollfd entry{loop.wakeup().descriptor(), POLLIN, 0};
        signalled = poll(&entry, 1, 0) == 1;
        loop.stop();
    });
    ASSERT_TRUE(loop.watch(ends.server, EPOLLIN, reader).ok());
    client.send("x");
    loop.run();  // goes to sleep, and is woken at once
    EXPECT_FALSE(signalled);
    EXPECT_EQ(numbers.sum, 1);
}

TEST(EventLoopOnThread, timer_ends_a_sleep) {
    SteadyClock clock;
    EventLoop loop(clock);
    struct Alarm final : Timer::Handler {
        explicit Alarm(EventLoop& its_loop) : loop(its_loop) {}
        void on_timer(Timer&) override { loop.stop(); }
        EventLoop& loop;
        Timer timer{*this};
    } alarm(loop);
    const int64_t due_ns = clock.now_ns() + 3'000'000;
    loop.timers().arm(alarm.timer, due_ns);
    loop.run();
    EXPECT_GE(clock.now_ns(), due_ns);
}

TEST(EventLoopOnThread, posts_and_sources_wake_a_sleeping_loop) {
    constexpr int kThreads = 3;
    constexpr int kEach = 5'000;
    SteadyClock clock;
    EventLoop loop(clock);
    Numbers numbers(loop);
    int64_t posted = 0;
    {
        LoopThread io(loop);
        std::vector<std::thread> threads;
        for (int t = 0; t < kThreads; ++t) {
            threads.emplace_back([&] {
                for (int n = 0; n < kEach; ++n) {
                    if (n % 2 == 0) {
                        numbers.inbox.push(1);
                    } else {
                        loop.post([&posted] { ++posted; });
                    }
                }
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        const int64_t all = kThreads * kEach;
        while (io.run([&] { return posted + numbers.sum; }) < all) {
        }
    }
    EXPECT_EQ(posted + numbers.sum, kThreads * kEach);
}

// Each push meets a loop that sleeps or is about to.
TEST(EventLoopOnThread, pushes_one_by_one_are_never_lost) {
    SteadyClock clock;
    EventLoop loop(clock);
    std::atomic<int> seen{0};
    LoopThread io(loop);
    for (int n = 1; n <= 5'000; ++n) {
        loop.post([&seen] { seen.fetch_add(1); });
        while (seen.load() != n) {
            std::this_thread::yield();
        }
    }
}

TEST(EventLoopOnThread, busy_loop_is_not_signalled) {
    SteadyClock clock;
    EventLoop loop(clock);
    Numbers numbers(loop);
    LoopThread io(loop);
    const bool signalled = io.run([&] {
        loop.wakeup().acknowledge();
        numbers.inbox.push(1);
        loop.post([] {});
        pollfd entry{loop.wakeup().descriptor(), POLLIN, 0};
        return poll(&entry, 1, 0) == 1;
    });
    EXPECT_FALSE(signalled);
    EXPECT_EQ(io.run([&] { return numbers.sum; }), 1);
}

}  // namespace
}  // namespace tritonpy
