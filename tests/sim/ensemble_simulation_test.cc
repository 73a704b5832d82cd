// Goal: whatever ensembles are made of and in whatever order their steps end, each request is
// answered once, rightly, and nothing is done in vain.
// Method: the simulation over many seeds; TRITONPY_SIM_SEEDS and TRITONPY_SIM_FIRST_SEED as for the
// simulation of the whole core.
#include "ensemble_simulation.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>

namespace tritonpy {
namespace {

uint64_t number_from_environment(const char* name, uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(EnsembleSimulation, holds_for_every_seed) {
    const uint64_t first = number_from_environment("TRITONPY_SIM_FIRST_SEED", 1);
    const uint64_t count = number_from_environment("TRITONPY_SIM_SEEDS", 10000);
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
