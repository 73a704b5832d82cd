// Goal: whatever happens in whatever order, the core answers every request once, rightly, and its
// books are true.
// Method: the simulation over many seeds. TRITONPY_SIM_SEEDS says how many,
// TRITONPY_SIM_FIRST_SEED where to begin; a failure prints its seed, so that
// TRITONPY_SIM_FIRST_SEED=<seed> TRITONPY_SIM_SEEDS=1 runs it again.
#include "simulation.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <string>

#include "seeds.h"

namespace tritonpy {
namespace {

volatile uint64_t running_seed = 0;  // for the handler

// A check that fails aborts; the seed is what one needs then.
void print_seed(int) {
    char text[64];
    int length = std::snprintf(text, sizeof(text), "aborted in simulation seed %llu\n",
                               static_cast<unsigned long long>(running_seed));
    std::fwrite(text, 1, static_cast<size_t>(length), stderr);
}

TEST(Simulation, holds_for_every_seed) {
    const auto [first, count] = seeds_to_run(2000);
    std::signal(SIGABRT, print_seed);
    uint64_t taken = 0;
    for (uint64_t seed = first; seed < first + count; ++seed) {
        running_seed = seed;
        Simulation simulation(seed);
        std::string violations = simulation.run();
        ASSERT_TRUE(violations.empty()) << "seed " << seed << ":\n" << violations;
        taken += simulation.taken();
    }
    std::signal(SIGABRT, SIG_DFL);
    EXPECT_GT(taken, 10 * count) << "the simulation hardly did anything";
}

TEST(Simulation, does_the_same_again_for_the_same_seed) {
    Simulation once(7);
    Simulation again(7);
    EXPECT_EQ(once.run(), again.run());
    EXPECT_EQ(once.taken(), again.taken());
}

}  // namespace
}  // namespace tritonpy
