// Goal: borrowed memory is given back exactly once, after the last reference, wherever that goes.
// Method: count calls of the release function; then many threads that copy and drop references,
// with a release that would race with whoever still reads.
#include "memory/buffer.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <memory>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

namespace tritonpy {
namespace {

void count(void* counter) { ++*static_cast<int*>(counter); }

TEST(Buffer, describes_the_memory_that_it_was_given) {
    std::array<std::byte, 16> bytes{};
    int released = 0;
    BufferRef buffer = wrap_external(bytes.data(), bytes.size(), &released, &count);
    ASSERT_TRUE(buffer);
    EXPECT_EQ(buffer->data(), bytes.data());
    EXPECT_EQ(buffer->size(), bytes.size());
    EXPECT_EQ((*buffer).context(), &released);
}

TEST(Buffer, null_reference_is_false_and_copies_to_null) {
    BufferRef none;
    BufferRef copy = none;
    EXPECT_FALSE(none);
    EXPECT_FALSE(copy);
}

TEST(Buffer, released_once_after_the_last_reference) {
    std::array<std::byte, 1> bytes{};
    int released = 0;
    {
        BufferRef first = wrap_external(bytes.data(), bytes.size(), &released, &count);
        BufferRef second = first;
        BufferRef moved = std::move(first);
        EXPECT_FALSE(first);  // NOLINT: what a move leaves is promised
        second = BufferRef();
        EXPECT_EQ(released, 0);
        BufferRef& itself = moved;
        moved = itself;
        EXPECT_EQ(released, 0);
        EXPECT_EQ(moved->data(), bytes.data());
    }
    EXPECT_EQ(released, 1);
}

TEST(Buffer, assignment_releases_what_was_held_before) {
    std::array<std::byte, 2> bytes{};
    int first_released = 0;
    int second_released = 0;
    BufferRef reference = wrap_external(&bytes[0], 1, &first_released, &count);
    reference = wrap_external(&bytes[1], 1, &second_released, &count);
    EXPECT_EQ(first_released, 1);
    EXPECT_EQ(second_released, 0);
}

TEST(Buffer, empty_memory_is_released_too) {
    int released = 0;
    { BufferRef buffer = wrap_external(nullptr, 0, &released, &count); }
    EXPECT_EQ(released, 1);
}

TEST(Buffer, last_of_many_threads_releases_after_all_have_read) {
    constexpr int kThreads = 4;
    constexpr int kCopies = 2000;
    constexpr int kValue = 3;
    struct Memory {
        std::vector<std::byte> bytes;
        int* released;
    };
    int released = 0;  // not atomic: the count must order it
    auto memory = std::make_unique<Memory>(
        Memory{std::vector<std::byte>(64, std::byte{kValue}), &released});
    std::byte* data = memory->bytes.data();
    BufferRef shared = wrap_external(data, 64, memory.release(), [](void* context) {
        std::unique_ptr<Memory> owned(static_cast<Memory*>(context));
        owned->bytes.assign(64, std::byte{0});  // a race for whoever still reads
        ++*owned->released;
    });
    std::vector<std::thread> threads;
    std::array<int, kThreads> sums{};
    for (int thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([own = shared, &sum = sums[static_cast<size_t>(thread)]] {
            for (int index = 0; index < kCopies; ++index) {
                BufferRef copy = own;
                sum += std::to_integer<int>(copy->data()[index % 64]);
            }
        });
    }
    shared = BufferRef();
    for (std::thread& thread : threads) {
        thread.join();
    }
    // A thread's copy of the lambda may live until its std::thread has gone.
    threads.clear();
    EXPECT_EQ(released, 1);
    EXPECT_EQ(std::accumulate(sums.begin(), sums.end(), 0), kThreads * kCopies * kValue);
}

}  // namespace
}  // namespace tritonpy
