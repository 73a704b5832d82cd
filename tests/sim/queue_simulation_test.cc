// Goal: whatever requests a queue with policies lives through, each is answered once, in the order
// and at the time that its policy says.
// Method: seeded lives of one scheduler, in which requests of any priority and timeout arrive, are
// cancelled and time out, instances take and complete batches in the middle of each other, some
// of which fail, and the model is unloaded; beside a plain list that knows what must come of each.
// TRITONPY_SIM_SEEDS and TRITONPY_SIM_FIRST_SEED are those of simulation_test.cc.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "scheduler/batcher_stepper.h"
#include "scheduler/policy_batcher.h"
#include "seeds.h"
#include "simulated_version.h"

namespace tritonpy {
namespace {

constexpr uint64_t kManyLevels = uint64_t{1} << 50;

QueuePolicy random_policy(Dice& dice, bool may_delay) {
    QueuePolicy policy;
    policy.max_queue_size = static_cast<uint32_t>(dice.roll(0, 6));
    policy.default_timeout_us = dice.one_in(3) ? 0 : dice.roll(1, 200);
    policy.allow_timeout_override = dice.one_in(2);
    policy.timeout_action = may_delay && dice.one_in(2) ? QueuePolicy::TimeoutAction::kDelay
                                                        : QueuePolicy::TimeoutAction::kReject;
    return policy;
}

BatcherConfig random_config(Dice& dice) {
    BatcherConfig config = default_config();
    if (!dice.one_in(4)) {
        config = dynamic_config({dice.roll(1, 3), dice.roll(3, 8)},
                                dice.one_in(2) ? 0 : dice.roll(1, 150));
    }
    config.uniform_requests = true;
    config.preserve_ordering = dice.one_in(3);
    QueuePolicies& queue = config.queue;
    queue.default_policy = random_policy(dice, !config.preserve_ordering);
    if (!config.preserve_ordering && !dice.one_in(3)) {
        const int64_t low_levels = dice.roll(1, 5);
        queue.priority_levels =
            dice.one_in(4) ? kManyLevels : static_cast<uint64_t>(low_levels);
        queue.default_priority_level = static_cast<uint64_t>(dice.roll(1, low_levels));
        for (uint64_t level = 1; level <= static_cast<uint64_t>(low_levels); ++level) {
            if (dice.one_in(3)) {
                queue.policy_of_level[level] = random_policy(dice, true);
            }
        }
    }
    return config;
}

// What the list knows of a request that waits.
struct Waiting {
    uint64_t tag;
    uint64_t level;
    bool delayed;
    uint64_t number;
    int64_t start_ns;
    int64_t expires_ns;  // kNever once delayed
    int64_t rows;
    std::shared_ptr<Cancellation> cancellation;

    auto place() const { return std::tie(level, delayed, number); }
};

// One scheduler from its first request to its unloading.
class QueueLife {
  public:
    explicit QueueLife(uint64_t seed)
        : dice_(seed),
          config_(random_config(dice_)),
          step_(config_),
          running_(static_cast<size_t>(dice_.roll(1, 3))) {}

    void run() {
        for (int64_t steps = dice_.roll(10, 150); steps > 0; --steps) {
            live();
            ASSERT_EQ(step_.scheduler->queued(), waiting_.size());
            if (testing::Test::HasFailure()) {
                return;
            }
        }
        step_.scheduler->stop();
        stopped_ = true;
        send();
        for (size_t pulls = waiting_.size() + 1; pulls > 0; --pulls) {
            pull(running_.back());
            complete(running_.back());
        }
        for (Batch& batch : running_) {
            complete(batch);
        }
        EXPECT_EQ(step_.pull(now_ns_).kind, Pull::Kind::kStopped);
        EXPECT_EQ(step_.scheduler->try_expire(now_ns_, step_.dropped).kind, Pull::Kind::kStopped);
        EXPECT_TRUE(waiting_.empty());
        check_answers();
    }

    uint64_t taken() const { return taken_.size(); }

  private:
    void live() {
        Batch& instance = running_[static_cast<size_t>(
            dice_.roll(0, static_cast<int64_t>(running_.size()) - 1))];
        const int64_t choice = dice_.roll(1, 20);
        if (choice <= 9) {
            send();
        } else if (choice <= 13) {
            pull(instance);
        } else if (choice <= 16) {
            complete(instance);
        } else if (choice <= 17) {
            watch();
        } else if (choice <= 18) {
            cancel();
        } else {
            now_ns_ += dice_.one_in(20) ? WatchTimes::kCancelLookNs : dice_.roll(0, 80) * kUs;
        }
    }

