// Goal: the batching decision is Triton's, in every order of its rules, and keeps its promises for
// any queue. Method: tables of scenarios; then seeded random queues and configs, checked against
// the promises and against a second formulation of the same rules (prefix sums instead of a walk).
#include "scheduler/batch_policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace tritonpy {
namespace {

constexpr int64_t kUs = 1'000;

struct Waiting {
    int64_t rows = 1;
    bool compatible = true;
    int64_t start_ns = 0;
};

BatcherConfig make_config(std::vector<int64_t> preferred, int64_t delay_us,
                          int64_t max_batch_size = 8) {
    BatcherConfig config;
    config.dynamic_batching = true;
    config.max_batch_size = max_batch_size;
    config.preferred_batch_sizes = std::move(preferred);
    config.max_queue_delay_us = delay_us;
    return config;
}

void offer_all(BatchPolicy& policy, const std::vector<Waiting>& queue) {
    while (policy.wants_more() && policy.count() < queue.size()) {
        const Waiting& next = queue[policy.count()];
        if (!policy.offer(next.rows, next.compatible, next.start_ns)) {
            return;
        }
    }
}

BatchDecision decide(const BatcherConfig& config, const std::vector<Waiting>& queue,
                     int64_t now_ns) {
    BatchPolicy policy(config);
    offer_all(policy, queue);
    return policy.decide(now_ns);
}

std::vector<Waiting> rows_queue(const std::vector<int64_t>& rows) {
    std::vector<Waiting> queue;
    for (int64_t request_rows : rows) {
        queue.push_back({.rows = request_rows});
    }
    return queue;
}

// What runs, as rows of each batch, when the queue is drained at `now_ns`; 0 ends it with a wait.
std::vector<int64_t> drain(const BatcherConfig& config, std::vector<Waiting> queue,
                           int64_t now_ns) {
    std::vector<int64_t> batches;
    while (!queue.empty()) {
        const BatchDecision decision = decide(config, queue, now_ns);
        int64_t rows = 0;
        for (size_t i = 0; i < decision.run_count; ++i) {
            rows += queue[i].rows;
        }
        batches.push_back(rows);
        if (decision.run_count == 0) {
            break;
        }
        queue.erase(queue.begin(), queue.begin() + static_cast<ptrdiff_t>(decision.run_count));
    }
    return batches;
}

using Rows = std::vector<int64_t>;

TEST(BatchPolicy, preferred_sizes_with_a_long_delay_run_only_what_is_preferred_or_large) {
    const BatcherConfig config = make_config({2, 6}, 10'000'000);
    EXPECT_EQ(drain(config, rows_queue({2}), 0), (Rows{2}));
    EXPECT_EQ(drain(config, rows_queue({6}), 0), (Rows{6}));
    EXPECT_EQ(drain(config, rows_queue({7}), 0), (Rows{7}));     // over the largest: at once
    EXPECT_EQ(drain(config, rows_queue({1}), 0), (Rows{0}));     // waits
    EXPECT_EQ(drain(config, rows_queue({3}), 0), (Rows{0}));
    EXPECT_EQ(drain(config, rows_queue({1, 3}), 0), (Rows{0}));
    EXPECT_EQ(drain(config, rows_queue({3, 4}), 0), (Rows{3, 0}));  // 3 is the best stop before 7
    EXPECT_EQ(drain(config, rows_queue({2, 1}), 0), (Rows{2, 0}));
    EXPECT_EQ(drain(config, rows_queue({1, 1, 4}), 0), (Rows{6}));
    EXPECT_EQ(drain(config, rows_queue({1, 1, 1, 1}), 0), (Rows{2, 2}));
    EXPECT_EQ(drain(config, rows_queue({1, 1, 1, 1, 1, 1, 1}), 0), (Rows{6, 0}));
}

TEST(BatchPolicy, expired_delay_runs_up_to_the_maximum_rather_than_a_preferred_size) {
    const BatcherConfig config = make_config({2, 6}, 10'000'000);
    const int64_t expired = 10'000'000 * kUs;
    EXPECT_EQ(drain(config, rows_queue({1}), expired), (Rows{1}));
    EXPECT_EQ(drain(config, rows_queue({1}), expired - 1), (Rows{0}));
    EXPECT_EQ(drain(config, rows_queue({3, 4}), expired), (Rows{7}));
    EXPECT_EQ(drain(config, rows_queue({4, 4}), expired), (Rows{8}));
    EXPECT_EQ(drain(config, rows_queue({2, 1, 5, 1}), expired), (Rows{8, 1}));
}

TEST(BatchPolicy, preferred_sizes_without_delay_never_wait) {
    const BatcherConfig config = make_config({4, 6}, 0);
    EXPECT_EQ(drain(config, rows_queue({1}), 0), (Rows{1}));
    EXPECT_EQ(drain(config, rows_queue({1, 1, 1}), 0), (Rows{3}));
    EXPECT_EQ(drain(config, rows_queue({1, 1, 1, 1, 1}), 0), (Rows{4, 1}));
    EXPECT_EQ(drain(config, rows_queue({1, 1, 1, 1, 1, 1, 1, 1, 1}), 0), (Rows{6, 3}));
    EXPECT_EQ(drain(config, rows_queue({3, 5}), 0), (Rows{3, 5}));
    EXPECT_EQ(drain(config, rows_queue({5, 2}), 0), (Rows{5, 2}));
}

TEST(BatchPolicy, delay_alone_fills_up_to_the_maximum) {
    const BatcherConfig config = make_config({8}, 500'000);
    EXPECT_EQ(drain(config, rows_queue({1, 2}), 0), (Rows{0}));
    EXPECT_EQ(drain(config, rows_queue({4, 4}), 0), (Rows{8}));
    EXPECT_EQ(drain(config, rows_queue({4, 3, 2}), 0), (Rows{7, 0}));
    EXPECT_EQ(drain(config, rows_queue({1, 2}), 500'000 * kUs), (Rows{3}));
}

TEST(BatchPolicy, neither_sizes_nor_delay_takes_what_is_there) {
    const BatcherConfig config = make_config({}, 0);
    EXPECT_EQ(drain(config, rows_queue({1}), 0), (Rows{1}));
    EXPECT_EQ(drain(config, rows_queue({1, 1, 1}), 0), (Rows{3}));
    EXPECT_EQ(drain(config, rows_queue({3, 3, 3}), 0), (Rows{6, 3}));
}

TEST(BatchPolicy, preferred_sizes_below_the_maximum_alone) {
    const BatcherConfig config = make_config({4}, 0);
    EXPECT_EQ(drain(config, rows_queue({1, 1, 1, 1, 1}), 0), (Rows{4, 1}));
    EXPECT_EQ(drain(config, rows_queue({2, 3}), 0), (Rows{2, 3}));
    EXPECT_EQ(drain(config, rows_queue({8}), 0), (Rows{8}));
}

TEST(BatchPolicy, request_larger_than_every_batch_runs_alone) {
    for (int64_t delay_us : {0, 1'000'000}) {
        const BatcherConfig config = make_config({2, 4}, delay_us, 4);
        EXPECT_EQ(decide(config, rows_queue({9, 1}), 0).run_count, 1u);
        EXPECT_EQ(decide(config, rows_queue({1, 9}), 0).run_count, 1u);
    }
}

TEST(BatchPolicy, different_shapes_split_and_go_at_once) {
    const std::vector<Waiting> queue = {{.rows = 1}, {.rows = 1, .compatible = false}};
    EXPECT_EQ(decide(make_config({8}, 1'000'000), queue, 0).run_count, 1u);
    EXPECT_EQ(decide(make_config({8}, 0), queue, 0).run_count, 1u);
    // A preferred size met before the split is still what runs.
    const std::vector<Waiting> longer = {
        {.rows = 1}, {.rows = 1}, {.rows = 1}, {.rows = 1, .compatible = false}};
    EXPECT_EQ(decide(make_config({2, 6}, 1'000'000), longer, 0).run_count, 2u);
    EXPECT_EQ(decide(make_config({2, 6}, 1), longer, 1'000).run_count, 3u);
}

TEST(BatchPolicy, without_dynamic_batching_every_request_is_alone) {
    BatcherConfig config = make_config({2, 6}, 1'000'000);
    config.dynamic_batching = false;
    EXPECT_EQ(drain(config, rows_queue({1, 1, 8, 9, 2}), 0), (Rows{1, 1, 8, 9, 2}));
}

TEST(BatchPolicy, wait_names_the_end_of_the_delay_and_the_next_preferred_size) {
    const BatcherConfig config = make_config({4, 6}, 100);
    const std::vector<Waiting> queue = {{.rows = 1, .start_ns = 900}, {.rows = 1, .start_ns = 700}};
    const BatchDecision decision = decide(config, queue, 1'000);
    EXPECT_EQ(decision.run_count, 0u);
    EXPECT_EQ(decision.wait_until_ns, 700 + 100 * kUs);  // of the oldest, not of the first
    EXPECT_EQ(decision.wait_for_rows, 4);
    EXPECT_EQ(decide(config, rows_queue({1, 4}), 0).wait_for_rows, 6);
}

TEST(BatchPolicy, longest_possible_delay_does_not_overflow) {
    const BatcherConfig config = make_config({8}, std::numeric_limits<int64_t>::max());
    const std::vector<Waiting> queue = {{.rows = 1, .start_ns = int64_t{1} << 61}};
    const BatchDecision decision = decide(config, queue, int64_t{1} << 61);
    EXPECT_EQ(decision.run_count, 0u);
    EXPECT_GT(decision.wait_until_ns, int64_t{1} << 61);
    EXPECT_EQ(decide(config, queue, BatchPolicy::kEndOfTime).run_count, 1u);
}

// ---- properties

struct Scenario {
    BatcherConfig config;
    std::vector<Waiting> queue;
    int64_t now_ns = 0;

    int64_t delay_ns() const { return config.max_queue_delay_us * kUs; }
    int64_t largest() const {
        return config.preferred_batch_sizes.empty() ? config.max_batch_size
                                                    : config.preferred_batch_sizes.back();
    }
    bool is_preferred(int64_t rows) const {
        const std::vector<int64_t>& sizes = config.preferred_batch_sizes;
        return sizes.empty() ? rows == config.max_batch_size
                             : std::find(sizes.begin(), sizes.end(), rows) != sizes.end();
    }
};

Scenario random_scenario(std::mt19937_64& random) {
    const auto pick = [&random](int64_t low, int64_t high) {
        return std::uniform_int_distribution<int64_t>(low, high)(random);
    };
    const int64_t max_batch_size = pick(1, 12);
    std::vector<int64_t> preferred;
    for (int64_t size = 1; size <= max_batch_size; ++size) {
        if (pick(0, 3) == 0) {
            preferred.push_back(size);
        }
    }
    Scenario scenario;
    scenario.config = make_config(preferred, pick(0, 1) * pick(1, 20), max_batch_size);
    for (int64_t left = pick(1, 20); left > 0; --left) {
        scenario.queue.push_back({.rows = pick(0, 4) == 0 ? pick(1, max_batch_size) : 1,
                                  .compatible = pick(0, 15) != 0,
                                  .start_ns = pick(0, 10) * kUs});
    }
    scenario.now_ns = pick(10, 40) * kUs;
    return scenario;
}

// The rules once more, as statements about prefix sums: how many to run, 0 for wait.
size_t expected_run_count(const Scenario& scenario) {
    const std::vector<Waiting>& queue = scenario.queue;
    std::vector<int64_t> sums = {queue[0].rows};
    while (sums.size() < queue.size() && queue[sums.size()].compatible &&
           sums.back() + queue[sums.size()].rows <= scenario.config.max_batch_size) {
        sums.push_back(sums.back() + queue[sums.size()].rows);
    }
    const size_t all = sums.size();
    const bool cut_short = all < queue.size();

    int64_t oldest = queue[0].start_ns;
    for (size_t i = 0; i < all; ++i) {
        oldest = std::min(oldest, queue[i].start_ns);
    }
    const int64_t delay = scenario.delay_ns();
    if (delay != 0 && scenario.now_ns - oldest >= delay) {
        return all;
    }
    for (size_t stop = all; stop > 0; --stop) {
        if (scenario.is_preferred(sums[stop - 1])) {
            return stop;
        }
    }
    for (size_t stop = 1; stop < queue.size() && stop <= all; ++stop) {
        if (sums[stop - 1] + queue[stop].rows > scenario.largest()) {
            return stop;
        }
    }
    return cut_short || sums.back() >= scenario.largest() || delay == 0 ? all : 0;
}

TEST(BatchPolicy, random_queues_keep_every_promise) {
    for (uint64_t seed = 0; seed < 20'000; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        const Scenario scenario = random_scenario(random);
        const BatchDecision decision =
            decide(scenario.config, scenario.queue, scenario.now_ns);

        ASSERT_EQ(decision.run_count, expected_run_count(scenario));
        ASSERT_LE(decision.run_count, scenario.queue.size());
        if (decision.run_count == 0) {
            ASSERT_GT(scenario.delay_ns(), 0);
            ASSERT_GT(decision.wait_until_ns, scenario.now_ns);
            ASSERT_LE(decision.wait_until_ns, scenario.queue[0].start_ns + scenario.delay_ns());
            // At that time, if not before, it does run; and it runs when nothing more can come.
            ASSERT_GT(decide(scenario.config, scenario.queue, decision.wait_until_ns).run_count,
                      0u);
            continue;
        }
        int64_t rows = 0;
        for (size_t i = 0; i < decision.run_count; ++i) {
            rows += scenario.queue[i].rows;
            ASSERT_TRUE(i == 0 || scenario.queue[i].compatible);
        }
        ASSERT_LE(rows, scenario.config.max_batch_size);
    }
}

TEST(BatchPolicy, later_times_and_longer_queues_never_turn_a_run_into_a_wait) {
    for (uint64_t seed = 0; seed < 5'000; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        const Scenario scenario = random_scenario(random);
        bool runs = false;
        for (size_t length = 1; length <= scenario.queue.size(); ++length) {
            std::vector<Waiting> queue = scenario.queue;
            queue.resize(length);
            const size_t now_count = decide(scenario.config, queue, scenario.now_ns).run_count;
            ASSERT_TRUE(!runs || now_count > 0);
            runs = now_count > 0;
            const int64_t later_ns = scenario.now_ns + 5 * kUs;
            const size_t later = decide(scenario.config, queue, later_ns).run_count;
            ASSERT_TRUE(!runs || later > 0);
        }
    }
}

// The scheduler relies on it: fewer rows than `wait_for_rows` leave the decision as it is.
TEST(BatchPolicy, continued_walk_decides_as_a_fresh_one_and_waits_for_the_rows_it_named) {
    for (uint64_t seed = 0; seed < 5'000; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        const Scenario scenario = random_scenario(random);
        BatchPolicy policy(scenario.config);
        std::optional<int64_t> wait_for_rows;
        std::vector<Waiting> queue;
        int64_t rows = 0;
        for (const Waiting& next : scenario.queue) {
            queue.push_back(next);
            rows += next.rows;
            offer_all(policy, queue);
            const BatchDecision decision = policy.decide(scenario.now_ns);
            ASSERT_EQ(decision.run_count,
                      decide(scenario.config, queue, scenario.now_ns).run_count);
            const bool oldest_expired = next.start_ns + scenario.delay_ns() <= scenario.now_ns;
            if (wait_for_rows && rows < *wait_for_rows && next.compatible && !oldest_expired) {
                ASSERT_EQ(decision.run_count, 0u);
            }
            if (decision.run_count > 0) {
                break;
            }
            wait_for_rows = decision.wait_for_rows;
        }
    }
}

}  // namespace
}  // namespace tritonpy
