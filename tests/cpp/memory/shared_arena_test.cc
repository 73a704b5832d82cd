// Goal: blocks of shared memory are lent, read in place and come home by their state word alone,
// the file grows and gives pages back, and no place that the other side names is believed.
// Method: writer and reader of one memfd in this process, each with mappings of its own; places
// that cannot be; threads that lend and return at once.
#include "memory/shared_arena.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "memory/shared_arena_view.h"

namespace tritonpy {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

int make_memfd() { return memfd_create("arena", MFD_CLOEXEC | MFD_ALLOW_SEALING); }

struct SharedArenaTest : ::testing::Test {
    void SetUp() override { open(limits::kMaxSharedArena); }

    void open(size_t max_size) {
        int descriptor = make_memfd();
        inspected = dup(descriptor);
        int read = dup(descriptor);
        arena = SharedArena::over(descriptor, max_size).value();
        view = SharedArenaView::over(read).value();
    }
    ~SharedArenaTest() override { ::close(inspected); }

    uint64_t file_pages_bytes() const {
        struct stat found {};
        fstat(inspected, &found);
        return static_cast<uint64_t>(found.st_blocks) * 512;
    }

    Result<BufferRef> read(const SharedArena::Block& block) {
        return view->block(block.offset, arena->size());
    }

    int inspected = -1;
    std::shared_ptr<SharedArena> arena;
    std::shared_ptr<SharedArenaView> view;
};

TEST_F(SharedArenaTest, a_block_is_read_where_it_was_written) {
    auto block = arena->allocate(5).value();
    std::memcpy(block.data, "hello", 5);
    BufferRef buffer = read(block).value();
    EXPECT_EQ(std::memcmp(buffer->data(), "hello", 5), 0);
    EXPECT_NE(buffer->data(), block.data);  // another mapping of the same page
    EXPECT_GE(block.offset, SharedArena::kReserved);
    EXPECT_EQ(block.offset % 64, 0u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block.data) % 64, 0u);
}

TEST_F(SharedArenaTest, a_block_comes_home_with_the_last_reference_and_not_before) {
    auto block = arena->allocate(100).value();
    BufferRef first = read(block).value();
    BufferRef second = first;
    first = BufferRef();
    EXPECT_EQ(arena->lent_blocks(), 1u);
    second = BufferRef();
    EXPECT_EQ(arena->lent_blocks(), 0u);
    EXPECT_EQ(arena->allocate(100).value().offset, block.offset);
}

TEST_F(SharedArenaTest, a_block_that_nobody_was_told_of_is_taken_back) {
    auto block = arena->allocate(2 * kMiB).value();
    arena->take_back(block);
    EXPECT_EQ(arena->lent_blocks(), 0u);
    EXPECT_EQ(arena->allocate(2 * kMiB).value().offset, block.offset);
}

// The reader's second word: how often it has named bytes of the block back.
void count_naming(const SharedArena::Block& block) {
    ++*reinterpret_cast<uint32_t*>(block.data - SharedArena::kHeader + sizeof(uint32_t));
}

TEST_F(SharedArenaTest, what_is_named_back_keeps_its_block) {
    auto block = arena->allocate(100).value();
    block.data[7] = std::byte{42};
    BufferRef reading = read(block).value();
    count_naming(block);
    reading = BufferRef();
    EXPECT_EQ(arena->lent_blocks(), 1u);  // before this side knows of it
    BufferRef named = arena->named_back(block.offset + 7, 3).value();
    EXPECT_EQ(named->data(), block.data + 7);
    EXPECT_EQ(named->size(), 3u);
    EXPECT_EQ(arena->lent_blocks(), 1u);
    std::shared_ptr<SharedArena> first = std::exchange(arena, nullptr);
    first.reset();
    EXPECT_EQ(named->data()[0], std::byte{42});  // and its memory
}

TEST_F(SharedArenaTest, a_block_is_free_when_all_that_was_named_has_gone) {
    auto block = arena->allocate(100).value();
    BufferRef reading = read(block).value();
    count_naming(block);
    count_naming(block);
    BufferRef first = arena->named_back(block.offset, 100).value();
    BufferRef second = arena->named_back(block.offset, 1).value();
    first = BufferRef();
    reading = BufferRef();
    EXPECT_EQ(arena->lent_blocks(), 1u);
    second = BufferRef();
    EXPECT_EQ(arena->lent_blocks(), 0u);
    EXPECT_EQ(arena->allocate(100).value().offset, block.offset);
    EXPECT_EQ(arena->lent_blocks(), 1u);
    arena->take_back(block);
    EXPECT_EQ(arena->lent_blocks(), 0u);  // lent anew, it counts anew
}