    void send() {
        auto request = make_rows_request(dice_.roll(1, 3), &step_.sink, next_tag_++);
        request->priority = static_cast<uint64_t>(dice_.roll(0, 7));
        if (dice_.one_in(10)) {
            request->priority = kManyLevels - static_cast<uint64_t>(dice_.roll(0, 1));
        }
        request->timeout_us = dice_.one_in(2) ? 0 : static_cast<uint64_t>(dice_.roll(1, 300));
        request->cancellation = std::make_shared<Cancellation>();
        const QueuePolicies& queue = config_.queue;
        const uint64_t level =
            queue.priority_levels == 0 ? 0
            : request->priority >= 1 && request->priority <= queue.priority_levels
                ? request->priority
                : queue.default_priority_level;
        const auto own = queue.policy_of_level.find(level);
        const QueuePolicy& policy =
            own == queue.policy_of_level.end() ? queue.default_policy : own->second;
        int64_t timeout_us = policy.default_timeout_us;
        if (policy.allow_timeout_override && request->timeout_us != 0) {
            timeout_us = std::min(timeout_us, static_cast<int64_t>(request->timeout_us));
        }
        Waiting entry{request->tag, level, false, next_number_++, now_ns_,
                      timeout_us == 0 ? kNever : now_ns_ + timeout_us * kUs, request->rows,
                      request->cancellation};
        const auto at_level = std::ranges::count(waiting_, level, &Waiting::level);
        const bool full = policy.max_queue_size != 0 && at_level >= policy.max_queue_size;
        const bool held = config_.preserve_ordering && held_answers() >= queue_size_of(policy);
        const Status expected =
            stopped_ ? unavailable("[request id: <id_unknown>] Server is stopping, scheduler for "
                                   "model has stopped accepting new inference requests")
            : full || held ? unavailable("[request id: <id_unknown>] Exceeds maximum queue size")
                           : Status();
        EXPECT_EQ(step_.scheduler->enqueue(request, now_ns_), expected);
        EXPECT_EQ(request == nullptr, expected.ok());
        if (expected.ok()) {
            taken_.push_back(entry.tag);
            waiting_.push_back(std::move(entry));
        }
    }

    // Requests whose answer is held back for their order.
    size_t held_answers() const { return finals_ - step_.sink.tags().size(); }

    void cancel() {
        if (!waiting_.empty()) {
            const int64_t last = static_cast<int64_t>(waiting_.size()) - 1;
            waiting_[static_cast<size_t>(dice_.roll(0, last))].cancellation->requested = true;
        }
    }

    // Whose time has passed leaves the list or moves in it; returns those that must be rejected.
    std::vector<uint64_t> expire() {
        std::ranges::sort(waiting_, {}, [](const Waiting& one) {
            return std::make_pair(one.expires_ns, one.number);
        });
        std::vector<uint64_t> rejected;
        for (Waiting& one : waiting_) {
            if (one.expires_ns > now_ns_ || one.cancellation->requested) {
                continue;
            }
            if (config_.queue.of_level(one.level).timeout_action ==
                QueuePolicy::TimeoutAction::kReject) {
                rejected.push_back(one.tag);
            } else {
                one.delayed = true;
                one.number = next_number_++;
                one.expires_ns = kNever;
            }
        }
        std::ranges::sort(waiting_, {}, &Waiting::place);
        return rejected;
    }

    // Compares what was dropped with what had to be, and answers it.
    void check_dropped(const std::vector<uint64_t>& rejected) {
        std::vector<uint64_t> late;
        for (DroppedRequest& drop : step_.dropped) {
            if (drop.request->is_cancelled()) {
                EXPECT_EQ(drop.status, cancelled(""));
            } else {
                EXPECT_EQ(drop.status, unavailable("Request timeout expired"));
                late.push_back(drop.request->tag);
            }
            leave(drop.request->tag);
            respond(std::move(drop.request));
        }
        step_.dropped.clear();
        std::ranges::sort(late);
        std::vector<uint64_t> expected = rejected;
        std::ranges::sort(expected);
        EXPECT_EQ(late, expected);
        for (const Waiting& one : waiting_) {
            EXPECT_GT(one.expires_ns, now_ns_) << "request " << one.tag << " waits too long";
        }
    }

    void watch() {
        const std::vector<uint64_t> rejected = expire();
        const Pull watched = step_.scheduler->try_expire(now_ns_, step_.dropped);
        check_dropped(rejected);
        if (config_.queue.are_plain()) {
            EXPECT_EQ(watched.kind, Pull::Kind::kStopped);
            return;
        }
        if (now_ns_ - looked_ns_ >= WatchTimes::kCancelLookNs) {
            looked_ns_ = now_ns_;
            for (const Waiting& one : waiting_) {
                EXPECT_FALSE(one.cancellation->requested) << one.tag << " is gone and waits";
            }
        }
        EXPECT_EQ(watched.kind, waiting_.empty() ? Pull::Kind::kIdle : Pull::Kind::kWait);
        if (watched.kind == Pull::Kind::kWait) {
            EXPECT_EQ(watched.wait_until_ns,
                      std::min(next_timeout_ns(), looked_ns_ + WatchTimes::kCancelLookNs));
        }
    }

