// Goal: buffers of any size, aligned, that cost the allocator nothing once their block is cached,
// and a cache that stays within its limits and can be emptied.
// Method: look at sizes, addresses and the pool's own counts; count calls of operator new.
#include "memory/block_pool.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "support/allocation_counter.h"

// Sanitizers abort on absurd sizes unless told to fail as the real allocator does. Their libraries
// look these functions up by name, so they must be visible.
extern "C" {
[[gnu::visibility("default")]] const char* __asan_default_options() {
    return "allocator_may_return_null=1";
}
[[gnu::visibility("default")]] const char* __tsan_default_options() {
    return "allocator_may_return_null=1";
}
}

namespace tritonpy {
namespace {

BufferRef allocate(BlockPool& pool, size_t size) {
    Result<BufferRef> buffer = pool.allocate(size);
    EXPECT_TRUE(buffer.ok()) << buffer.status().message();
    return std::move(buffer).value();
}

TEST(BlockPool, gives_exactly_the_size_asked_for_aligned_and_writable) {
    BlockPool pool;
    for (size_t size : {size_t{0}, size_t{1}, size_t{63}, limits::kMinBlock - 1, limits::kMinBlock,
                        limits::kMinBlock + 1, size_t{100'000}, limits::kMaxPooledBlock - 1,
                        limits::kMaxPooledBlock, limits::kMaxPooledBlock + 1}) {
        SCOPED_TRACE(size);
        BufferRef buffer = allocate(pool, size);
        EXPECT_EQ(buffer->size(), size);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % BlockPool::kAlignment, 0u);
        std::memset(buffer->data(), 0xAB, size);
    }
    EXPECT_EQ(pool.live_blocks(), 0u);
}

TEST(BlockPool, live_buffers_do_not_overlap) {
    BlockPool pool;
    std::vector<BufferRef> buffers;
    for (int index = 0; index < 64; ++index) {
        buffers.push_back(allocate(pool, limits::kMinBlock));
        std::memset(buffers.back()->data(), index, limits::kMinBlock);
    }
    EXPECT_EQ(pool.live_blocks(), 64u);
    for (int index = 0; index < 64; ++index) {
        const std::byte* data = buffers[static_cast<size_t>(index)]->data();
        EXPECT_EQ(std::to_integer<int>(data[0]), index);
        EXPECT_EQ(std::to_integer<int>(data[limits::kMinBlock - 1]), index);
    }
}

TEST(BlockPool, released_block_serves_the_next_size_of_its_class) {
    BlockPool pool;
    std::byte* first = allocate(pool, 300)->data();
    EXPECT_EQ(pool.cached_bytes(), 512u);
    BufferRef again = allocate(pool, 512);
    EXPECT_EQ(again->data(), first);
    EXPECT_EQ(again->size(), 512u);
    EXPECT_EQ(pool.cached_bytes(), 0u);
}

TEST(BlockPool, block_of_another_class_is_left_alone) {
    BlockPool pool;
    std::byte* small = allocate(pool, 256)->data();
    BufferRef larger = allocate(pool, 257);
    EXPECT_NE(larger->data(), small);
    EXPECT_EQ(pool.cached_bytes(), 256u);
}

TEST(BlockPool, last_released_is_first_reused) {
    BlockPool pool;
    BufferRef first = allocate(pool, 256);
    BufferRef second = allocate(pool, 256);
    std::byte* second_data = second->data();
    first = BufferRef();
    second = BufferRef();
    EXPECT_EQ(allocate(pool, 256)->data(), second_data);
}

TEST(BlockPool, block_comes_home_only_after_the_last_reference) {
    BlockPool pool;
    BufferRef first = allocate(pool, 256);
    BufferRef second = first;
    first = BufferRef();
    EXPECT_EQ(pool.cached_bytes(), 0u);
    EXPECT_EQ(pool.live_blocks(), 1u);
    second = BufferRef();
    EXPECT_EQ(pool.cached_bytes(), 256u);
    EXPECT_EQ(pool.live_blocks(), 0u);
}

TEST(BlockPool, steady_state_asks_the_allocator_for_nothing) {
    constexpr std::array<size_t, 6> kSizes{0, 64, 4096, 5000, 1 << 20, limits::kMaxPooledBlock};
    BlockPool pool;
    auto round = [&] {
        std::array<BufferRef, kSizes.size()> buffers;
        for (size_t index = 0; index < kSizes.size(); ++index) {
            buffers[index] = allocate(pool, kSizes[index]);
        }
    };
    uint64_t before_warm_up = allocation_count.load();
    round();
    uint64_t after_warm_up = allocation_count.load();
    EXPECT_EQ(after_warm_up - before_warm_up, kSizes.size());
    for (int index = 0; index < 100; ++index) {
        round();
    }
    EXPECT_EQ(allocation_count.load(), after_warm_up);
}

TEST(BlockPool, block_too_large_to_pool_goes_back_at_once) {
    BlockPool pool;
    { BufferRef large = allocate(pool, limits::kMaxPooledBlock + 1); }
    EXPECT_EQ(pool.cached_bytes(), 0u);
    EXPECT_EQ(pool.live_blocks(), 0u);
}

TEST(BlockPool, cache_ends_at_its_limit) {
    constexpr size_t kFits = limits::kMaxPooledBytes / limits::kMaxPooledBlock;
    BlockPool pool;
    std::vector<BufferRef> buffers;
    for (size_t index = 0; index < kFits + 3; ++index) {
        buffers.push_back(allocate(pool, limits::kMaxPooledBlock));
    }
    BufferRef small = allocate(pool, 1);
    buffers.clear();
    EXPECT_EQ(pool.cached_bytes(), limits::kMaxPooledBytes);
    small = BufferRef();
    EXPECT_EQ(pool.cached_bytes(), limits::kMaxPooledBytes);
    EXPECT_EQ(pool.live_blocks(), 0u);
}

TEST(BlockPool, trim_gives_back_the_cache_and_not_what_is_in_use) {
    BlockPool pool;
    BufferRef kept = allocate(pool, 1000);
    std::memset(kept->data(), 7, 1000);
    {
        BufferRef a = allocate(pool, 1000);
        BufferRef b = allocate(pool, 100'000);
    }
    EXPECT_EQ(pool.cached_bytes(), 1024u + 131'072u);
    pool.trim();
    EXPECT_EQ(pool.cached_bytes(), 0u);
    EXPECT_EQ(pool.live_blocks(), 1u);
    EXPECT_EQ(std::to_integer<int>(kept->data()[999]), 7);
    uint64_t before = allocation_count.load();
    BufferRef fresh = allocate(pool, 1000);
    EXPECT_EQ(allocation_count.load(), before + 1);
}

TEST(BlockPool, impossible_size_is_unavailable_and_names_itself) {
    BlockPool pool;
    for (size_t size : {SIZE_MAX, SIZE_MAX - 64, size_t{PTRDIFF_MAX}, size_t{1} << 62}) {
        SCOPED_TRACE(size);
        Result<BufferRef> buffer = pool.allocate(size);
        ASSERT_FALSE(buffer.ok());
        EXPECT_EQ(buffer.status().code(), StatusCode::kUnavailable);
        EXPECT_NE(buffer.status().message().find(std::to_string(size)), std::string_view::npos);
    }
    EXPECT_EQ(pool.live_blocks(), 0u);
    EXPECT_TRUE(pool.allocate(100).ok());
}

TEST(BlockPool, buffers_may_be_released_on_other_threads) {
    constexpr int kBuffers = 2000;
    BlockPool pool;
    std::array<std::atomic<BufferRef*>, 4> slots{};
    std::atomic<int> released{0};
    std::vector<std::thread> consumers;
    for (int consumer = 0; consumer < 2; ++consumer) {
        consumers.emplace_back([&] {
            for (size_t turn = 0; released.load() < kBuffers; ++turn) {
                std::unique_ptr<BufferRef> taken(slots[turn % slots.size()].exchange(nullptr));
                if (!taken) {
                    std::this_thread::yield();
                    continue;
                }
                for (size_t index = 1; index < (*taken)->size(); ++index) {
                    ASSERT_EQ((*taken)->data()[index], (*taken)->data()[0]);
                }
                released.fetch_add(1);
            }
        });
    }
    std::mt19937 random(2026);
    for (int index = 0; index < kBuffers;) {
        auto buffer = std::make_unique<BufferRef>(allocate(pool, 1 + random() % 2000));
        std::memset((*buffer)->data(), index & 0xFF, (*buffer)->size());
        for (size_t turn = 0; buffer; ++turn) {
            BufferRef* empty = nullptr;
            if (slots[turn % slots.size()].compare_exchange_weak(empty, buffer.get())) {
                (void)buffer.release();
                ++index;
            } else {
                std::this_thread::yield();
            }
        }
    }
    for (std::thread& consumer : consumers) {
        consumer.join();
    }
    EXPECT_EQ(pool.live_blocks(), 0u);
}

TEST(BlockPoolDeathTest, pool_must_outlive_its_buffers) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            BufferRef buffer;
            BlockPool pool;
            buffer = allocate(pool, 1);
        },
        "check failed: live_blocks_ == 0");
}

}  // namespace
}  // namespace tritonpy
