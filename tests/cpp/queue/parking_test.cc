// Goal: no wake-up is ever lost, and a timed sleep ends. A lost wake-up shows as a test that hangs.
// Method: every order of prepare and notify on one thread; then threads that hand work to each
// other through a counter and sleep whenever they see none.
#include "queue/parking.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace tritonpy {
namespace {

TEST(Parking, notify_after_prepare_ends_the_wait_at_once) {
    Parking parking;
    Parking::Ticket ticket = parking.prepare();
    parking.notify_one();
    parking.wait(ticket);

    ticket = parking.prepare();
    parking.notify_all();
    parking.wait(ticket);
}

TEST(Parking, notify_without_sleepers_is_not_kept_for_later) {
    Parking parking;
    parking.notify_one();
    parking.notify_all();
    SteadyClock clock;
    const int64_t deadline_ns = clock.now_ns() + 1'000'000;
    Parking::Ticket ticket = parking.prepare();
    parking.wait_until(ticket, deadline_ns);
    EXPECT_GE(clock.now_ns(), deadline_ns);
}

TEST(Parking, each_ticket_needs_a_notify_of_its_own) {
    Parking parking;
    SteadyClock clock;
    Parking::Ticket first = parking.prepare();
    parking.notify_one();
    parking.wait(first);
    Parking::Ticket second = parking.prepare();
    EXPECT_NE(first, second);
    const int64_t deadline_ns = clock.now_ns() + 1'000'000;
    parking.wait_until(second, deadline_ns);
    EXPECT_GE(clock.now_ns(), deadline_ns);
}

TEST(Parking, past_deadlines_do_not_block) {
    Parking parking;
    SteadyClock clock;
    parking.wait_until(parking.prepare(), clock.now_ns() - 1);
    parking.wait_until(parking.prepare(), 0);
    parking.wait_until(parking.prepare(), -5);
}

TEST(Parking, cancelled_sleeper_leaves_no_trace) {
    Parking parking;
    parking.prepare();
    parking.cancel();
    SteadyClock clock;
    const int64_t deadline_ns = clock.now_ns() + 1'000'000;
    parking.notify_one();
    parking.wait_until(parking.prepare(), deadline_ns);
    EXPECT_GE(clock.now_ns(), deadline_ns);
}

// One sleeper per notify: whoever is woken and leaves work behind wakes the next, as instances do.
TEST(Parking, chained_notify_one_reaches_all_work_with_several_sleepers) {
    constexpr int kProducers = 2;
    constexpr int kConsumers = 3;
    constexpr int kEach = 3'000;
    Parking parking;
    std::atomic<int> available{0};
    std::atomic<int> taken{0};
    std::atomic<bool> stopped{false};

    const auto try_take = [&available] {
        int seen = available.load();
        while (seen > 0 && !available.compare_exchange_weak(seen, seen - 1)) {
        }
        return seen > 0;
    };
    const auto consume = [&] {
        for (;;) {
            if (!try_take()) {
                const Parking::Ticket ticket = parking.prepare();
                if (stopped.load()) {
                    parking.cancel();
                    return;
                }
                if (!try_take()) {
                    parking.wait(ticket);
                    continue;
                }
                parking.cancel();
            }
            taken.fetch_add(1);
            if (available.load() > 0) {
                parking.notify_one();
            }
        }
    };
    std::vector<std::thread> consumers;
    for (int i = 0; i < kConsumers; ++i) {
        consumers.emplace_back(consume);
    }
    std::vector<std::thread> producers;
    for (int i = 0; i < kProducers; ++i) {
        producers.emplace_back([&] {
            for (int n = 0; n < kEach; ++n) {
                available.fetch_add(1);
                parking.notify_one();
            }
        });
    }
    for (std::thread& producer : producers) {
        producer.join();
    }
    while (taken.load() < kProducers * kEach) {
        std::this_thread::yield();
    }
    stopped.store(true);
    parking.notify_all();
    for (std::thread& consumer : consumers) {
        consumer.join();
    }
    EXPECT_EQ(taken.load(), kProducers * kEach);
}

TEST(Parking, two_threads_pass_a_turn_to_and_fro) {
    constexpr int kTurns = 5'000;
    Parking parking[2];
    std::atomic<int> turn{0};
    const auto play = [&](int me) {
        for (int n = me; n < kTurns; n += 2) {
            while (turn.load(std::memory_order_acquire) != n) {
                const Parking::Ticket ticket = parking[me].prepare();
                if (turn.load(std::memory_order_acquire) == n) {
                    parking[me].cancel();
                } else {
                    parking[me].wait(ticket);
                }
            }
            turn.store(n + 1, std::memory_order_release);
            parking[1 - me].notify_one();
        }
    };
    std::thread other(play, 1);
    play(0);
    other.join();
    EXPECT_EQ(turn.load(), kTurns);
}

TEST(Parking, notify_all_releases_every_sleeper) {
    constexpr int kSleepers = 4;
    Parking parking;
    std::atomic<bool> open{false};
    std::vector<std::thread> sleepers;
    for (int i = 0; i < kSleepers; ++i) {
        sleepers.emplace_back([&] {
            while (!open.load(std::memory_order_acquire)) {
                const Parking::Ticket ticket = parking.prepare();
                if (open.load(std::memory_order_acquire)) {
                    parking.cancel();
                } else {
                    parking.wait(ticket);
                }
            }
        });
    }
    open.store(true, std::memory_order_release);
    parking.notify_all();
    for (std::thread& sleeper : sleepers) {
        sleeper.join();
    }
}

}  // namespace
}  // namespace tritonpy
