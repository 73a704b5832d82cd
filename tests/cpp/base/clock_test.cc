// Goal: decisions can be replayed: a manual clock moves only when told, the steady one never back.
// Method: read both; advance one.
#include "base/clock.h"

#include <gtest/gtest.h>

namespace tritonpy {
namespace {

TEST(ManualClock, moves_only_when_told) {
    ManualClock clock(5);
    EXPECT_EQ(clock.now_ns(), 5);
    EXPECT_EQ(clock.now_ns(), 5);
    clock.advance_ns(1'000'000'000);
    EXPECT_EQ(clock.now_ns(), 1'000'000'005);
}

TEST(SteadyClock, passes_and_never_goes_back) {
    SteadyClock clock;
    int64_t start_ns = clock.now_ns();
    int64_t before_ns = start_ns;
    while (before_ns == start_ns) {
        int64_t now_ns = clock.now_ns();
        ASSERT_GE(now_ns, before_ns);
        before_ns = now_ns;
    }
}

}  // namespace
}  // namespace tritonpy
