// Goal: answers of a stream leave in the order of their requests, however they come.
// Method: every order in which five answers can come; places added while others wait.
#include "frontend/stream_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace tritonpy {
namespace {

std::vector<int> take_all(StreamOrder<int>& order) {
    std::vector<int> taken;
    while (auto answer = order.take()) {
        taken.push_back(*answer);
    }
    return taken;
}

TEST(StreamOrder, answers_that_come_in_any_order_leave_in_that_of_their_places) {
    std::vector<int> coming{0, 1, 2, 3, 4};
    do {
        StreamOrder<int> order;
        std::vector<uint64_t> places;
        for (size_t i = 0; i < coming.size(); ++i) {
            places.push_back(order.add());
        }
        std::vector<int> left;
        std::vector<bool> here(coming.size());
        for (int answer : coming) {
            order.put(places[static_cast<size_t>(answer)], answer);
            here[static_cast<size_t>(answer)] = true;
            for (int taken : take_all(order)) {
                left.push_back(taken);
            }
            // As early as may be: everything before the first that is missing.
            auto missing = std::find(here.begin(), here.end(), false);
            EXPECT_EQ(left.size(), static_cast<size_t>(missing - here.begin()));
            EXPECT_EQ(order.open(), coming.size() - left.size());
        }
        EXPECT_EQ(left, (std::vector<int>{0, 1, 2, 3, 4}));
    } while (std::next_permutation(coming.begin(), coming.end()));
}

TEST(StreamOrder, places_may_be_added_while_answers_wait) {
    StreamOrder<int> order;
    EXPECT_FALSE(order.take());
    uint64_t first = order.add();
    uint64_t second = order.add();
    order.put(second, 2);
    uint64_t third = order.add();
    order.put(third, 3);
    EXPECT_FALSE(order.take());
    order.put(first, 1);
    EXPECT_EQ(take_all(order), (std::vector<int>{1, 2, 3}));
    order.put(order.add(), 4);
    EXPECT_EQ(take_all(order), (std::vector<int>{4}));
    EXPECT_EQ(order.open(), 0u);
}

TEST(StreamOrder, answers_that_never_leave_are_freed) {
    auto answer = std::make_shared<int>(1);
    {
        StreamOrder<std::shared_ptr<int>> order;
        order.add();
        order.put(order.add(), answer);
        EXPECT_EQ(answer.use_count(), 2);
    }
    EXPECT_EQ(answer.use_count(), 1);
}

}  // namespace
}  // namespace tritonpy
