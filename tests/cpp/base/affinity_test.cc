// Goal: a thread is pinned for a while, what it starts stays there, and a bad wish changes nothing.
// Method: the processors that this process may use.
#include "base/affinity.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace tritonpy {
namespace {

std::vector<int> allowed() {
    cpu_set_t set;
    CPU_ZERO(&set);
    EXPECT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
    std::vector<int> cpus;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) {
            cpus.push_back(cpu);
        }
    }
    return cpus;
}

TEST(AffinityTest, holds_for_its_scope_and_for_threads_started_in_it) {
    const std::vector<int> before = allowed();
    const std::vector<int> one = {before.back()};
    std::vector<int> of_thread;
    {
        ScopedAffinity affinity;
        ASSERT_TRUE(affinity.pin(one).ok());
        EXPECT_EQ(allowed(), one);
        std::thread([&] { of_thread = allowed(); }).join();
    }
    EXPECT_EQ(of_thread, one);
    EXPECT_EQ(allowed(), before);
}

TEST(AffinityTest, no_processors_mean_no_change) {
    const std::vector<int> before = allowed();
    ScopedAffinity affinity;
    ASSERT_TRUE(affinity.pin({}).ok());
    EXPECT_EQ(allowed(), before);
}

TEST(AffinityTest, processors_that_are_not_there_are_refused) {
    const std::vector<int> before = allowed();
    for (int cpu : {60000, 70000, -1}) {
        ScopedAffinity affinity;
        const Status status = affinity.pin(std::vector<int>{cpu});
        EXPECT_EQ(status.code(), StatusCode::kUnavailable);
        EXPECT_NE(status.message().find(std::to_string(cpu)), std::string::npos);
        EXPECT_EQ(allowed(), before);
    }
}

}  // namespace
}  // namespace tritonpy
