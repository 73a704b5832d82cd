// Goal: a container's CPU quota bounds the core count.
// Method: quota arithmetic on the texts of both control group versions; the machine's own count
// only for sanity, since it differs from machine to machine.
#include "backend/cpu_count.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

#include "base/thread.h"

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

// A process pinned to one core used to get as many threads as the machine has cores.
TEST(CpuCount, thread_pinned_to_one_core_has_one) {
    size_t count = 0;
    {
        Thread pinned("pinned", [&count] {
            cpu_set_t all;
            ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
            int first = 0;
            while (!CPU_ISSET(first, &all)) {
                ++first;
            }
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(first, &one);
            ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
            count = usable_cpu_count();
        });
    }
    EXPECT_EQ(count, 1u);
}

}  // namespace
}  // namespace tritonpy