TEST_F(SharedArenaTest, a_reader_that_does_not_count_gains_nothing) {
    auto block = arena->allocate(100).value();
    BufferRef named = arena->named_back(block.offset, 1).value();
    arena->take_back(block);
    EXPECT_EQ(arena->lent_blocks(), 1u);
    named = BufferRef();
    EXPECT_EQ(arena->lent_blocks(), 1u);  // for ever, at its own expense
}

TEST_F(SharedArenaTest, only_lent_blocks_can_be_named_back) {
    auto block = arena->allocate(100).value();
    auto other = arena->allocate(100).value();
    const uint64_t room = other.offset - block.offset - SharedArena::kHeader;
    EXPECT_TRUE(arena->named_back(block.offset + room, 0).ok());
    arena->take_back(other);
    EXPECT_EQ(arena->lent_blocks(), 1u);
    const std::vector<std::pair<uint64_t, uint64_t>> places{
        {0, 1}, {block.offset - 1, 1}, {block.offset, room + 1}, {other.offset, 1},
        {block.offset + room + 1, 0}, {block.offset, ~uint64_t{0}}, {~uint64_t{0}, 2}};
    for (auto [offset, size] : places) {
        EXPECT_EQ(arena->named_back(offset, size).status(),
                  internal_error("no lent block of shared memory has " + std::to_string(size) +
                                 " bytes at byte " + std::to_string(offset)));
    }
}

TEST_F(SharedArenaTest, blocks_of_every_size_are_apart_and_hold_what_they_should) {
    std::vector<std::pair<SharedArena::Block, size_t>> blocks;
    unsigned char fill = 1;
    for (size_t size : {size_t{0}, size_t{1}, size_t{4032}, size_t{4033}, kMiB - 64, kMiB,
                        3 * kMiB, size_t{4032}, 9 * kMiB, size_t{70000}}) {
        auto block = arena->allocate(size).value();
        std::memset(block.data, fill++, size);
        blocks.emplace_back(block, size);
    }
    fill = 1;
    for (const auto& [block, size] : blocks) {
        BufferRef buffer = read(block).value();
        ASSERT_GE(buffer->size(), size);
        auto* bytes = reinterpret_cast<const unsigned char*>(buffer->data());
        EXPECT_TRUE(std::all_of(bytes, bytes + size,
                                [fill](unsigned char byte) { return byte == fill; }));
        ++fill;
    }
    EXPECT_EQ(arena->size() % kMiB, 0u);
}

TEST_F(SharedArenaTest, what_comes_home_is_used_again_before_the_file_grows) {
    std::vector<BufferRef> held;
    for (int i = 0; i < 8; ++i) {
        held.push_back(read(arena->allocate(kMiB).value()).value());
    }
    uint64_t grown = arena->size();
    held.clear();
    for (int round = 0; round < 100; ++round) {
        read(arena->allocate(kMiB).value()).value();  // and gone
    }
    EXPECT_EQ(arena->size(), grown);
}

TEST_F(SharedArenaTest, a_block_that_is_held_long_does_not_keep_others_from_coming_home) {
    BufferRef held = read(arena->allocate(10).value()).value();
    uint64_t size = arena->size();
    for (int round = 0; round < 5000; ++round) {
        read(arena->allocate(10).value()).value();
    }
    EXPECT_EQ(arena->size(), size);
    EXPECT_EQ(arena->lent_blocks(), 1u);
}

TEST_F(SharedArenaTest, pages_of_idle_large_blocks_go_back_above_the_bound) {
    std::vector<SharedArena::Block> blocks;
    for (int i = 0; i < 4; ++i) {
        auto block = arena->allocate(30 * kMiB).value();
        std::memset(block.data, 7, 30 * kMiB);
        blocks.push_back(block);
    }
    EXPECT_GT(file_pages_bytes(), 120 * kMiB);
    for (const auto& block : blocks) {
        arena->take_back(block);
    }
    EXPECT_EQ(arena->lent_blocks(), 0u);
    EXPECT_LT(file_pages_bytes(), limits::kMaxIdleArena + 40 * kMiB);
    for (int i = 0; i < 4; ++i) {  // and are there again when they are wanted
        auto block = arena->allocate(30 * kMiB).value();
        std::memset(block.data, 9, 30 * kMiB);
    }
    EXPECT_GT(file_pages_bytes(), 120 * kMiB);
}

