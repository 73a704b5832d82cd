// Goal: labels get the share of the requests that their weights say, and who is to be treated alike
// is treated alike.
// Method: points and requests made by hand; the hash has no secret, so every count is exact.
#include "model/traffic_split.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tritonpy {
namespace {

TrafficSplit make_split(const std::vector<uint32_t>& weights, StickyKey sticky = {}) {
    std::vector<TrafficTarget> targets;
    for (uint32_t weight : weights) {
        const auto version = static_cast<int64_t>(targets.size()) + 1;
        targets.push_back({"v" + std::to_string(version), version, weight});
    }
    return TrafficSplit(std::move(targets), std::move(sticky));
}

// How many of `count` requests in a row each target gets.
std::vector<int> shares(const TrafficSplit& split, uint64_t from, uint64_t count) {
    std::vector<int> shares(split.targets().size());
    for (uint64_t turn = from; turn < from + count; ++turn) {
        ++shares[split.at(TrafficSplit::turn_point(turn))];
    }
    return shares;
}

InferenceRequest with_parameter(ParameterValue value) {
    InferenceRequest request;
    request.parameters = {{"other", true}, {"user", std::move(value)}};
    return request;
}

TEST(TrafficSplit, a_weight_of_nothing_gets_nothing_and_all_gets_all) {
    EXPECT_EQ(shares(make_split({0, 100}), 0, 1000), (std::vector<int>{0, 1000}));
    EXPECT_EQ(shares(make_split({100, 0}), 0, 1000), (std::vector<int>{1000, 0}));
    EXPECT_EQ(make_split({0, 7}).at(0), 1u);
    EXPECT_EQ(make_split({7, 0}).at(UINT64_MAX), 0u);
    EXPECT_EQ(make_split({3, 1, 9}).heaviest(), 2u);
}

TEST(TrafficSplit, any_hundred_turns_in_a_row_are_split_evenly) {
    const TrafficSplit split = make_split({95, 5});
    for (uint64_t from = 0; from < 10'000; from += 37) {
        const int canary = shares(split, from, 100)[1];
        EXPECT_GE(canary, 4) << from;
        EXPECT_LE(canary, 6) << from;
    }
}

TEST(TrafficSplit, a_key_always_falls_on_one_target_and_keys_fall_on_all_of_them) {
    const TrafficSplit split = make_split({50, 50}, {StickyKey::Kind::kParameter, "user"});
    int second = 0;
    for (int user = 0; user < 1000; ++user) {
        const auto point = split.sticky_point(with_parameter("user-" + std::to_string(user)));
        ASSERT_TRUE(point.has_value());
        EXPECT_EQ(split.sticky_point(with_parameter("user-" + std::to_string(user))), point);
        second += split.at(*point) == 1 ? 1 : 0;
    }
    EXPECT_GT(second, 450);  // the same on every machine: the hash is of known names
    EXPECT_LT(second, 550);
}

TEST(TrafficSplit, a_growing_share_keeps_whom_it_has) {
    const TrafficSplit small = make_split({95, 5}, {StickyKey::Kind::kRequestId, ""});
    const TrafficSplit large = make_split({80, 20}, {StickyKey::Kind::kRequestId, ""});
    int in_small = 0;
    int in_large = 0;
    for (int id = 0; id < 1000; ++id) {
        InferenceRequest request;
        request.id = std::to_string(id);
        const uint64_t point = *small.sticky_point(request);
        in_small += small.at(point) == 1 ? 1 : 0;
        in_large += large.at(point) == 1 ? 1 : 0;
        EXPECT_LE(small.at(point), large.at(point)) << id;
    }
    EXPECT_GT(in_small, 0);
    EXPECT_GT(in_large, in_small);
}

TEST(TrafficSplit, a_correlation_id_comes_before_the_key_and_no_key_is_no_point) {
    const TrafficSplit split = make_split({1, 1}, {StickyKey::Kind::kParameter, "user"});
    EXPECT_EQ(split.sticky_point(InferenceRequest{}), std::nullopt);
    EXPECT_EQ(split.sticky_point(with_parameter(uint64_t{7})),
              split.sticky_point(with_parameter("7")));
    InferenceRequest sequence = with_parameter("somebody");
    sequence.correlation_id = std::string("a");
    EXPECT_NE(split.sticky_point(sequence), split.sticky_point(with_parameter("somebody")));
    sequence.parameters.clear();
    EXPECT_EQ(split.sticky_point(sequence), make_split({1, 1}).sticky_point(sequence));
}

TEST(TrafficSplit, the_first_rule_whose_header_a_request_has_decides) {
    const TrafficSplit split({{"stable", 1, 1}, {"canary", 2, 0}, {"next", 3, 0}},
                             {StickyKey::Kind::kHeader, "x-user"},
                             {{"x-beta", "yes", 1}, {"x-any", std::nullopt, 2}});
    EXPECT_EQ(split.header_names(), (std::vector<std::string>{"x-beta", "x-any", "x-user"}));
    const auto target_of = [&](std::vector<RequestHeader> headers) {
        InferenceRequest request;
        request.headers = std::move(headers);
        return split.ruled_target(request);
    };
    EXPECT_EQ(target_of({}), std::nullopt);
    EXPECT_EQ(target_of({{"x-beta", "no"}, {"x-user", "yes"}}), std::nullopt);
    EXPECT_EQ(target_of({{"x-beta", "no"}, {"x-beta", "yes"}}), 1u);
    EXPECT_EQ(target_of({{"x-any", ""}}), 2u);
    EXPECT_EQ(target_of({{"x-any", ""}, {"x-beta", "yes"}}), 1u);
}

TEST(TrafficSplit, a_header_is_as_good_a_key_as_a_parameter) {
    const TrafficSplit split = make_split({1, 1}, {StickyKey::Kind::kHeader, "user"});
    InferenceRequest request;
    EXPECT_EQ(split.sticky_point(request), std::nullopt);
    request.headers = {{"other", "somebody"}, {"user", "ann"}};
    EXPECT_EQ(split.sticky_point(request),
              make_split({1, 1}, {StickyKey::Kind::kParameter, "user"})
                  .sticky_point(with_parameter("ann")));
}

}  // namespace
}  // namespace tritonpy
