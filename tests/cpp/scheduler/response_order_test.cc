// Goal: responses leave in the order of admission whatever order they come in, each once, and a
// slow sink holds nobody else's lock. Method: every permutation of a few responses, seeded
// shuffles of many, then several threads that deliver at once (for the sanitizers to watch).
#include "scheduler/response_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "support/collecting_sink.h"

namespace tritonpy {
namespace {

using Responses = std::vector<std::unique_ptr<InferenceResponse>>;

// `count` responses to requests that were admitted with tags 0, 1, 2...
Responses admit(ResponseOrder& order, ResponseSink& sink, uint64_t count) {
    Responses responses;
    for (uint64_t tag = 0; tag < count; ++tag) {
        auto request = std::make_unique<InferenceRequest>();
        request->sink = &sink;
        request->tag = tag;
        order.admit(*request);
        responses.push_back(std::make_unique<InferenceResponse>());
        responses.back()->request = std::move(request);
    }
    return responses;
}

void deliver_to(ResponseOrder& order, std::unique_ptr<InferenceResponse> response) {
    const InferenceRequest& request = *response->request;
    order.deliver(request, std::move(response));
}

std::vector<uint64_t> counting_up(uint64_t count) {
    std::vector<uint64_t> numbers(count);
    std::iota(numbers.begin(), numbers.end(), uint64_t{0});
    return numbers;
}

TEST(ResponseOrder, every_permutation_comes_out_in_order_and_as_early_as_it_can) {
    std::vector<uint64_t> arrival = counting_up(5);
    do {
        CollectingSink sink;
        ResponseOrder order;
        Responses responses = admit(order, sink, arrival.size());
        std::vector<bool> arrived(arrival.size(), false);
        for (uint64_t index : arrival) {
            deliver_to(order, std::move(responses[index]));
            arrived[index] = true;
            const auto missing = std::find(arrived.begin(), arrived.end(), false);
            ASSERT_EQ(sink.tags(),
                      counting_up(static_cast<uint64_t>(missing - arrived.begin())));
        }
    } while (std::next_permutation(arrival.begin(), arrival.end()));
}

TEST(ResponseOrder, window_slides_and_grows_over_many_requests) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        CollectingSink sink;
        ResponseOrder order;
        constexpr uint64_t kCount = 500;
        Responses responses = admit(order, sink, kCount);
        std::vector<uint64_t> arrival = counting_up(kCount);
        const size_t window = 1 + random() % 100;
        for (size_t start = 0; start < kCount; start += window) {
            std::shuffle(arrival.begin() + static_cast<ptrdiff_t>(start),
                         arrival.begin() + static_cast<ptrdiff_t>(std::min(start + window, kCount)),
                         random);
        }
        for (uint64_t index : arrival) {
            deliver_to(order, std::move(responses[index]));
        }
        EXPECT_EQ(sink.tags(), counting_up(kCount));
    }
}

// A sink inside which another thread delivers: with a lock held around sinks this would hang.
class DeliveringSink final : public ResponseSink {
  public:
    DeliveringSink(ResponseOrder& order, std::unique_ptr<InferenceResponse> other)
        : order_(order), other_(std::move(other)) {}
    void deliver(std::unique_ptr<InferenceResponse>) override {
        std::thread([this] { deliver_to(order_, std::move(other_)); }).join();
    }

  private:
    ResponseOrder& order_;
    std::unique_ptr<InferenceResponse> other_;
};

TEST(ResponseOrder, sinks_are_called_without_a_lock_and_what_came_meanwhile_follows) {
    CollectingSink collecting;
    ResponseOrder order;
    Responses responses = admit(order, collecting, 3);
    DeliveringSink delivering(order, std::move(responses[1]));
    responses[0]->request->sink = &delivering;
    deliver_to(order, std::move(responses[0]));
    EXPECT_EQ(collecting.tags(), (std::vector<uint64_t>{1}));
    deliver_to(order, std::move(responses[2]));
    EXPECT_EQ(collecting.tags(), (std::vector<uint64_t>{1, 2}));
}

