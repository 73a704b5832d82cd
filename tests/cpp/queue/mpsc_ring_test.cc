// Goal: the ring loses, duplicates and reorders nothing, says so when it is full, and frees what
// it holds. Method: one thread over several laps; then several producers against one consumer on a
// ring far smaller than the traffic (for the sanitizers to watch).
#include "queue/mpsc_ring.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace tritonpy {
namespace {

using Element = std::unique_ptr<uint64_t>;

TEST(MpscRing, capacity_is_the_next_power_of_two) {
    EXPECT_EQ(MpscRing<Element>(1).capacity(), 1u);
    EXPECT_EQ(MpscRing<Element>(2).capacity(), 2u);
    EXPECT_EQ(MpscRing<Element>(5).capacity(), 8u);
}

TEST(MpscRing, empty_ring_gives_nothing_and_leaves_the_target_alone) {
    MpscRing<Element> ring(4);
    Element target = std::make_unique<uint64_t>(7);
    EXPECT_FALSE(ring.try_pop(target));
    ASSERT_NE(target, nullptr);
    EXPECT_EQ(*target, 7u);
}

TEST(MpscRing, full_ring_refuses_and_leaves_the_element_with_the_caller) {
    MpscRing<Element> ring(2);
    for (uint64_t i = 0; i < 2; ++i) {
        Element element = std::make_unique<uint64_t>(i);
        ASSERT_TRUE(ring.try_push(element));
        EXPECT_EQ(element, nullptr);
    }
    Element refused = std::make_unique<uint64_t>(2);
    EXPECT_FALSE(ring.try_push(refused));
    ASSERT_NE(refused, nullptr);
    EXPECT_EQ(*refused, 2u);

    Element popped;
    ASSERT_TRUE(ring.try_pop(popped));
    EXPECT_EQ(*popped, 0u);
    EXPECT_TRUE(ring.try_push(refused));
}

TEST(MpscRing, keeps_order_over_many_laps_at_every_fill) {
    for (size_t capacity : {1, 2, 8}) {
        MpscRing<Element> ring(capacity);
        uint64_t pushed = 0;
        uint64_t popped = 0;
        for (size_t round = 0; round < 100; ++round) {
            const size_t burst = 1 + round % capacity;
            for (size_t i = 0; i < burst; ++i) {
                Element element = std::make_unique<uint64_t>(pushed++);
                ASSERT_TRUE(ring.try_push(element));
            }
            for (size_t i = 0; i < burst; ++i) {
                Element element;
                ASSERT_TRUE(ring.try_pop(element));
                ASSERT_EQ(*element, popped++);
            }
            Element none;
            ASSERT_FALSE(ring.try_pop(none));
        }
    }
}

TEST(MpscRing, destructor_frees_what_was_left) {
    auto counted = std::make_shared<int>(0);
    {
        MpscRing<std::shared_ptr<int>> ring(4);
        for (int i = 0; i < 3; ++i) {
            std::shared_ptr<int> element = counted;
            ASSERT_TRUE(ring.try_push(element));
        }
        std::shared_ptr<int> popped;
        ASSERT_TRUE(ring.try_pop(popped));
        EXPECT_EQ(counted.use_count(), 4);
    }
    EXPECT_EQ(counted.use_count(), 1);
}

TEST(MpscRing, several_producers_lose_nothing_and_keep_their_own_order) {
    constexpr uint64_t kProducers = 4;
    constexpr uint64_t kEach = 5'000;
    MpscRing<Element> ring(16);
    std::vector<std::thread> producers;
    for (uint64_t producer = 0; producer < kProducers; ++producer) {
        producers.emplace_back([&ring, producer] {
            for (uint64_t i = 0; i < kEach; ++i) {
                Element element = std::make_unique<uint64_t>(producer * kEach + i);
                while (!ring.try_push(element)) {
                    std::this_thread::yield();
                }
            }
        });
    }
    std::vector<uint64_t> next(kProducers, 0);
    for (uint64_t popped = 0; popped < kProducers * kEach;) {
        Element element;
        if (!ring.try_pop(element)) {
            std::this_thread::yield();
            continue;
        }
        ++popped;
        EXPECT_EQ(*element % kEach, next[*element / kEach]++);
    }
    for (std::thread& producer : producers) {
        producer.join();
    }
    EXPECT_EQ(next, std::vector<uint64_t>(kProducers, kEach));
    Element none;
    EXPECT_FALSE(ring.try_pop(none));
}

}  // namespace
}  // namespace tritonpy
