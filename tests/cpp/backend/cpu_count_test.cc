// Goal: a container's CPU quota bounds the core count.
// Method: quota arithmetic on the texts of both control group versions; the machine's own count
// only for sanity, since it differs from machine to machine.
#include "backend/cpu_count.h"

#include <gtest/gtest.h>

#include <thread>

namespace tritonpy {
namespace {

TEST(CpuCount, quota_is_rounded_up_to_whole_cores) {
    EXPECT_EQ(quota_cpu_count("200000", "100000"), 2u);
    EXPECT_EQ(quota_cpu_count("150000", "100000"), 2u);
    EXPECT_EQ(quota_cpu_count("50000", "100000"), 1u);
}

TEST(CpuCount, no_limit_and_nonsense_are_no_limit) {
    EXPECT_EQ(quota_cpu_count("max", "100000"), std::nullopt);
    EXPECT_EQ(quota_cpu_count("-1", "100000"), std::nullopt);
    EXPECT_EQ(quota_cpu_count("200000", "0"), std::nullopt);
    EXPECT_EQ(quota_cpu_count("", ""), std::nullopt);
}

TEST(CpuCount, machine_has_at_least_one_core_and_no_more_than_it_shows) {
    EXPECT_GE(usable_cpu_count(), 1u);
    EXPECT_LE(usable_cpu_count(), std::max(1u, std::thread::hardware_concurrency()));
}

}  // namespace
}  // namespace tritonpy
