// Goal: what is taken, run and given up follows from deadlines and costs alone.
// Method: tables, with batches that cost 10 ms and 1 ms a row, before the margin; times in ms.
#include "scheduler/latency_policy.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace tritonpy {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kMaxRows = 8;
constexpr int64_t kObjectiveMs = 100;

// A batch of n rows costs (10 + n) * 1.5 ms: 16.5 the smallest, 27 the largest.
BatchCosts known_costs() {
    BatchCosts costs(kMaxRows);
    costs.observe(1, 11 * kMs, false);
    costs.observe(kMaxRows, 18 * kMs, false);
    return costs;
}

struct Request {
    int64_t rows;
    int64_t deadline_ms;
    bool joins = true;
    bool is_trial = false;
};

// What is decided at 0.
LatencyDecision decide(const std::vector<Request>& queue,
                       const BatchCosts& costs = known_costs()) {
    LatencyPolicy policy(kMaxRows, kObjectiveMs * kMs);
    for (const Request& one : queue) {
        if (policy.wants_more()) {
            policy.offer({one.rows, one.deadline_ms * kMs, one.joins, one.is_trial});
        }
    }
    return policy.decide(0, costs);
}

void expect(const LatencyDecision& decision, size_t given_up, size_t run) {
    EXPECT_EQ(decision.give_up_count, given_up);
    EXPECT_EQ(decision.run_count, run);
}

TEST(LatencyPolicy, runs_all_that_there_is_time_for) {
    expect(decide({{1, 100}}), 0, 1);
    expect(decide({{1, 90}, {2, 95}, {3, 100}}), 0, 3);
    expect(decide({{3, 90}, {3, 95}, {3, 100}}), 0, 2);  // 8 rows are the most
    expect(decide({{20, 100}, {1, 100}}), 0, 1);         // too large alone is not our business
}

TEST(LatencyPolicy, gives_up_who_would_be_late_alone) {
    expect(decide({{1, 16}}), 1, 0);
    expect(decide({{1, 17}}), 0, 1);
    expect(decide({{1, 0}, {1, 10}, {1, 90}}), 2, 1);
    expect(decide({{8, 20}, {1, 20}}), 1, 1);  // the large one would take longer
}

TEST(LatencyPolicy, first_deadline_bounds_the_batch_while_the_rest_can_wait) {
    expect(decide({{1, 19}, {1, 90}, {1, 90}, {1, 90}}), 0, 2);  // two rows take 18
}

TEST(LatencyPolicy, gives_up_the_first_who_would_make_the_rest_late) {
    // With the first two the batch has two rows, and the rest needs 18 + 21 ms.
    expect(decide({{1, 19}, {1, 25}, {1, 30}, {1, 30}, {1, 30}, {1, 30}}), 1, 5);
    // With 40 ms the rest can wait.
    expect(decide({{1, 19}, {1, 25}, {1, 40}, {1, 40}, {1, 40}, {1, 40}}), 0, 2);
}

TEST(LatencyPolicy, gives_up_nobody_for_those_who_cannot_share_the_batch) {
    expect(decide({{1, 19}, {1, 20, false}, {1, 20}, {1, 20}, {1, 20}}), 0, 1);
    // Two take 18 ms, and there is no time for a third.
    expect(decide({{1, 19}, {1, 19}, {1, 19}, {1, 19, false}, {1, 30}}), 0, 2);
}

TEST(LatencyPolicy, batch_ends_where_requests_cannot_share_it) {
    expect(decide({{1, 90}, {1, 90}, {1, 90, false}, {1, 90}}), 0, 2);
}

TEST(LatencyPolicy, trial_runs_alone_whatever_it_costs_but_not_past_its_deadline) {
    expect(decide({{1, 5, false, true}, {1, 90}}), 0, 1);
    expect(decide({{1, 80}, {1, 90, true, true}, {1, 90}}), 0, 1);
    expect(decide({{1, -1, false, true}, {1, 90}}), 1, 1);
}

TEST(LatencyPolicy, one_by_one_while_nothing_is_known) {
    const BatchCosts nothing(kMaxRows);
    expect(decide({{1, 1}, {1, 1}}, nothing), 0, 1);
    expect(decide({{1, -1}, {1, 1}}, nothing), 1, 1);
    expect(decide({{1, -1}}, nothing), 1, 0);
}

struct Newcomer {
    int64_t rows;
    int64_t deadline_ms;
    int64_t rows_ahead;
    std::vector<int64_t> free_ms;  // of each instance
};

bool admits(const Newcomer& one) {
    const LatencyPolicy policy(kMaxRows, kObjectiveMs * kMs);
    std::vector<int64_t> free_ns;
    for (int64_t free_ms : one.free_ms) {
        free_ns.push_back(free_ms * kMs);
    }
    return policy.admits({one.rows, one.deadline_ms * kMs, one.rows_ahead}, 0, free_ns,
                         known_costs());
}

TEST(LatencyPolicy, takes_who_fits_and_refuses_who_does_not) {
    EXPECT_TRUE(admits({1, 17, 0, {-5}}));
    EXPECT_FALSE(admits({1, 16, 0, {-5}}));
    EXPECT_TRUE(admits({8, 28, 0, {0}}));
    EXPECT_FALSE(admits({8, 26, 0, {0}}));
}

TEST(LatencyPolicy, newcomer_waits_for_an_instance_and_for_full_batches_ahead) {
    EXPECT_TRUE(admits({1, 60, 0, {39}}));  // of 43.5 ms that it may wait a tenth is kept
    EXPECT_FALSE(admits({1, 60, 0, {40}}));
    EXPECT_TRUE(admits({1, 60, 0, {40, 10}}));
    EXPECT_TRUE(admits({1, 100, 16, {0}}));  // two batches of 27 ms
    EXPECT_FALSE(admits({1, 100, 24, {0}}));
    EXPECT_TRUE(admits({1, 100, 24, {0, 0}}));
    EXPECT_TRUE(admits({1, 100, 7, {65}}));  // the eighth row of a batch that ends at 92
    EXPECT_FALSE(admits({1, 100, 7, {70}}));
}

}  // namespace
}  // namespace tritonpy
