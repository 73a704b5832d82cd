// Goal: who is due first is in front, and the queue knows its rows and trials.
// Method: pushes and takes in made-up orders.
#include "scheduler/deadline_queue.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "support/request_builder.h"

namespace tritonpy {
namespace {

void push(DeadlineQueue& queue, uint64_t tag, int64_t deadline_ns, int64_t rows = 1,
          bool is_trial = false) {
    auto request = make_rows_request(rows, nullptr, tag);
    request->cancellation = std::make_shared<Cancellation>();
    queue.push(std::move(request), deadline_ns, is_trial);
}

TEST(DeadlineQueue, hands_out_by_deadline_and_then_as_they_came) {
    DeadlineQueue queue(8);
    const int64_t deadlines[] = {30, 10, 30, 20, 10};
    for (uint64_t tag = 0; tag < std::size(deadlines); ++tag) {
        push(queue, tag, deadlines[tag]);
    }
    EXPECT_EQ(queue.first_deadline_ns(), 10);
    std::vector<uint64_t> tags;
    while (queue.size() > 0) {
        tags.push_back(queue.take_first()->tag);
    }
    EXPECT_EQ(tags, (std::vector<uint64_t>{1, 4, 3, 0, 2}));
}

TEST(DeadlineQueue, counts_rows_that_are_due_no_later) {
    DeadlineQueue queue(8);
    push(queue, 0, 10, 1);
    push(queue, 1, 20, 2);
    push(queue, 2, 30, 4);
    EXPECT_EQ(queue.rows(), 7);
    EXPECT_EQ(queue.rows_until(9), 0);
    EXPECT_EQ(queue.rows_until(20), 3);
    EXPECT_EQ(queue.rows_until(30), 7);
    queue.take_first();
    EXPECT_EQ(queue.rows_until(30), 6);
}

TEST(DeadlineQueue, has_as_many_places_as_it_was_given) {
    DeadlineQueue queue(1);
    EXPECT_TRUE(queue.has_place());
    push(queue, 0, 10);
    EXPECT_FALSE(queue.has_place());
    queue.take_first();
    EXPECT_TRUE(queue.has_place());
}

TEST(DeadlineQueue, knows_whether_a_trial_waits) {
    DeadlineQueue queue(2);
    push(queue, 0, 10, 1, true);
    push(queue, 1, 20);
    EXPECT_TRUE(queue.begin()->second.is_trial);
    EXPECT_TRUE(queue.has_trial());
    queue.take_first();
    EXPECT_FALSE(queue.has_trial());
}

TEST(DeadlineQueue, drops_who_has_gone_wherever_they_wait) {
    DeadlineQueue queue(3);
    for (uint64_t tag = 0; tag < 3; ++tag) {
        push(queue, tag, 10);
    }
    for (auto place = queue.begin(); place != queue.end(); ++place) {
        place->second.request->cancellation->requested = place->second.request->tag != 1;
    }
    std::vector<DroppedRequest> dropped;
    queue.drop_all_cancelled(dropped);
    ASSERT_EQ(dropped.size(), 2u);
    EXPECT_EQ(dropped[0].request->tag, 0u);
    EXPECT_EQ(dropped[1].request->tag, 2u);
    EXPECT_EQ(dropped[1].status, cancelled(""));
    EXPECT_EQ(queue.rows(), 1);
    EXPECT_EQ(queue.take_first()->tag, 1u);
}

}  // namespace
}  // namespace tritonpy
