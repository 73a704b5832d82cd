// Goal: freed memory that the allocator keeps goes back to the system.
// Method: free every other one of many blocks, so that none lies at the end of the heap, and read
// how much memory the process has.
#include "memory/free_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

namespace tritonpy {
namespace {

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

constexpr size_t kBlock = size_t{64} << 10;  // less than what the allocator maps one by one
constexpr size_t kBlocks = 1024;

size_t resident_bytes() {
    std::unique_ptr<FILE, int (*)(FILE*)> statm(std::fopen("/proc/self/statm", "r"), &std::fclose);
    size_t all = 0;
    size_t resident = 0;
    EXPECT_EQ(std::fscanf(statm.get(), "%zu %zu", &all, &resident), 2);
    return resident * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

TEST(FreeMemory, what_lies_free_between_used_blocks_goes_back) {
    std::vector<std::unique_ptr<std::byte[]>> blocks;
    for (size_t index = 0; index < kBlocks; ++index) {
        blocks.push_back(std::make_unique<std::byte[]>(kBlock));
        std::memset(blocks.back().get(), 0xAB, kBlock);
    }
    for (size_t index = 0; index < kBlocks; index += 2) {
        blocks[index].reset();
    }
    const size_t before = resident_bytes();
    give_back_free_memory();
    EXPECT_LT(resident_bytes() + kBlocks / 4 * kBlock, before);
    for (size_t index = 1; index < kBlocks; index += 2) {
        EXPECT_EQ(std::to_integer<int>(blocks[index][kBlock - 1]), 0xAB);
    }
}

#endif

}  // namespace
}  // namespace tritonpy