TEST_F(SharedArenaTest, the_limit_is_an_error_that_says_so_and_later_needs_are_met) {
    ::close(inspected);
    open(4 * kMiB);
    auto refused = arena->allocate(8 * kMiB);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.status().code(), StatusCode::kUnavailable);
    EXPECT_TRUE(refused.status().message().starts_with(
        "Failed to increase the shared memory pool size"));
    EXPECT_FALSE(arena->allocate(SIZE_MAX).ok());
    auto block = arena->allocate(2 * kMiB).value();
    EXPECT_FALSE(arena->allocate(2 * kMiB).ok());
    arena->take_back(block);
    EXPECT_TRUE(arena->allocate(2 * kMiB).ok());
}

TEST_F(SharedArenaTest, the_file_cannot_be_cut_from_under_its_readers) {
    EXPECT_NE(ftruncate(inspected, 0), 0);
}

TEST_F(SharedArenaTest, files_that_cannot_be_sealed_or_are_in_use_are_refused) {
    EXPECT_EQ(SharedArena::over(memfd_create("plain", MFD_CLOEXEC)).status().code(),
              StatusCode::kInternal);
    EXPECT_EQ(SharedArenaView::over(memfd_create("plain", MFD_CLOEXEC)).status().code(),
              StatusCode::kInternal);
    int used = make_memfd();
    ASSERT_EQ(ftruncate(used, 4096), 0);
    EXPECT_EQ(SharedArena::over(used).status().code(), StatusCode::kInternal);
}

TEST_F(SharedArenaTest, places_that_cannot_be_are_errors) {
    auto block = arena->allocate(100).value();
    const uint64_t size = arena->size();
    EXPECT_TRUE(view->block(block.offset, size).ok());
    EXPECT_EQ(view->mapped_size(), size);
    for (uint64_t offset : {uint64_t{0}, uint64_t{1}, uint64_t{63}, block.offset + 1, size,
                            size + 64, UINT64_MAX, UINT64_MAX - 63}) {
        EXPECT_EQ(view->block(offset, size).status().code(), StatusCode::kInternal) << offset;
    }
    for (uint64_t lie : {size + 4096, size + 1, UINT64_MAX, uint64_t{1} << 62}) {
        EXPECT_EQ(view->block(block.offset, lie).status().code(), StatusCode::kInternal) << lie;
    }
    EXPECT_EQ(view->mapped_size(), size);
    EXPECT_TRUE(view->block(block.offset, 0).ok());  // less than is known says nothing
}

TEST_F(SharedArenaTest, the_reader_maps_what_has_grown_since) {
    auto first = arena->allocate(10).value();
    EXPECT_TRUE(read(first).ok());
    uint64_t mapped = view->mapped_size();
    auto second = arena->allocate(5 * kMiB).value();
    std::memset(second.data, 3, 5 * kMiB);
    BufferRef buffer = read(second).value();
    EXPECT_GT(view->mapped_size(), mapped);
    EXPECT_EQ(static_cast<int>(buffer->data()[5 * kMiB - 1]), 3);
}

TEST_F(SharedArenaTest, buffers_outlive_their_view_and_the_writer) {
    auto block = arena->allocate(3).value();
    std::memcpy(block.data, "abc", 3);
    BufferRef buffer = read(block).value();
    arena.reset();
    view.reset();
    EXPECT_EQ(std::memcmp(buffer->data(), "abc", 3), 0);
}

TEST_F(SharedArenaTest, flags_are_read_in_the_reserved_bytes) {
    arena->set_flag(0, true);
    arena->set_flag(SharedArena::kReserved - 1, true);
    arena->set_flag(7, true);
    arena->set_flag(7, false);
    auto* bytes = static_cast<const char*>(
        mmap(nullptr, SharedArena::kReserved, PROT_READ, MAP_SHARED, inspected, 0));
    ASSERT_NE(bytes, MAP_FAILED);
    EXPECT_EQ(bytes[0], 1);
    EXPECT_EQ(bytes[7], 0);
    EXPECT_EQ(bytes[SharedArena::kReserved - 1], 1);
    munmap(const_cast<char*>(bytes), SharedArena::kReserved);
}

TEST_F(SharedArenaTest, threads_lend_and_return_side_by_side) {
    std::vector<std::thread> threads;
    for (unsigned char fill = 1; fill <= 3; ++fill) {
        threads.emplace_back([this, fill] {
            for (size_t round = 0; round < 300; ++round) {
                size_t size = 64 + round * 37;
                auto block = arena->allocate(size).value();
                std::memset(block.data, fill, size);
                BufferRef buffer = read(block).value();
                auto* bytes = reinterpret_cast<const unsigned char*>(buffer->data());
                ASSERT_TRUE(std::all_of(bytes, bytes + size,
                                        [fill](unsigned char byte) { return byte == fill; }));
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(arena->lent_blocks(), 0u);
}

}  // namespace
}  // namespace tritonpy