    int64_t next_timeout_ns() const {
        int64_t next = kNever;
        for (const Waiting& one : waiting_) {
            next = std::min(next, one.expires_ns);
        }
        return next;
    }

    // An instance that is idle asks for a batch.
    void pull(Batch& instance) {
        if (!instance.requests.empty()) {
            return;
        }
        const std::vector<uint64_t> rejected = expire();
        const Pull pulled =
            step_.scheduler->try_pull(0, now_ns_, instance, step_.dropped);
        check_dropped(rejected);
        if (pulled.kind == Pull::Kind::kBatch) {
            check_batch(instance);
        } else if (pulled.kind == Pull::Kind::kWait) {
            EXPECT_FALSE(stopped_);
            int64_t oldest_ns = kNever;
            for (const Waiting& one : waiting_) {
                oldest_ns = std::min(oldest_ns, one.start_ns);
            }
            const int64_t due_ns = oldest_ns + config_.max_queue_delay_us * kUs;
            EXPECT_EQ(pulled.wait_until_ns, std::min(due_ns, next_timeout_ns()));
            EXPECT_GT(pulled.wait_until_ns, now_ns_);
        } else {
            EXPECT_TRUE(waiting_.empty()) << "an idle instance leaves requests waiting";
            EXPECT_EQ(pulled.kind == Pull::Kind::kStopped, stopped_);
        }
    }

    // What runs is the head of the queue, and nobody in it has gone or is late.
    void check_batch(const Batch& batch) {
        const bool batches = config_.dynamic_batching;
        EXPECT_TRUE(batches || batch.requests.size() == 1);
        EXPECT_TRUE(!batches || batch.rows <= config_.max_batch_size);
        for (const auto& request : batch.requests) {
            EXPECT_FALSE(request->is_cancelled());
            ASSERT_FALSE(waiting_.empty());
            EXPECT_EQ(waiting_.front().tag, request->tag);
            leave(request->tag);
        }
    }

    void complete(Batch& instance) {
        const bool fails = dice_.one_in(5);
        while (!instance.requests.empty()) {  // answered last first
            std::unique_ptr<InferenceRequest> request = std::move(instance.requests.back());
            instance.requests.pop_back();
            for (int64_t early = dice_.roll(0, 2); early > 0 && dice_.one_in(4); --early) {
                auto response = std::make_unique<InferenceResponse>();
                response->final = false;
                response->tag = request->tag;
                said_.push_back(request->tag);
                step_.scheduler->respond(*request, std::move(response));
            }
            respond(std::move(request), fails ? unavailable("the model failed") : Status());
        }
        instance.clear();
    }

    void respond(std::unique_ptr<InferenceRequest> request, Status status = Status()) {
        auto response = std::make_unique<InferenceResponse>();
        response->status = std::move(status);
        response->tag = request->tag;
        response->request = std::move(request);
        said_.push_back(response->tag);
        ++finals_;
        step_.scheduler->deliver(std::move(response));
    }

    void leave(uint64_t tag) {
        const auto found = std::ranges::find(waiting_, tag, &Waiting::tag);
        ASSERT_NE(found, waiting_.end()) << "request " << tag << " came out twice";
        waiting_.erase(found);
    }

    // Everything that was said came, each request's last word once, in order where that is asked.
    void check_answers() {
        std::vector<uint64_t> came;
        std::vector<uint64_t> last_words;
        for (const auto& response : step_.sink.take()) {
            came.push_back(response->tag);
            if (response->final) {
                last_words.push_back(response->tag);
            }
        }
        if (config_.preserve_ordering) {
            EXPECT_TRUE(std::ranges::is_sorted(came));
        }
        std::ranges::sort(came);
        std::ranges::sort(said_);
        EXPECT_EQ(came, said_);
        std::ranges::sort(last_words);
        EXPECT_EQ(last_words, taken_);
    }

    Dice dice_;
    const BatcherConfig config_;
    Stepper step_;
    std::vector<Batch> running_;  // one for each instance
    std::vector<Waiting> waiting_;
    std::vector<uint64_t> taken_;   // tags, in order
    std::vector<uint64_t> said_;    // tags of all responses given to the scheduler
    size_t finals_ = 0;             // of those, the last ones
    uint64_t next_tag_ = 0;
    uint64_t next_number_ = 0;
    int64_t now_ns_ = 0;
    int64_t looked_ns_ = 0;  // when the watch last looked for cancelled requests
    bool stopped_ = false;
};

TEST(QueueSimulation, holds_for_every_seed) {
    const Seeds seeds = seeds_to_run(10'000);
    uint64_t taken = 0;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        QueueLife life(seed);
        life.run();
        ASSERT_FALSE(testing::Test::HasFailure());
        taken += life.taken();
    }
    EXPECT_GT(taken, 10 * seeds.count) << "the simulation hardly did anything";
}

}  // namespace
}  // namespace tritonpy
