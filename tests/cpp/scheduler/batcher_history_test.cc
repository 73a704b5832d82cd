// Goal: whatever a scheduler lives through, it keeps order, limits and every request.
// Method: seeded random histories of enqueue, cancel, pull and stop, beside a plain model of the
// queue.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/batcher_stepper.h"

namespace tritonpy {
namespace {

// A random life of one scheduler, beside a plain model: which tags wait, in order.
class History {
  public:
    explicit History(uint64_t seed) : random_(seed), step_(random_config()) {}

    void run() {
        for (int64_t steps = pick(10, 120); steps > 0; --steps) {
            now_ns_ += pick(0, 30) * kUs;
            switch (pick(0, 9)) {
                case 0:
                    cancel_one();
                    break;
                case 1:
                case 2:
                case 3:
                    pull();
                    break;
                default:
                    enqueue();
            }
            ASSERT_EQ(step_.scheduler->queued(), waiting_.size());
        }
        step_.scheduler->stop();
        is_stopped_ = true;
        enqueue();
        for (size_t pulls = waiting_.size() + 1; pulls > 0; --pulls) {
            pull();
        }
        EXPECT_EQ(step_.pull(now_ns_).kind, Pull::Kind::kStopped);
        EXPECT_TRUE(waiting_.empty());
        EXPECT_EQ(step_.sink.size(), accepted_);
        if (config_.preserve_ordering) {
            const std::vector<uint64_t> answered = step_.sink.tags();
            EXPECT_TRUE(std::is_sorted(answered.begin(), answered.end()));
        }
    }

  private:
    struct Waiting {
        uint64_t tag;
        std::shared_ptr<Cancellation> cancellation;
    };

    int64_t pick(int64_t low, int64_t high) {
        return std::uniform_int_distribution<int64_t>(low, high)(random_);
    }

    BatcherConfig random_config() {
        config_ = pick(0, 3) == 0 ? default_config()
                                  : dynamic_config({pick(1, 3), pick(3, 8)}, pick(0, 2) * 50);
        config_.queue.default_policy.max_queue_size = static_cast<uint32_t>(pick(1, 30));
        config_.preserve_ordering = pick(0, 1) == 0;
        config_.uniform_requests = pick(0, 1) == 0;
        return config_;
    }

    void enqueue() {
        const uint64_t tag = next_tag_++;
        const int64_t width = config_.uniform_requests ? 1 : 1 + pick(0, 5) / 5;
        const int64_t rows = pick(1, 4);
        std::vector<Tensor> inputs;
        inputs.push_back(make_tensor<float>(
            "INPUT0", {rows, width}, std::vector<float>(static_cast<size_t>(rows * width))));
        std::unique_ptr<InferenceRequest> request = make_request(std::move(inputs));
        request->sink = &step_.sink;
        request->tag = tag;
        auto cancellation = std::make_shared<Cancellation>();
        request->cancellation = cancellation;
        const bool fits =
            !is_stopped_ && waiting_.size() < config_.queue.default_policy.max_queue_size;
        ASSERT_EQ(step_.scheduler->enqueue(request, now_ns_).ok(), fits);
        ASSERT_EQ(request == nullptr, fits);
        if (fits) {
            waiting_.push_back({tag, std::move(cancellation)});
            ++accepted_;
        }
    }

    void cancel_one() {
        if (!waiting_.empty()) {
            const int64_t index = pick(0, static_cast<int64_t>(waiting_.size()) - 1);
            waiting_[static_cast<size_t>(index)].cancellation->requested = true;
        }
    }

    void pull() {
        const Pull pulled = step_.pull(now_ns_);
        if (pulled.kind == Pull::Kind::kWait) {
            EXPECT_GT(pulled.wait_until_ns, now_ns_);
            EXPECT_LE(pulled.wait_until_ns, now_ns_ + config_.max_queue_delay_us * kUs);
        }
        for (DroppedRequest& drop : step_.dropped) {
            EXPECT_TRUE(drop.request->is_cancelled());
            remove(drop.request->tag);
            step_.scheduler->deliver(answer(std::move(drop.request)));
        }
        step_.dropped.clear();
        if (config_.dynamic_batching) {
            EXPECT_LE(step_.batch.rows, config_.max_batch_size);
        } else {
            EXPECT_LE(step_.batch.requests.size(), 1u);
        }
        // What runs is the head of the queue, and no two requests of it differ in shape.
        for (size_t i = 0; i < step_.batch.requests.size(); ++i) {
            const InferenceRequest& request = *step_.batch.requests[i];
            EXPECT_FALSE(request.is_cancelled());
            EXPECT_TRUE(may_share_batch(*step_.batch.requests[0], request));
            ASSERT_FALSE(waiting_.empty());
            EXPECT_EQ(waiting_.front().tag, request.tag);
            remove(request.tag);
        }
        while (!step_.batch.requests.empty()) {  // answered last first
            std::unique_ptr<InferenceRequest> request = std::move(step_.batch.requests.back());
            step_.batch.requests.pop_back();
            step_.scheduler->deliver(answer(std::move(request)));
        }
    }

    void remove(uint64_t tag) {
        const auto found = std::ranges::find(waiting_, tag, &Waiting::tag);
        ASSERT_NE(found, waiting_.end()) << "tag " << tag << " came out twice";
        waiting_.erase(found);
    }

    std::mt19937_64 random_;
    BatcherConfig config_;
    Stepper step_;
    std::vector<Waiting> waiting_;
    uint64_t next_tag_ = 0;
    size_t accepted_ = 0;
    int64_t now_ns_ = 0;
    bool is_stopped_ = false;
};

TEST(BatcherHistory, random_histories_keep_order_limits_and_every_request) {
    for (uint64_t seed = 0; seed < 2'000; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        History history(seed);
        history.run();
        ASSERT_FALSE(testing::Test::HasFailure());
    }
}

}  // namespace
}  // namespace tritonpy
