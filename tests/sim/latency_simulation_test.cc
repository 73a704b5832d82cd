// Goal: a model with a latency objective answers each request once, whatever happens: in time, or
// with a refusal.
// Method: many seeded lives of one scheduler with one to three instances. Requests arrive at random
// (some with timeouts of their own) at half to twice of what the model can serve; batches take what
// their size costs, give or take, and some fail; clients leave; the model is unloaded. Time goes
// from event to event. A plain list knows what waits.
// TRITONPY_SIM_SEEDS and TRITONPY_SIM_FIRST_SEED are those of simulation_test.cc.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/batcher_stepper.h"
#include "scheduler/latency_batcher.h"
#include "seeds.h"
#include "simulated_version.h"

namespace tritonpy {
namespace {

constexpr int64_t kMaxRequestRows = 3;

BatcherConfig random_config(Dice& dice) {
    BatcherConfig config = dice.one_in(5) ? default_config() : dynamic_config();
    config.max_batch_size = dice.roll(kMaxRequestRows, 16);
    config.uniform_requests = dice.one_in(2);
    config.instance_count = static_cast<size_t>(dice.roll(1, 3));
    config.latency_objective_us = dice.roll(5'000, 50'000);
    if (dice.one_in(4)) {
        config.queue.default_policy.max_queue_size = static_cast<uint32_t>(dice.roll(1, 20));
    }
    return config;
}

// How it went, over all lives.
struct Tally {
    uint64_t taken = 0;
    uint64_t in_time = 0;
    uint64_t late = 0;  // or with one that was; without those that ran before a cost was known
    uint64_t refused = 0;
    uint64_t given_up = 0;
    uint64_t cancelled = 0;
};

// One scheduler from its first request to its unloading.
class LatencyLife {
  public:
    LatencyLife(uint64_t seed, Tally& tally)
        : dice_(seed),
          tally_(tally),
          config_(random_config(dice_)),
          step_(config_),
          running_(config_.instance_count) {
        const int64_t batch_ns = config_.latency_objective_us * kUs / dice_.roll(2, 8);
        fixed_ns_ = batch_ns * dice_.roll(0, 9) / 10;
        row_ns_ = (batch_ns - fixed_ns_) / config_.max_batch_size;
        const int64_t rows = config_.dynamic_batching ? config_.max_batch_size : 1;
        const int64_t request_ns = cost_ns(rows) * (1 + kMaxRequestRows) / 2 / rows;
        gap_ns_ = request_ns * 10 / dice_.roll(5, 20) /
                  static_cast<int64_t>(config_.instance_count);
    }

    void run() {
        int64_t left = dice_.roll(50, 300);
        int64_t next_ns = 0;
        while (left > 0 && !testing::Test::HasFailure()) {
            const int64_t event_ns = std::min(next_ns, next_event_ns());
            go_to(event_ns);
            if (event_ns == next_ns) {
                send();
                --left;
                next_ns += arrival_gap_ns();
            }
            live();
        }
        unload();
    }

  private:
    struct Waiting {
        uint64_t tag;
        int64_t deadline_ns;
        std::shared_ptr<Cancellation> cancellation;
    };
    struct Instance {
        Batch batch;
        int64_t done_ns = kNever;
        int64_t deadline_ns = 0;
        bool is_planned = false;
    };

    int64_t cost_ns(int64_t rows) const { return fixed_ns_ + rows * row_ns_; }

    int64_t arrival_gap_ns() {
        const double chance = static_cast<double>(dice_.roll(1, 1'000'000)) / 1e6;
        return static_cast<int64_t>(-std::log(chance) * static_cast<double>(gap_ns_));
    }

    int64_t next_event_ns() const {
        int64_t next = watch_ns_;
        for (const Instance& instance : running_) {
            next = std::min(next, instance.done_ns);
        }
        return next;
    }

    void go_to(int64_t time_ns) {
        now_ns_ = std::max(now_ns_, time_ns);
        step_.clock.advance_ns(now_ns_ - step_.clock.now_ns());
    }

