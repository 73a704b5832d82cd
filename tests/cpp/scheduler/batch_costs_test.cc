// Goal: what a batch costs is learned from what ran: soon, without ever saying that more rows take
// less time, and without believing a single strange run.
// Method: made-up runs, and random ones of a known cost.
#include "scheduler/batch_costs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>

namespace tritonpy {
namespace {

constexpr int64_t kMs = 1'000'000;

int64_t with_first_margin(int64_t ns) {
    return static_cast<int64_t>(static_cast<double>(ns) * BatchCosts::kFirstMargin);
}

// Not late.
void run(BatchCosts& costs, int64_t rows, int64_t took_ns, int times = 1) {
    for (; times > 0; --times) {
        costs.observe(rows, took_ns, false);
    }
}

TEST(BatchCosts, nothing_costs_anything_until_something_ran) {
    const BatchCosts costs(8);
    EXPECT_FALSE(costs.know_any());
    EXPECT_FALSE(costs.know(1));
    EXPECT_EQ(costs.cost_ns(1), 0);
    EXPECT_EQ(costs.cost_ns(8), 0);
    EXPECT_EQ(costs.rows_within(0), 8);
}

TEST(BatchCosts, sizes_that_never_ran_are_drawn_between_and_beyond_those_that_did) {
    BatchCosts costs(8);
    run(costs, 2, 10 * kMs);
    run(costs, 4, 14 * kMs);
    EXPECT_TRUE(costs.know(2));
    EXPECT_FALSE(costs.know(3));
    EXPECT_NEAR(costs.cost_ns(1), with_first_margin(10 * kMs), 2);
    EXPECT_NEAR(costs.cost_ns(2), with_first_margin(10 * kMs), 2);
    EXPECT_NEAR(costs.cost_ns(3), with_first_margin(12 * kMs), 2);
    EXPECT_NEAR(costs.cost_ns(4), with_first_margin(14 * kMs), 2);
    EXPECT_NEAR(costs.cost_ns(8), with_first_margin(28 * kMs), 2);
    EXPECT_EQ(costs.cost_ns(9), costs.cost_ns(8));
}

TEST(BatchCosts, fastest_of_the_first_runs_counts) {
    BatchCosts costs(4);
    run(costs, 1, 100 * kMs);
    run(costs, 1, 10 * kMs);
    run(costs, 1, 12 * kMs);
    EXPECT_NEAR(costs.cost_ns(1), with_first_margin(10 * kMs), 2);
}

TEST(BatchCosts, no_single_run_moves_a_mean_far_but_many_do) {
    BatchCosts costs(4);
    run(costs, 1, 10 * kMs, 10);
    const int64_t before = costs.cost_ns(1);
    run(costs, 1, 1'000 * kMs);
    EXPECT_GT(costs.cost_ns(1), before);
    EXPECT_LT(costs.cost_ns(1), before + before / 8);
    run(costs, 1, 40 * kMs, 300);
    EXPECT_NEAR(costs.cost_ns(1), 44 * kMs, kMs);
}

TEST(BatchCosts, sizes_that_seem_faster_than_smaller_ones_share_a_mean) {
    BatchCosts costs(4);
    run(costs, 1, 10 * kMs, 4);
    run(costs, 2, 16 * kMs, 4);
    run(costs, 3, 12 * kMs, 4);
    run(costs, 4, 20 * kMs, 4);
    EXPECT_EQ(costs.cost_ns(2), costs.cost_ns(3));
    EXPECT_NEAR(costs.cost_ns(3), with_first_margin(14 * kMs), 2);
    EXPECT_NEAR(costs.cost_ns(4), with_first_margin(20 * kMs), 2);
}

TEST(BatchCosts, size_that_is_not_seen_any_more_is_forgotten) {
    BatchCosts costs(8);
    run(costs, 8, 900 * kMs);
    run(costs, 4, 10 * kMs, static_cast<int>(BatchCosts::kKeepBatches));
    EXPECT_TRUE(costs.know(8));
    run(costs, 4, 10 * kMs);
    EXPECT_FALSE(costs.know(8));
    EXPECT_EQ(costs.cost_ns(8), 2 * costs.cost_ns(4));
}

TEST(BatchCosts, margin_is_what_runs_differ_from_their_usual_time) {
    BatchCosts steady(1);
    BatchCosts rough(1);
    for (int i = 0; i < 500; ++i) {
        steady.observe(1, 10 * kMs, false);
        rough.observe(1, (i % 2 == 0 ? 8 : 12) * kMs, false);
    }
    EXPECT_NEAR(steady.cost_ns(1), 11 * kMs, 2);
    EXPECT_NEAR(rough.cost_ns(1), 18 * kMs, kMs);
}

TEST(BatchCosts, margin_rises_with_late_batches_and_falls_slowly_without) {
    BatchCosts costs(1);
    run(costs, 1, 10 * kMs, 500);
    costs.observe(1, 10 * kMs, true);
    EXPECT_NEAR(costs.cost_ns(1), 121 * kMs / 10, 1'000);
    run(costs, 1, 10 * kMs, static_cast<int>(BatchCosts::kOnTimeBatches) / 2);
    EXPECT_GT(costs.cost_ns(1), 112 * kMs / 10);
    run(costs, 1, 10 * kMs, static_cast<int>(BatchCosts::kOnTimeBatches) / 2);
    EXPECT_NEAR(costs.cost_ns(1), 11 * kMs, 1'000);
    for (int i = 0; i < 100; ++i) {
        costs.observe(1, 10 * kMs, true);
    }
    EXPECT_NEAR(costs.cost_ns(1), 44 * kMs, 1'000);
}

TEST(BatchCosts, rows_within_is_the_other_way_round) {
    BatchCosts costs(16);
    run(costs, 1, 3 * kMs);
    run(costs, 16, 18 * kMs);
    for (int64_t rows = 1; rows <= 16; ++rows) {
        EXPECT_EQ(costs.rows_within(costs.cost_ns(rows)), rows);
        EXPECT_EQ(costs.rows_within(costs.cost_ns(rows) - 1), std::max<int64_t>(rows - 1, 1));
    }
    EXPECT_EQ(costs.rows_within(1'000 * kMs), 16);
}

TEST(BatchCosts, cost_never_falls_with_rows_and_comes_to_what_it_is) {
    for (uint64_t seed = 1; seed <= 200; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 dice(seed);
        const auto max_rows = static_cast<int64_t>(dice() % 64 + 1);
        const auto fixed_ns = static_cast<int64_t>(dice() % 50) * kMs;
        const int64_t row_ns = kMs + static_cast<int64_t>(dice() % 5) * kMs;
        BatchCosts costs(max_rows);
        for (int i = 0; i < 2'000; ++i) {
            const int64_t rows = static_cast<int64_t>(dice() % static_cast<uint64_t>(max_rows)) + 1;
            const auto percent = static_cast<int64_t>(85 + dice() % 31);
            const int64_t strange = dice() % 100 == 0 ? 10 : 1;
            costs.observe(rows, (fixed_ns + rows * row_ns) * percent / 100 * strange, false);
            for (int64_t larger = 2; larger <= max_rows; ++larger) {
                ASSERT_LE(costs.cost_ns(larger - 1), costs.cost_ns(larger));
            }
        }
        const double margin = static_cast<double>(costs.cost_ns(max_rows)) /
                              static_cast<double>(fixed_ns + max_rows * row_ns);
        EXPECT_GT(margin, 1.1);
        EXPECT_LT(margin, 1.7);
    }
}

}  // namespace
}  // namespace tritonpy