TEST(ResponseOrder, several_threads_deliver_everything_once_and_in_order) {
    constexpr uint64_t kCount = 8'000;
    constexpr size_t kThreads = 4;
    CollectingSink sink;
    ResponseOrder order;
    Responses responses = admit(order, sink, kCount);
    std::atomic<size_t> next{0};
    std::vector<std::thread> threads;
    for (size_t i = 0; i < kThreads; ++i) {
        threads.emplace_back([&] {
            for (;;) {
                const size_t index = next.fetch_add(1);
                if (index >= kCount) {
                    return;
                }
                deliver_to(order, std::move(responses[index]));
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(sink.tags(), counting_up(kCount));
}

// A response before the last one, named by `tag` alone.
std::unique_ptr<InferenceResponse> make_early(uint64_t tag) {
    auto response = std::make_unique<InferenceResponse>();
    response->final = false;
    response->tag = tag;
    return response;
}

// The tags of what came, in order; those of final responses are their requests'.
std::vector<uint64_t> tags_of(CollectingSink& sink) {
    std::vector<uint64_t> tags;
    for (const auto& response : sink.take()) {
        tags.push_back(response->final ? response->request->tag : response->tag);
    }
    return tags;
}

TEST(ResponseOrder, all_responses_of_a_request_come_before_any_of_the_next) {
    CollectingSink sink;
    ResponseOrder order;
    Responses finals = admit(order, sink, 3);
    const auto respond = [&](uint64_t index, uint64_t tag) {
        order.deliver(*finals[index]->request, make_early(tag));
    };
    using Tags = std::vector<uint64_t>;
    respond(1, 11);
    EXPECT_EQ(tags_of(sink), Tags{});
    respond(0, 10);  // its turn: at once
    EXPECT_EQ(tags_of(sink), (Tags{10}));
    respond(1, 12);
    respond(2, 13);
    EXPECT_EQ(order.held(), 0u);
    deliver_to(order, std::move(finals[2]));
    EXPECT_EQ(order.held(), 1u);
    EXPECT_EQ(tags_of(sink), Tags{});
    deliver_to(order, std::move(finals[0]));  // from now on it is the second one's turn
    EXPECT_EQ(tags_of(sink), (Tags{0, 11, 12}));
    respond(1, 14);
    EXPECT_EQ(tags_of(sink), (Tags{14}));
    deliver_to(order, std::move(finals[1]));
    EXPECT_EQ(tags_of(sink), (Tags{1, 13, 2}));
    EXPECT_EQ(order.held(), 0u);
}

TEST(ResponseOrder, random_streams_of_many_requests_come_out_in_order) {
    for (uint64_t seed = 0; seed < 200; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        CollectingSink sink;
        ResponseOrder order;
        constexpr uint64_t kCount = 40;
        Responses finals = admit(order, sink, kCount);
        std::vector<uint64_t> open = counting_up(kCount);
        std::vector<uint64_t> said(kCount, 0);
        while (!open.empty()) {
            const size_t at = random() % std::min<size_t>(open.size(), 6);
            const uint64_t index = open[at];
            if (random() % 3 != 0) {
                order.deliver(*finals[index]->request, make_early(index * 100 + ++said[index]));
                continue;
            }
            deliver_to(order, std::move(finals[index]));
            open.erase(open.begin() + static_cast<ptrdiff_t>(at));
        }
        std::vector<uint64_t> expected;
        for (uint64_t index = 0; index < kCount; ++index) {
            for (uint64_t n = 1; n <= said[index]; ++n) {
                expected.push_back(index * 100 + n);
            }
            expected.push_back(index);
        }
        EXPECT_EQ(tags_of(sink), expected);
    }
}

}  // namespace
}  // namespace tritonpy
