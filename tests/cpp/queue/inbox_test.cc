// Goal: everything pushed is taken once and in order, no wake-up is lost, and a burst costs one.
// Method: the wake-up's descriptor is read where it should be quiet or not; then threads push into
// two inboxes of one consumer that really sleeps. A lost wake-up shows as a test that hangs.
#include "queue/inbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "queue/wakeup.h"

namespace tritonpy {
namespace {

bool readable(const Wakeup& wakeup, int timeout_ms = 0) {
    pollfd entry{wakeup.descriptor(), POLLIN, 0};
    return poll(&entry, 1, timeout_ms) == 1;
}

TEST(Wakeup, readable_from_signal_to_acknowledge) {
    Wakeup wakeup;
    ASSERT_TRUE(wakeup.ok());
    EXPECT_FALSE(readable(wakeup));
    wakeup.acknowledge();
    EXPECT_FALSE(readable(wakeup));
    wakeup.signal();
    wakeup.signal();
    EXPECT_TRUE(readable(wakeup));
    wakeup.acknowledge();
    EXPECT_FALSE(readable(wakeup));
}

TEST(Wakeup, only_an_armed_sleeper_is_claimed_and_only_once) {
    Wakeup wakeup;
    EXPECT_EQ(wakeup.claim_sleeper(), nullptr);
    wakeup.arm();
    auto sleeper = wakeup.claim_sleeper();
    ASSERT_NE(sleeper, nullptr);
    EXPECT_EQ(wakeup.claim_sleeper(), nullptr);
    EXPECT_FALSE(readable(wakeup));
    sleeper->send();
    EXPECT_TRUE(readable(wakeup));
    wakeup.arm();
    wakeup.disarm();
    EXPECT_EQ(wakeup.claim_sleeper(), nullptr);
}

TEST(Wakeup, a_sleeper_that_was_claimed_may_go_before_it_is_woken) {
    auto wakeup = std::make_unique<Wakeup>();
    wakeup->arm();
    auto sleeper = wakeup->claim_sleeper();
    ASSERT_NE(sleeper, nullptr);
    wakeup.reset();
    sleeper->send();
    EXPECT_GE(fcntl(sleeper->descriptor(), F_GETFD), 0);
}

TEST(Inbox, items_come_out_once_and_in_order) {
    Wakeup wakeup;
    Inbox<std::unique_ptr<int>> inbox(wakeup);
    std::vector<std::unique_ptr<int>> taken;
    EXPECT_FALSE(inbox.take_all(taken));
    inbox.push(std::make_unique<int>(1));
    inbox.push(std::make_unique<int>(2));
    ASSERT_TRUE(inbox.take_all(taken));
    ASSERT_EQ(taken.size(), 2u);
    EXPECT_EQ(*taken[0], 1);
    EXPECT_EQ(*taken[1], 2);
    taken.clear();
    EXPECT_FALSE(inbox.take_all(taken));
}

TEST(Inbox, busy_consumer_is_not_signalled) {
    Wakeup wakeup;
    Inbox<int> inbox(wakeup);
    inbox.push(1);
    EXPECT_FALSE(readable(wakeup));
}

TEST(Inbox, arm_finds_what_came_before_it) {
    Wakeup wakeup;
    Inbox<int> inbox(wakeup);
    inbox.push(1);
    EXPECT_FALSE(inbox.arm());
    std::vector<int> taken;
    ASSERT_TRUE(inbox.take_all(taken));
    EXPECT_TRUE(inbox.arm());
    EXPECT_FALSE(readable(wakeup));
}

TEST(Inbox, first_push_after_arm_signals_for_all_inboxes_of_the_wakeup) {
    Wakeup wakeup;
    Inbox<int> one(wakeup);
    Inbox<int> other(wakeup);
    ASSERT_TRUE(one.arm());
    ASSERT_TRUE(other.arm());
    other.push(1);
    EXPECT_TRUE(readable(wakeup));
    wakeup.acknowledge();
    one.push(2);
    other.push(3);
    EXPECT_FALSE(readable(wakeup));
}

TEST(Inbox, closed_it_drops_what_is_here_and_what_comes) {
    auto watched = std::make_shared<int>(1);
    Wakeup wakeup;
    Inbox<std::shared_ptr<int>> inbox(wakeup);
    inbox.push(watched);
    inbox.close();
    EXPECT_EQ(watched.use_count(), 1);
    EXPECT_TRUE(inbox.arm());
    inbox.push(watched);
    EXPECT_EQ(watched.use_count(), 1);
    EXPECT_FALSE(readable(wakeup));
    std::vector<std::shared_ptr<int>> taken;
    EXPECT_FALSE(inbox.take_all(taken));
}

TEST(Inbox, items_left_are_freed_with_it) {
    auto watched = std::make_shared<int>(1);
    {
        Wakeup wakeup;
        Inbox<std::shared_ptr<int>> inbox(wakeup);
        inbox.push(watched);
        EXPECT_EQ(watched.use_count(), 2);
    }
    EXPECT_EQ(watched.use_count(), 1);
}

TEST(Inbox, sleeping_consumer_hears_of_every_item_of_many_threads) {
    constexpr int kProducers = 3;
    constexpr uint64_t kEach = 20'000;
    Wakeup wakeup;
    Inbox<uint64_t> odd(wakeup);
    Inbox<uint64_t> even(wakeup);
    std::vector<std::thread> producers;
    for (uint64_t producer = 0; producer < kProducers; ++producer) {
        producers.emplace_back([&, producer] {
            for (uint64_t n = 0; n < kEach; ++n) {
                (n % 2 == 0 ? even : odd).push(producer * kEach + n);
            }
        });
    }
    std::vector<uint64_t> next_even(kProducers, 0);
    std::vector<uint64_t> next_odd(kProducers, 1);
    std::vector<uint64_t> taken;
    const auto check = [&](Inbox<uint64_t>& inbox, std::vector<uint64_t>& next) {
        inbox.take_all(taken);
        for (uint64_t item : taken) {
            EXPECT_EQ(item % kEach, next[item / kEach]);
            next[item / kEach] += 2;
        }
        const size_t count = taken.size();
        taken.clear();
        return count;
    };
    for (size_t count = 0; count < kProducers * kEach;) {
        count += check(odd, next_odd) + check(even, next_even);
        if (count < kProducers * kEach && odd.arm() && even.arm()) {
            ASSERT_TRUE(readable(wakeup, -1));
            wakeup.acknowledge();
        }
        wakeup.disarm();
    }
    for (std::thread& producer : producers) {
        producer.join();
    }
    EXPECT_FALSE(odd.take_all(taken));
    EXPECT_FALSE(even.take_all(taken));
}

}  // namespace
}  // namespace tritonpy
