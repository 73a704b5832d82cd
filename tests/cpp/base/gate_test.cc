// Goal: nobody enters a closed gate, and whoever waits for it to empty sees all that holders did.
// Method: one holder with a waiting owner; then many threads that use something until the gate
// refuses them, while its owner closes the gate and frees it (for the sanitizers to watch).
#include "base/gate.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace tritonpy {
namespace {

TEST(Gate, counts_who_is_inside) {
    Gate gate;
    EXPECT_EQ(gate.holders(), 0u);
    EXPECT_TRUE(gate.try_enter());
    EXPECT_TRUE(gate.try_enter());
    EXPECT_EQ(gate.holders(), 2u);
    gate.leave();
    EXPECT_EQ(gate.holders(), 1u);
    gate.leave();
    EXPECT_EQ(gate.holders(), 0u);
    EXPECT_FALSE(gate.closed());
}

TEST(Gate, closed_gate_refuses_and_counts_nobody) {
    Gate gate;
    gate.close();
    gate.close();
    EXPECT_TRUE(gate.closed());
    EXPECT_FALSE(gate.try_enter());
    EXPECT_FALSE(gate.try_enter());
    EXPECT_EQ(gate.holders(), 0u);
    gate.wait_until_empty();
}

TEST(Gate, closing_while_held_refuses_newcomers_and_waits_for_the_holder) {
    Gate gate;
    ASSERT_TRUE(gate.try_enter());
    int work = 0;  // not atomic: leave and close_and_wait must order it
    std::atomic<bool> emptied{false};
    std::thread owner([&] {
        gate.close_and_wait();
        EXPECT_EQ(work, 1);
        emptied = true;
    });
    while (!gate.closed()) {
        std::this_thread::yield();
    }
    EXPECT_FALSE(gate.try_enter());
    EXPECT_FALSE(emptied);
    work = 1;
    gate.leave();
    owner.join();
    EXPECT_TRUE(emptied);
    EXPECT_EQ(gate.holders(), 0u);
}

TEST(Gate, what_it_guards_can_be_freed_once_it_is_empty) {
    constexpr int kUsers = 4;
    constexpr int kUsesBeforeClosing = 1000;
    for (int round = 0; round < 20; ++round) {
        Gate gate;
        auto guarded = std::make_unique<std::atomic<int>>(0);
        std::atomic<int> uses{0};
        std::vector<std::thread> users;
        for (int user = 0; user < kUsers; ++user) {
            users.emplace_back([&] {
                while (gate.try_enter()) {
                    guarded->fetch_add(1, std::memory_order_relaxed);
                    gate.leave();
                    uses.fetch_add(1, std::memory_order_relaxed);
                }
            });
        }
        while (uses.load(std::memory_order_relaxed) < kUsesBeforeClosing) {
            std::this_thread::yield();
        }
        gate.close_and_wait();
        int used = guarded->load(std::memory_order_relaxed);
        guarded.reset();
        for (std::thread& user : users) {
            user.join();
        }
        EXPECT_EQ(used, uses.load());
    }
}

}  // namespace
}  // namespace tritonpy