    // What is due at this time.
    void live() {
        for (Instance& instance : running_) {
            if (instance.done_ns <= now_ns_) {
                complete(instance);
            }
        }
        if (dice_.one_in(20) && !waiting_.empty()) {
            const int64_t last = static_cast<int64_t>(waiting_.size()) - 1;
            waiting_[static_cast<size_t>(dice_.roll(0, last))].cancellation->requested = true;
        }
        for (Instance& instance : running_) {
            if (instance.batch.requests.empty()) {
                pull(instance);
            }
        }
        if (watch_ns_ <= now_ns_ && dice_.one_in(3)) {
            watch_ns_ = now_ns_ + dice_.roll(1, config_.latency_objective_us) * kUs;  // overslept
        } else if (watch_ns_ <= now_ns_) {
            watch();
        }
        ASSERT_EQ(step_.scheduler->queued(), waiting_.size());
    }

    void send() {
        auto request = make_rows_request(dice_.roll(1, kMaxRequestRows), &step_.sink, next_tag_++);
        request->cancellation = std::make_shared<Cancellation>();
        int64_t time_us = config_.latency_objective_us;
        if (dice_.one_in(4)) {
            request->timeout_us = static_cast<uint64_t>(dice_.roll(1, 2 * time_us));
            time_us = std::min(time_us, static_cast<int64_t>(request->timeout_us));
        }
        const Waiting entry{request->tag, now_ns_ + time_us * kUs, request->cancellation};
        const size_t limit = queue_size_of(config_.queue.default_policy);
        const Status status = step_.scheduler->enqueue(request, now_ns_);
        EXPECT_EQ(status.ok(), request == nullptr);
        if (waiting_.size() == limit) {
            EXPECT_EQ(status, unavailable("[request id: <id_unknown>] Exceeds maximum queue size"));
        } else if (!status.ok()) {
            EXPECT_TRUE(has_executed_) << "refused before anything was known";
            check_late(status, time_us);
            ++tally_.refused;
        }
        if (status.ok()) {
            const auto later = [](int64_t deadline_ns, const Waiting& one) {
                return deadline_ns < one.deadline_ns;
            };
            waiting_.insert(std::upper_bound(waiting_.begin(), waiting_.end(), entry.deadline_ns,
                                             later),
                            entry);
            taken_.push_back(entry.tag);
            watch_ns_ = std::min(watch_ns_, now_ns_);  // it looks for itself
        }
    }

    void check_late(const Status& status, int64_t time_us) const {
        EXPECT_EQ(status, unavailable("[request id: <id_unknown>] Cannot be answered within " +
                                      std::to_string(time_us) + " microseconds, " +
                                      (time_us < config_.latency_objective_us
                                           ? "its timeout"
                                           : "the latency objective of the model")));
    }

    void pull(Instance& instance) {
        const size_t index = static_cast<size_t>(&instance - running_.data());
        const Pull pulled =
            step_.scheduler->try_pull(index, now_ns_, instance.batch, step_.dropped);
        check_dropped();
        if (pulled.kind != Pull::Kind::kBatch) {
            EXPECT_TRUE(waiting_.empty()) << "an idle instance leaves requests waiting";
            EXPECT_EQ(pulled.kind, stopped_ ? Pull::Kind::kStopped : Pull::Kind::kIdle);
            return;
        }
        EXPECT_TRUE(instance.batch.requests.size() == 1 ||
                    (config_.dynamic_batching && instance.batch.rows <= config_.max_batch_size));
        instance.deadline_ns = waiting_.front().deadline_ns;
        instance.is_planned = has_executed_;
        for (const auto& request : instance.batch.requests) {
            ASSERT_FALSE(waiting_.empty());
            EXPECT_EQ(waiting_.front().tag, request->tag) << "not the earliest deadline";
            EXPECT_GE(waiting_.front().deadline_ns, now_ns_) << "runs past its deadline";
            EXPECT_FALSE(request->is_cancelled());
            waiting_.erase(waiting_.begin());
        }
        instance.done_ns = now_ns_ + cost_ns(instance.batch.rows) * dice_.roll(85, 120) / 100;
    }

    void watch() {
        const Pull watched = step_.scheduler->try_expire(now_ns_, step_.dropped);
        check_dropped();
        watch_ns_ = watched.kind == Pull::Kind::kWait ? watched.wait_until_ns : kNever;
        EXPECT_EQ(watched.kind == Pull::Kind::kWait, !waiting_.empty());
        EXPECT_GT(watch_ns_, now_ns_);
        if (!waiting_.empty()) {
            EXPECT_GE(waiting_.front().deadline_ns, now_ns_) << "waits though it is late";
        }
    }

