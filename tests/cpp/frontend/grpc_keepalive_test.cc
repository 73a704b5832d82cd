// Goal: a client that has gone is found out and one that is there is left alone; pings of an
// attack are told from those of a client.
// Method: the decisions alone, with times given by hand.
#include "frontend/grpc_keepalive.h"

#include <gtest/gtest.h>

namespace tritonpy {
namespace {

using Action = KeepalivePings::Action;

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kHour = int64_t{3600} * 1000 * kMs;

GrpcKeepalive quick() {
    GrpcKeepalive options;
    options.time_ms = 1000;
    options.timeout_ms = 100;
    return options;
}

TEST(KeepalivePings, silent_client_is_pinged_and_closed_when_it_stays_silent) {
    KeepalivePings pings(quick(), 0);
    EXPECT_EQ(pings.next_look_ns(), 1000 * kMs);
    EXPECT_EQ(pings.look(999 * kMs, true), Action::kNothing);
    EXPECT_EQ(pings.look(1000 * kMs, true), Action::kPing);
    EXPECT_EQ(pings.next_look_ns(), 1100 * kMs);
    EXPECT_EQ(pings.look(1099 * kMs, true), Action::kNothing);
    EXPECT_EQ(pings.look(1100 * kMs, true), Action::kClose);
}

TEST(KeepalivePings, any_byte_shows_that_the_client_is_there) {
    KeepalivePings pings(quick(), 0);
    pings.on_bytes(700 * kMs);
    EXPECT_EQ(pings.look(1000 * kMs, true), Action::kNothing);
    EXPECT_EQ(pings.next_look_ns(), 1700 * kMs);
    EXPECT_EQ(pings.look(1700 * kMs, true), Action::kPing);
    pings.on_bytes(1750 * kMs);
    EXPECT_EQ(pings.look(1800 * kMs, true), Action::kNothing);
    EXPECT_EQ(pings.next_look_ns(), 2750 * kMs);
}

TEST(KeepalivePings, connection_without_calls_is_pinged_only_when_that_is_permitted) {
    KeepalivePings pings(quick(), 0);
    EXPECT_EQ(pings.look(1000 * kMs, false), Action::kNothing);
    EXPECT_EQ(pings.next_look_ns(), 2000 * kMs);
    EXPECT_EQ(pings.look(2000 * kMs, true), Action::kPing);
    GrpcKeepalive options = quick();
    options.permit_without_calls = true;
    KeepalivePings permitted(options, 0);
    EXPECT_EQ(permitted.look(1000 * kMs, false), Action::kPing);
}

TEST(KeepalivePings, pings_between_two_frames_of_calls_are_bounded) {
    for (int most : {1, 2, 5}) {
        GrpcKeepalive options = quick();
        options.max_pings_without_data = most;
        KeepalivePings pings(options, 0);
        int sent = 0;
        auto count_pings = [&](int64_t from_s) {
            for (int64_t second = from_s; second < from_s + 20; ++second) {
                if (pings.look(second * 1000 * kMs, true) == Action::kPing) {
                    ++sent;
                    pings.on_bytes(second * 1000 * kMs);
                }
            }
        };
        count_pings(1);
        EXPECT_EQ(sent, most);
        pings.on_traffic();
        count_pings(21);
        EXPECT_EQ(sent, 2 * most);
    }
}

TEST(KeepalivePings, none_is_no_bound_for_pings) {
    GrpcKeepalive options = quick();
    options.max_pings_without_data = 0;
    KeepalivePings pings(options, 0);
    for (int64_t second = 1; second < 100; ++second) {
        EXPECT_EQ(pings.look(second * 1000 * kMs, true), Action::kPing);
        pings.on_bytes(second * 1000 * kMs);
    }
}

TEST(KeepalivePings, longest_times_of_the_options_do_not_overflow) {
    GrpcKeepalive options;
    options.time_ms = INT32_MAX;
    options.timeout_ms = INT32_MAX;
    KeepalivePings pings(options, 100 * kHour);
    EXPECT_EQ(pings.next_look_ns(), 100 * kHour + INT32_MAX * kMs);
}

TEST(PingStrikes, pings_that_come_too_soon_are_strikes) {
    PingStrikes strikes(GrpcKeepalive{});  // every 5 minutes, 2 strikes
    EXPECT_TRUE(strikes.accepts(0, true));
    EXPECT_TRUE(strikes.accepts(300'000 * kMs, true));
    EXPECT_TRUE(strikes.accepts(599'999 * kMs, true));
    EXPECT_TRUE(strikes.accepts(600'000 * kMs, true));
    EXPECT_FALSE(strikes.accepts(600'001 * kMs, true));
    EXPECT_FALSE(strikes.accepts(10 * kHour, true));
}

TEST(PingStrikes, frames_of_calls_forgive_strikes) {
    PingStrikes strikes(GrpcKeepalive{});
    for (int64_t time = 0; time < 100; ++time) {
        EXPECT_TRUE(strikes.accepts(time, true));
        EXPECT_TRUE(strikes.accepts(time, true));
        EXPECT_TRUE(strikes.accepts(time, true));
        strikes.on_traffic();
    }
}

TEST(PingStrikes, without_calls_the_interval_is_two_hours_unless_pings_are_permitted) {
    GrpcKeepalive options;
    options.max_ping_strikes = 1;
    PingStrikes strikes(options);
    EXPECT_TRUE(strikes.accepts(0, false));
    EXPECT_TRUE(strikes.accepts(2 * kHour, false));
    EXPECT_TRUE(strikes.accepts(4 * kHour - 1, false));
    EXPECT_FALSE(strikes.accepts(5 * kHour, false));
    options.permit_without_calls = true;
    PingStrikes permitted(options);
    for (int64_t ping = 0; ping < 100; ++ping) {
        EXPECT_TRUE(permitted.accepts(ping * 300'000 * kMs, false));
    }
}

TEST(PingStrikes, none_is_no_bound_for_strikes) {
    GrpcKeepalive options;
    options.max_ping_strikes = 0;
    PingStrikes strikes(options);
    for (int64_t time = 0; time < 1000; ++time) {
        EXPECT_TRUE(strikes.accepts(time, true));
    }
}

}  // namespace
}  // namespace tritonpy
