// Goal: the rate limiter's decision is the one that its header describes, with Triton's complaints.
// Method: small casts of instances, stepped by hand. Runs of many kinds are tests/sim's.
#include "scheduler/resource_turns.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <vector>

namespace tritonpy {
namespace {

using Instance = ResourceTurns::Instance;

InstanceNeeds needs(std::vector<ResourceNeed> resources, uint32_t priority = 1,
                    int32_t device = 0) {
    return {device, priority, std::move(resources)};
}

// Everybody is always ready; who ran how often in so many runs, one after the other.
std::map<Instance, int> share_out(ResourceTurns& turns, const std::vector<Instance>& all,
                                  int runs) {
    std::map<Instance, int> ran;
    for (Instance instance : all) {
        turns.park(instance);
    }
    for (int run = 0; run < runs; ++run) {
        for (Instance instance : all) {
            turns.want(instance.model);
        }
        const std::optional<Instance> next = turns.next();
        EXPECT_TRUE(next.has_value());
        EXPECT_FALSE(turns.next().has_value());
        ++ran[*next];
        turns.done(*next, true);
        turns.park(*next);
    }
    return ran;
}

TEST(ResourceTurnsTest, priority_two_gets_half_the_turns_of_priority_one) {
    ResourceTurns turns({});
    const InstanceNeeds first = needs({{"R1", false, 3}});
    const InstanceNeeds second = needs({{"R1", false, 3}}, 2);
    ASSERT_TRUE(turns.add(1, {{first}}).ok());
    ASSERT_TRUE(turns.add(2, {{second}}).ok());
    const auto ran = share_out(turns, {{1, 0}, {2, 0}}, 300);
    EXPECT_NEAR(ran.at({1, 0}), 200, 1);
    EXPECT_NEAR(ran.at({2, 0}), 100, 1);
}

TEST(ResourceTurnsTest, groups_of_one_model_share_by_priority_too) {
    ResourceTurns turns({});
    const std::vector<InstanceNeeds> both = {needs({{"R1", false, 1}}, 3),
                                             needs({{"R1", false, 1}}, 1)};
    ASSERT_TRUE(turns.add(1, both).ok());
    const auto ran = share_out(turns, {{1, 0}, {1, 1}}, 400);
    EXPECT_NEAR(ran.at({1, 0}), 100, 1);
    EXPECT_NEAR(ran.at({1, 1}), 300, 1);
}

TEST(ResourceTurnsTest, there_is_as_much_as_the_neediest_instance_wants_and_no_more) {
    ResourceTurns turns({});
    const InstanceNeeds two = needs({{"R1", false, 2}});
    const InstanceNeeds three = needs({{"R1", false, 3}});
    ASSERT_TRUE(turns.add(1, {{two}}).ok());
    EXPECT_EQ(turns.uses().at(0).count, 2u);
    ASSERT_TRUE(turns.add(2, {{three}}).ok());
    EXPECT_EQ(turns.uses().at(0).count, 3u);
    for (Instance instance : {Instance{1, 0}, Instance{2, 0}}) {
        turns.park(instance);
        turns.want(instance.model);
    }
    EXPECT_EQ(turns.next(), (Instance{1, 0}));
    EXPECT_EQ(turns.next(), std::nullopt);
    turns.done({1, 0}, true);
    EXPECT_EQ(turns.next(), (Instance{2, 0}));
    turns.done({2, 0}, true);
    turns.remove(2);
    EXPECT_EQ(turns.uses().at(0).count, 2u);
    turns.remove(1);
    EXPECT_TRUE(turns.uses().empty());
}

TEST(ResourceTurnsTest, devices_have_their_own_and_global_ones_are_shared) {
    ResourceTurns turns({});
    const std::vector<InstanceNeeds> local = {needs({{"R1", false, 1}}, 1, 0),
                                              needs({{"R1", false, 1}}, 1, 1)};
    const std::vector<InstanceNeeds> global = {needs({{"G", true, 1}}, 1, 0),
                                               needs({{"G", true, 1}}, 1, 1)};
    ASSERT_TRUE(turns.add(1, local).ok());
    ASSERT_TRUE(turns.add(2, global).ok());
    const auto granted = [&](ResourceTurns::ModelId model) {
        int count = 0;
        turns.park({model, 0});
        turns.park({model, 1});
        for (turns.want(model); turns.next(); turns.want(model)) {
            ++count;
        }
        return count;
    };
    EXPECT_EQ(granted(1), 2);
    EXPECT_EQ(granted(2), 1);
}

TEST(ResourceTurnsTest, counts_that_are_given_hold_for_their_device_or_for_all) {
    ResourceTurns turns({{"R1", 5, std::nullopt}, {"R1", 7, 1}, {"G", 4, 9}});
    const std::vector<InstanceNeeds> all = {needs({{"R1", false, 1}, {"G", true, 2}}, 1, 0),
                                            needs({{"R1", false, 1}}, 1, 1)};
    ASSERT_TRUE(turns.add(1, all).ok());
    std::map<std::optional<int32_t>, uint64_t> counts;
    for (const ResourceTurns::Use& use : turns.uses()) {
        counts[use.name == "G" ? std::nullopt : use.device] = use.count;
    }
    EXPECT_EQ(counts.at(0), 5u);
    EXPECT_EQ(counts.at(1), 7u);
    EXPECT_EQ(counts.at(std::nullopt), 4u);
}

TEST(ResourceTurnsTest, a_model_that_could_never_run_is_refused_with_the_text_of_triton) {
    ResourceTurns turns({{"R1", 3, std::nullopt}});
    const InstanceNeeds four = needs({{"R1", false, 4}});
    EXPECT_EQ(turns.add(1, {{four}}),
              invalid_arg("Resource count for \"R1\" is limited to 3 which will prevent scheduling "
                          "of one or more model instances, the minimum required count is 4"));
    EXPECT_TRUE(turns.uses().empty());
    const std::vector<InstanceNeeds> mixed = {needs({{"R2", false, 1}}), needs({{"R2", true, 1}})};
    EXPECT_EQ(turns.add(1, mixed),
              invalid_arg("Resource \"R2\" is present as both global and device-specific resource "
                          "in the model configuration."));
    EXPECT_TRUE(turns.uses().empty());
}

TEST(ResourceTurnsTest, who_needs_much_is_not_passed_by_those_who_need_little) {
    ResourceTurns turns({{"R1", 2, std::nullopt}});
    const InstanceNeeds one = needs({{"R1", false, 1}});
    const InstanceNeeds two = needs({{"R1", false, 2}});
    const InstanceNeeds other = needs({{"R2", false, 1}}, 9);
    const std::vector<InstanceNeeds> small = {one, one};
    ASSERT_TRUE(turns.add(1, small).ok());
    ASSERT_TRUE(turns.add(2, {{two}}).ok());
    ASSERT_TRUE(turns.add(3, {{other}}).ok());
    turns.park({1, 0});
    turns.want(1);
    ASSERT_EQ(turns.next(), (Instance{1, 0}));
    turns.park({2, 0});
    turns.want(2);
    EXPECT_EQ(turns.next(), std::nullopt);
    turns.done({1, 0}, true);
    turns.park({1, 0});
    turns.want(1);
    turns.park({3, 0});
    turns.want(3);
    EXPECT_EQ(turns.next(), (Instance{2, 0}));
    EXPECT_EQ(turns.next(), (Instance{3, 0})) << "it is nobody's rival";
    EXPECT_EQ(turns.next(), std::nullopt);
}

TEST(ResourceTurnsTest, nobody_saves_up_turns_while_it_has_nothing_to_do) {
    ResourceTurns turns({});
    const InstanceNeeds one = needs({{"R1", false, 1}});
    ASSERT_TRUE(turns.add(1, {{one}}).ok());
    ASSERT_TRUE(turns.add(2, {{one}}).ok());
    turns.park({2, 0});
    share_out(turns, {{1, 0}}, 100);
    turns.leave({1, 0});
    turns.leave({2, 0});
    const auto ran = share_out(turns, {{1, 0}, {2, 0}}, 100);
    EXPECT_NEAR(ran.at({1, 0}), 50, 1);
}

TEST(ResourceTurnsTest, a_look_that_found_nothing_costs_no_turn) {
    ResourceTurns turns({});
    const InstanceNeeds one = needs({{"R1", false, 1}});
    ASSERT_TRUE(turns.add(1, {{one}}).ok());
    turns.park({1, 0});
    EXPECT_EQ(turns.next(), std::nullopt) << "its model has no work";
    turns.want(1);
    ASSERT_EQ(turns.next(), (Instance{1, 0}));
    turns.done({1, 0}, false);
    EXPECT_EQ(turns.passed({1, 0}), 0u);
    turns.park({1, 0});
    EXPECT_EQ(turns.next(), std::nullopt) << "the look was had";
}

TEST(ResourceTurnsTest, instances_come_behind_the_others_and_what_leaves_needs_nothing) {
    ResourceTurns turns({{"R1", 2, std::nullopt}});
    const InstanceNeeds one = needs({{"R1", false, 1}});
    const InstanceNeeds two = needs({{"R1", false, 2}});
    const InstanceNeeds three = needs({{"R1", false, 3}});
    ASSERT_TRUE(turns.add(1, {{one}}).ok());
    EXPECT_EQ(turns.grow(1, {{three}}).code(), StatusCode::kInvalidArg);
    const InstanceNeeds free = needs({{"R2", false, 4}});
    const std::vector<InstanceNeeds> more = {two, free};
    ASSERT_TRUE(turns.grow(1, more).ok());
    EXPECT_EQ(turns.uses().size(), 2u);
    const auto ran = share_out(turns, {{1, 0}, {1, 1}}, 100);
    EXPECT_NEAR(ran.at({1, 1}), 50, 1);
    turns.retire({1, 2});
    ASSERT_EQ(turns.uses().size(), 1u);
    EXPECT_EQ(turns.uses()[0].name, "R1");
}

}  // namespace
}  // namespace tritonpy
