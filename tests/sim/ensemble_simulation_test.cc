// Goal: whatever ensembles are made of and in whatever order their steps end, each request is
// answered once, rightly, and nothing is done in vain.
// Method: the simulation over many seeds; TRITONPY_SIM_SEEDS and TRITONPY_SIM_FIRST_SEED as for the
// simulation of the whole core.
#include "ensemble_simulation.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "seeds.h"

namespace tritonpy {
namespace {

TEST(EnsembleSimulation, holds_for_every_seed) {
    const auto [first, count] = seeds_to_run(10'000);
    uint64_t succeeded = 0;
    for (uint64_t seed = first; seed < first + count; ++seed) {
        EnsembleSimulation simulation(seed);
        std::string violations = simulation.run();
        ASSERT_TRUE(violations.empty()) << "seed " << seed << ":\n" << violations;
        succeeded += simulation.succeeded();
    }
    EXPECT_GT(succeeded, 5 * count) << "the simulation hardly did anything";
}

}  // namespace
}  // namespace tritonpy
