// Goal: a timer fires once per arm, not before it is due and less than a tick late; handlers may do
// to any timer what they like.
// Method: single timers at the edges of ticks and wheels; then thousands of random steps, also from
// inside handlers, against a list that is searched from end to end.
#include "base/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <vector>

namespace tritonpy {
namespace {

constexpr int64_t kTick = TimerWheel::kTickNs;

// A timer that does what it is told when it fires.
struct Alarm final : Timer::Handler {
    Timer timer{*this};
    int fired = 0;
    std::function<void()> then;
    void on_timer(Timer& which) override {
        EXPECT_EQ(&which, &timer);
        EXPECT_FALSE(timer.armed());
        ++fired;
        if (then) {
            then();
        }
    }
};

TEST(TimerWheel, fires_once_at_its_due_time_and_not_before) {
    TimerWheel wheel(0);
    Alarm alarm;
    EXPECT_FALSE(alarm.timer.armed());
    wheel.arm(alarm.timer, 5 * kTick);
    EXPECT_TRUE(alarm.timer.armed());
    EXPECT_EQ(alarm.timer.due_ns(), 5 * kTick);
    wheel.advance(5 * kTick - 1);
    EXPECT_EQ(alarm.fired, 0);
    wheel.advance(5 * kTick);
    EXPECT_EQ(alarm.fired, 1);
    EXPECT_FALSE(alarm.timer.armed());
    wheel.advance(1'000'000 * kTick);
    EXPECT_EQ(alarm.fired, 1);
}

TEST(TimerWheel, due_time_inside_a_tick_waits_for_its_end) {
    TimerWheel wheel(7 * kTick + 3);
    Alarm alarm;
    wheel.arm(alarm.timer, 9 * kTick + 1);
    EXPECT_EQ(wheel.next_look_ns(), 10 * kTick);
    wheel.advance(10 * kTick - 1);
    EXPECT_EQ(alarm.fired, 0);
    wheel.advance(10 * kTick);
    EXPECT_EQ(alarm.fired, 1);
}

TEST(TimerWheel, time_that_has_passed_is_due_at_once) {
    TimerWheel wheel(100 * kTick);
    for (int64_t due_ns : {int64_t{-5}, int64_t{0}, 3 * kTick, 100 * kTick}) {
        Alarm alarm;
        wheel.arm(alarm.timer, due_ns);
        ASSERT_TRUE(wheel.next_look_ns());
        EXPECT_LE(*wheel.next_look_ns(), 100 * kTick);
        wheel.advance(100 * kTick);
        EXPECT_EQ(alarm.fired, 1);
    }
}

TEST(TimerWheel, next_look_is_nothing_only_without_timers) {
    TimerWheel wheel(0);
    EXPECT_EQ(wheel.next_look_ns(), std::nullopt);
    Alarm alarm;
    wheel.arm(alarm.timer, INT64_MAX);
    ASSERT_TRUE(wheel.next_look_ns());
    EXPECT_GT(*wheel.next_look_ns(), 0);
    alarm.timer.cancel();
    EXPECT_EQ(wheel.next_look_ns(), std::nullopt);
    alarm.timer.cancel();
}

// An hour away: looks on the way there are few, not one a second.
TEST(TimerWheel, far_timer_causes_few_looks) {
    constexpr int64_t kHour = 3'600'000 * kTick;
    TimerWheel wheel(12345 * kTick);
    Alarm alarm;
    wheel.arm(alarm.timer, 12345 * kTick + kHour);
    int looks = 0;
    while (alarm.fired == 0) {
        ASSERT_LE(*wheel.next_look_ns(), 12345 * kTick + kHour);
        wheel.advance(*wheel.next_look_ns());
        ++looks;
    }
    EXPECT_LE(looks, 8);
}

TEST(TimerWheel, every_width_of_wheel_keeps_its_timers) {
    for (int64_t start : {int64_t{0}, int64_t{63}, int64_t{64 * 64 - 1}, int64_t{1'234'567'890}}) {
        for (int bit = 0; bit < 43; ++bit) {
            for (int64_t offset : {-1, 0, 1}) {
                const int64_t due = start + std::max<int64_t>((int64_t{1} << bit) + offset, 1);
                TimerWheel wheel(start * kTick);
                Alarm alarm;
                wheel.arm(alarm.timer, due * kTick);
                wheel.advance((due - 1) * kTick + kTick - 1);
                EXPECT_EQ(alarm.fired, 0) << start << ' ' << due;
                wheel.advance(due * kTick);
                EXPECT_EQ(alarm.fired, 1) << start << ' ' << due;
            }
        }
    }
}

TEST(TimerWheel, arming_again_moves_the_timer) {
    TimerWheel wheel(0);
    Alarm alarm;
    wheel.arm(alarm.timer, 5 * kTick);
    wheel.arm(alarm.timer, 5000 * kTick);
    wheel.advance(4999 * kTick);
    EXPECT_EQ(alarm.fired, 0);
    wheel.arm(alarm.timer, 5001 * kTick);
    wheel.advance(5000 * kTick);
    EXPECT_EQ(alarm.fired, 0);
    wheel.advance(5001 * kTick);
    EXPECT_EQ(alarm.fired, 1);
}

TEST(TimerWheel, timers_fire_in_the_order_of_ticks) {
    TimerWheel wheel(0);
    std::vector<int64_t> order;
    std::vector<std::unique_ptr<Alarm>> alarms;
    for (int64_t due : {4000, 3, 70, 5, 4001, 71, 300000}) {
        alarms.push_back(std::make_unique<Alarm>());
        alarms.back()->then = [&order, due] { order.push_back(due); };
        wheel.arm(alarms.back()->timer, due * kTick);
    }
    wheel.advance(1'000'000 * kTick);
    EXPECT_EQ(order, (std::vector<int64_t>{3, 5, 70, 71, 4000, 4001, 300000}));
}

TEST(TimerWheel, handler_that_arms_itself_in_the_past_fires_in_the_next_advance_only) {
    TimerWheel wheel(0);
    Alarm alarm;
    alarm.then = [&] { wheel.arm(alarm.timer, 0); };
    wheel.arm(alarm.timer, kTick);
    wheel.advance(50 * kTick);
    EXPECT_EQ(alarm.fired, 1);
    wheel.advance(50 * kTick);
    EXPECT_EQ(alarm.fired, 2);
}

TEST(TimerWheel, handler_cancels_and_frees_timers_that_are_due_with_it) {
    TimerWheel wheel(0);
    auto first = std::make_unique<Alarm>();
    auto second = std::make_unique<Alarm>();
    auto third = std::make_unique<Alarm>();
    int fired = 0;
    first->then = [&] {
        ++fired;
        second.reset();
        third->timer.cancel();
    };
    second->then = [&] {
        ++fired;
        first.reset();
        third->timer.cancel();
    };
    wheel.arm(first->timer, 10 * kTick);
    wheel.arm(second->timer, 10 * kTick);
    wheel.arm(third->timer, 11 * kTick);
    wheel.advance(20 * kTick);
    EXPECT_EQ(fired, 1);
    EXPECT_EQ(third->fired, 0);
    EXPECT_EQ(wheel.next_look_ns(), std::nullopt);
}

TEST(TimerWheel, handler_frees_itself) {
    TimerWheel wheel(0);
    auto alarm = std::make_unique<Alarm>();
    alarm->then = [&] {
        auto kept_to_the_end = std::move(alarm->then);
        alarm.reset();
    };
    wheel.arm(alarm->timer, kTick);
    wheel.advance(kTick);
    EXPECT_EQ(alarm, nullptr);
}

TEST(TimerWheel, wheel_that_goes_disarms_its_timers) {
    Alarm near;
    Alarm far;
    {
        TimerWheel wheel(0);
        wheel.arm(near.timer, kTick);
        wheel.arm(far.timer, int64_t{1} << 60);
    }
    EXPECT_FALSE(near.timer.armed());
    EXPECT_FALSE(far.timer.armed());
}

// The same steps on the wheel and on a plain map of due times.
class RandomTimers {
  public:
    explicit RandomTimers(uint32_t seed)
        : random_(seed), now_ns_(below(2) != 0 ? 0 : int64_t{below(1u << 31)} * 5'000'003),
          wheel_(now_ns_) {
        for (int i = 0; i < 40; ++i) {
            add();
        }
    }

    void step() {
        switch (below(4)) {
            case 0:
                arm_one();
                break;
            case 1:
                cancel_or_replace_one();
                break;
            default:
                advance();
        }
    }

    int fired() const { return fired_; }

  private:
    uint32_t below(uint32_t end) { return random_() % end; }
    Alarm& any() { return *alarms_[below(static_cast<uint32_t>(alarms_.size()))]; }

    void add() {
        alarms_.push_back(std::make_unique<Alarm>());
        Alarm& alarm = *alarms_.back();
        alarm.then = [this, &alarm] { on_fired(alarm); };
    }
    void on_fired(Alarm& alarm) {
        ++fired_;
        const auto due = due_.find(&alarm);
        ASSERT_NE(due, due_.end()) << "fired without being armed";
        EXPECT_LE(due->second, now_ns_);
        due_.erase(due);
        fresh_.erase(&alarm);
        switch (below(5)) {
            case 0:
                arm_one();
                break;
            case 1:
                cancel_or_replace_one(&alarm);
                break;
            default:
                break;
        }
    }
    void arm_one() {
        Alarm& alarm = any();
        const int64_t width_ns = kTick << below(24);
        const int64_t early_ns = below(4) == 0 ? kTick << below(20) : 0;
        const int64_t due_ns =
            now_ns_ + static_cast<int64_t>(random_()) * random_() % width_ns - early_ns;
        wheel_.arm(alarm.timer, due_ns);
        due_[&alarm] = due_ns;
        fresh_[&alarm] = true;
        EXPECT_EQ(alarm.timer.due_ns(), due_ns);
    }
    // `running` must outlive its own handler here.
    void cancel_or_replace_one(Alarm* running = nullptr) {
        Alarm& alarm = any();
        due_.erase(&alarm);
        fresh_.erase(&alarm);
        if (below(2) == 0 || &alarm == running) {
            alarm.timer.cancel();
            return;
        }
        std::erase_if(alarms_, [&](const auto& one) { return one.get() == &alarm; });
        add();
    }
    void advance() {
        if (const auto look_ns = wheel_.next_look_ns(); look_ns && below(3) == 0) {
            now_ns_ = std::max(now_ns_, *look_ns);
        } else {
            now_ns_ += static_cast<int64_t>(random_()) % (kTick << below(22));
        }
        fresh_.clear();
        wheel_.advance(now_ns_);
        // All that is due has fired, but for what handlers have armed meanwhile.
        std::optional<int64_t> earliest_ns;
        for (const auto& [alarm, due_ns] : due_) {
            EXPECT_TRUE(alarm->timer.armed());
            EXPECT_TRUE(fresh_.contains(alarm) || due_ns > now_ns_ / kTick * kTick);
            earliest_ns = std::min(earliest_ns.value_or(due_ns), due_ns);
        }
        const std::optional<int64_t> look_ns = wheel_.next_look_ns();
        ASSERT_EQ(look_ns.has_value(), earliest_ns.has_value());
        if (look_ns) {
            EXPECT_LT(*look_ns, std::max(*earliest_ns, now_ns_) + kTick);
        }
    }

    std::mt19937 random_;
    int64_t now_ns_;
    TimerWheel wheel_;
    std::vector<std::unique_ptr<Alarm>> alarms_;
    std::map<Alarm*, int64_t> due_;
    std::map<Alarm*, bool> fresh_;  // armed since the last advance began
    int fired_ = 0;
};

TEST(TimerWheel, random_steps_agree_with_a_plain_list) {
    for (uint32_t seed = 1; seed <= 200; ++seed) {
        SCOPED_TRACE(seed);
        RandomTimers timers(seed);
        for (int i = 0; i < 1000; ++i) {
            timers.step();
        }
        EXPECT_GT(timers.fired(), 50);
        ASSERT_FALSE(::testing::Test::HasFailure());
    }
}

}  // namespace
}  // namespace tritonpy