    void check_dropped() {
        for (DroppedRequest& drop : step_.dropped) {
            const auto found = std::ranges::find(waiting_, drop.request->tag, &Waiting::tag);
            ASSERT_NE(found, waiting_.end()) << "request " << drop.request->tag << " came twice";
            if (drop.status.code() == StatusCode::kCancelled) {
                EXPECT_TRUE(drop.request->is_cancelled());
                ++tally_.cancelled;
            } else {
                const int64_t start_ns = drop.request->trace.queue_start_ns;
                check_late(drop.status, (found->deadline_ns - start_ns) / kUs);
                ++tally_.given_up;
            }
            waiting_.erase(found);
            respond(std::move(drop.request));
        }
        step_.dropped.clear();
    }

    void complete(Instance& instance) {
        if (instance.done_ns > instance.deadline_ns && instance.is_planned) {
            tally_.late += instance.batch.requests.size();
        } else {
            tally_.in_time += instance.batch.requests.size();
        }
        const Status status = dice_.one_in(10) ? unavailable("the model failed") : Status();
        for (auto& request : instance.batch.requests) {
            respond(std::move(request), status);
        }
        instance.batch.clear();
        instance.done_ns = kNever;
        step_.scheduler->executed(static_cast<size_t>(&instance - running_.data()));
        has_executed_ = true;
    }

    void respond(std::unique_ptr<InferenceRequest> request, Status status = Status()) {
        auto response = answer(std::move(request));
        response->status = std::move(status);
        response->tag = response->request->tag;
        step_.scheduler->deliver(std::move(response));
    }

    // What is queued still comes out, and nothing else goes in.
    void unload() {
        step_.scheduler->stop();
        stopped_ = true;
        auto request = make_rows_request(1, &step_.sink, next_tag_);
        EXPECT_EQ(step_.scheduler->enqueue(request, now_ns_),
                  unavailable("[request id: <id_unknown>] Server is stopping, scheduler for model "
                              "has stopped accepting new inference requests"));
        while (next_event_ns() != kNever && !testing::Test::HasFailure()) {
            go_to(next_event_ns());
            live();
        }
        EXPECT_EQ(step_.pull(now_ns_).kind, Pull::Kind::kStopped);
        EXPECT_EQ(step_.scheduler->try_expire(now_ns_, step_.dropped).kind, Pull::Kind::kStopped);
        EXPECT_TRUE(waiting_.empty());
        std::vector<uint64_t> answered = step_.sink.tags();
        std::ranges::sort(answered);
        EXPECT_EQ(answered, taken_);
        tally_.taken += taken_.size();
    }

    Dice dice_;
    Tally& tally_;
    const BatcherConfig config_;
    Stepper step_;
    std::vector<Instance> running_;
    std::vector<Waiting> waiting_;  // by deadline
    std::vector<uint64_t> taken_;   // tags, in order
    int64_t fixed_ns_ = 0;          // what a batch costs, and
    int64_t row_ns_ = 0;            // each of its rows
    int64_t gap_ns_ = 0;            // between two arrivals, on average
    int64_t now_ns_ = 0;
    int64_t watch_ns_ = kNever;  // when the watch looks next
    uint64_t next_tag_ = 0;
    bool has_executed_ = false;
    bool stopped_ = false;
};

TEST(LatencySimulation, holds_for_every_seed) {
    const Seeds seeds = seeds_to_run(10'000);
    Tally tally;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        LatencyLife life(seed, tally);
        life.run();
        ASSERT_FALSE(testing::Test::HasFailure());
    }
    EXPECT_GT(tally.taken, 50 * seeds.count) << "the simulation hardly did anything";
    EXPECT_GT(tally.refused, seeds.count);
    EXPECT_GT(tally.given_up, seeds.count / 10);
    EXPECT_GT(tally.cancelled, seeds.count / 10);
    EXPECT_GT(tally.in_time, (tally.taken + tally.refused) * 7 / 10);
    EXPECT_LT(tally.late, tally.in_time / 1'000) << "of " << tally.in_time;
}

}  // namespace
}  // namespace tritonpy
