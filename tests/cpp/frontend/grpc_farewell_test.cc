// Goal: a connection ends in steps that lose no call, and not later than it should.
// Method: the decisions alone, with times given by hand.
#include "frontend/grpc_farewell.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace tritonpy {
namespace {

using Action = GrpcFarewell::Action;

constexpr int64_t kMs = 1'000'000;

GrpcKeepalive aged(int64_t age_ms, int64_t grace_ms) {
    GrpcKeepalive options;
    options.max_connection_age_ms = age_ms;
    options.max_connection_age_grace_ms = grace_ms;
    return options;
}

TEST(GrpcFarewell, connection_without_an_age_lives_on) {
    GrpcFarewell farewell(GrpcKeepalive{}, 0, 7);
    EXPECT_FALSE(farewell.next_look_ns());
    EXPECT_EQ(farewell.look(INT64_MAX / 2), Action::kNothing);
    EXPECT_EQ(farewell.on_answered(), Action::kNothing);
    EXPECT_FALSE(farewell.refusing());
}

TEST(GrpcFarewell, stopping_announces_then_refuses_when_the_ping_is_answered) {
    GrpcFarewell farewell(GrpcKeepalive{}, 0, 7);
    EXPECT_EQ(farewell.begin(5 * kMs), Action::kAnnounce);
    EXPECT_EQ(farewell.begin(6 * kMs), Action::kNothing);
    EXPECT_FALSE(farewell.refusing());
    EXPECT_EQ(farewell.on_answered(), Action::kRefuse);
    EXPECT_TRUE(farewell.refusing());
    EXPECT_EQ(farewell.on_answered(), Action::kNothing);
    EXPECT_FALSE(farewell.next_look_ns());
}

TEST(GrpcFarewell, ping_that_is_not_answered_is_not_waited_for) {
    GrpcFarewell farewell(GrpcKeepalive{}, 0, 7);
    EXPECT_EQ(farewell.begin(5 * kMs), Action::kAnnounce);
    int64_t look_ns = farewell.next_look_ns().value();
    EXPECT_EQ(farewell.look(look_ns - 1), Action::kNothing);
    EXPECT_EQ(farewell.look(look_ns), Action::kRefuse);
}

TEST(GrpcFarewell, old_connection_ends_and_has_its_grace) {
    GrpcFarewell farewell(aged(1000, 300), 0, 500);
    EXPECT_EQ(farewell.next_look_ns(), 1000 * kMs);
    EXPECT_EQ(farewell.look(999 * kMs), Action::kNothing);
    EXPECT_EQ(farewell.look(1000 * kMs), Action::kAnnounce);
    EXPECT_EQ(farewell.next_look_ns(), 1300 * kMs);
    EXPECT_EQ(farewell.on_answered(), Action::kRefuse);
    EXPECT_EQ(farewell.look(1299 * kMs), Action::kNothing);
    EXPECT_EQ(farewell.look(1300 * kMs), Action::kClose);
}

TEST(GrpcFarewell, grace_may_be_unlimited) {
    GrpcFarewell farewell(aged(1000, 0), 0, 500);
    EXPECT_EQ(farewell.look(1000 * kMs), Action::kAnnounce);
    EXPECT_EQ(farewell.on_answered(), Action::kRefuse);
    EXPECT_FALSE(farewell.next_look_ns());
}

TEST(GrpcFarewell, stopping_server_leaves_an_old_connection_its_grace) {
    GrpcFarewell farewell(aged(1000, 5000), 0, 500);
    EXPECT_EQ(farewell.look(1000 * kMs), Action::kAnnounce);
    EXPECT_EQ(farewell.begin(1001 * kMs), Action::kNothing);
    EXPECT_EQ(farewell.on_answered(), Action::kRefuse);
    EXPECT_EQ(farewell.look(6000 * kMs), Action::kClose);
}

TEST(GrpcFarewell, ages_are_spread_over_a_tenth_both_ways) {
    int64_t youngest = INT64_MAX;
    int64_t oldest = 0;
    for (uint64_t spread = 0; spread < 1001; ++spread) {
        int64_t age_ns = GrpcFarewell(aged(1000, 0), 0, spread).next_look_ns().value();
        youngest = std::min(youngest, age_ns);
        oldest = std::max(oldest, age_ns);
    }
    EXPECT_EQ(youngest, 900 * kMs);
    EXPECT_EQ(oldest, 1100 * kMs);
}

}  // namespace
}  // namespace tritonpy
