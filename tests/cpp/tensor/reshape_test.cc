// Goal: `reshape` maps a shape to the backend's form and back again, batch dimension and variable
// dimensions included.
// Method: a table of both forms; each row is checked in both directions.
#include "tensor/reshape.h"

#include <gtest/gtest.h>

#include <vector>

namespace tritonpy {
namespace {

struct Case {
    Shape dims;
    Shape reshape;
    size_t leading;
    Shape client;
    Shape backend;
};

TEST(Reshape, maps_both_ways) {
    const std::vector<Case> cases = {
        {{1}, {}, 0, {1}, {}},
        {{1}, {}, 1, {3, 1}, {3}},
        {{4, 2}, {8}, 0, {4, 2}, {8}},
        {{4, 2}, {8}, 1, {0, 4, 2}, {0, 8}},
        {{-1}, {-1, 1}, 1, {2, 7}, {2, 7, 1}},
        {{-1, 4, -1}, {1, -1, 2, 2, -1}, 1, {5, 6, 4, 7}, {5, 1, 6, 2, 2, 7}},
        {{-1, -1}, {-1, -1}, 0, {0, 9}, {0, 9}},
    };
    for (const Case& one : cases) {
        EXPECT_TRUE(fits(one.client, one.leading, one.dims)) << one.client.to_string();
        EXPECT_TRUE(fits(one.backend, one.leading, one.reshape)) << one.backend.to_string();
        EXPECT_EQ(reshaped(one.client, one.leading, one.dims, one.reshape), one.backend);
        EXPECT_EQ(reshaped(one.backend, one.leading, one.reshape, one.dims), one.client);
    }
}

TEST(Reshape, fits_compares_rank_and_fixed_dimensions_after_the_leading_ones) {
    EXPECT_TRUE(fits({9, 2, 5}, 1, {2, -1}));
    EXPECT_FALSE(fits({9, 3, 5}, 1, {2, -1}));
    EXPECT_FALSE(fits({2, 5}, 1, {2, -1}));
    EXPECT_FALSE(fits({9, 2, 5, 1}, 1, {2, -1}));
    EXPECT_FALSE(fits({}, 1, {}));
    EXPECT_TRUE(fits({}, 0, {}));
}

}  // namespace
}  // namespace tritonpy
