// Goal: a token bucket lets a burst through, then its rate, whatever time does.
// Method: times given by hand.
#include "wire/token_bucket.h"

#include <gtest/gtest.h>

namespace tritonpy {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

int64_t taken(TokenBucket& bucket, int64_t now_ns) {
    int64_t count = 0;
    while (bucket.take(now_ns)) {
        ++count;
    }
    return count;
}

TEST(TokenBucket, burst_passes_at_once_and_then_no_more) {
    TokenBucket bucket(5, 10);
    EXPECT_EQ(taken(bucket, kSecond), 5);
    EXPECT_EQ(taken(bucket, kSecond), 0);
}

TEST(TokenBucket, tokens_come_back_at_the_rate) {
    TokenBucket bucket(5, 10);
    EXPECT_EQ(taken(bucket, 0), 5);
    EXPECT_EQ(taken(bucket, kSecond / 10 - 1), 0);
    EXPECT_EQ(taken(bucket, kSecond / 10), 1);
    EXPECT_EQ(taken(bucket, kSecond * 3 / 10), 2);
}

TEST(TokenBucket, no_more_than_the_burst_is_saved_up) {
    TokenBucket bucket(5, 10);
    EXPECT_EQ(taken(bucket, 0), 5);
    EXPECT_EQ(taken(bucket, 1000 * kSecond), 5);
}

TEST(TokenBucket, refused_attempts_cost_nothing) {
    TokenBucket bucket(1, 1);
    EXPECT_TRUE(bucket.take(0));
    for (int attempt = 0; attempt < 100; ++attempt) {
        EXPECT_FALSE(bucket.take(kSecond / 2));
    }
    EXPECT_TRUE(bucket.take(kSecond));
}

TEST(TokenBucket, time_that_goes_back_gives_nothing) {
    TokenBucket bucket(2, 1);
    EXPECT_EQ(taken(bucket, 10 * kSecond), 2);
    EXPECT_EQ(taken(bucket, 5 * kSecond), 0);
    EXPECT_EQ(taken(bucket, 11 * kSecond), 1);
}

}  // namespace
}  // namespace tritonpy
