// Goal: a version is given up exactly when its window is over a limit, and never for what has left
// the window.
// Method: outcomes one by one.
#include "model/outcome_window.h"

#include <gtest/gtest.h>

namespace tritonpy {
namespace {

constexpr int64_t kMs = 1'000'000;

TEST(OutcomeWindow, errors_above_the_rate_are_too_many_as_soon_as_they_are) {
    const RollbackRule rule{0, 0.05, std::nullopt, 100};
    OutcomeWindow window(rule);
    for (int error = 0; error < 5; ++error) {
        window.add(true, 0);
        EXPECT_EQ(window.verdict(), std::nullopt);
    }
    window.add(true, 0);
    EXPECT_EQ(window.verdict(), "6 of the last 100 requests failed");
}

TEST(OutcomeWindow, what_has_left_the_window_does_not_count) {
    const RollbackRule rule{0, 0.05, std::nullopt, 100};
    OutcomeWindow window(rule);
    for (int request = 0; request < 1000; ++request) {
        window.add(request % 20 == 0, 0);  // 5 of any 100
        EXPECT_EQ(window.verdict(), std::nullopt) << request;
    }
}

TEST(OutcomeWindow, a_p99_is_one_in_a_hundred_that_is_slower) {
    const RollbackRule rule{0, std::nullopt, 50 * kMs, 200};
    OutcomeWindow window(rule);
    window.add(false, 51 * kMs);
    window.add(false, 50 * kMs);  // not above it
    window.add(true, 60 * kMs);   // failed, which nobody limits here
    window.add(false, 52 * kMs);
    EXPECT_EQ(window.verdict(), std::nullopt);
    window.add(false, 53 * kMs);
    EXPECT_EQ(window.verdict(), "3 of the last 200 requests took more than 50 ms");
}

TEST(OutcomeWindow, a_limit_is_told_to_the_nanosecond) {
    const RollbackRule rule{0, std::nullopt, kMs / 2 + 1, 1};
    OutcomeWindow window(rule);
    window.add(false, kMs);
    EXPECT_EQ(window.verdict(), "1 of the last 1 requests took more than 0.500001 ms");
}

TEST(OutcomeWindow, a_rate_of_nothing_forgives_nothing) {
    const RollbackRule rule{0, 0.0, std::nullopt, 1};
    OutcomeWindow window(rule);
    window.add(false, 0);
    EXPECT_EQ(window.verdict(), std::nullopt);
    window.add(true, 0);
    EXPECT_EQ(window.verdict(), "1 of the last 1 requests failed");
}

}  // namespace
}  // namespace tritonpy
