// Goal: a model with an objective answers in time or refuses at once, learns from what it runs, and
// whoever sleeps is woken when something is due.
// Method: try_pull, executed and try_expire step by step on a clock that moves by hand; threads for
// what only threads can show.
#include "scheduler/latency_batcher.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "scheduler/batcher_stepper.h"

namespace tritonpy {
namespace {

using Tags = std::vector<uint64_t>;
constexpr int64_t kMs = 1'000'000;

BatcherConfig with_objective(BatcherConfig config, int64_t objective_us = 100'000) {
    config.latency_objective_us = objective_us;
    config.uniform_requests = true;
    return config;
}

Status refusal(const std::string& end) {
    return unavailable("[request id: <id_unknown>] Cannot be answered within " + end);
}
const Status kTooLate = refusal("100000 microseconds, the latency objective of the model");

// A model whose batches take as long as a test says.
class Latency {
  public:
    explicit Latency(const BatcherConfig& config = with_objective(dynamic_config()))
        : step(config) {}

    Status send(uint64_t tag, int64_t rows = 1, uint64_t timeout_us = 0) {
        auto request = make_rows_request(rows, &step.sink, tag);
        request->timeout_us = timeout_us;
        request->cancellation = cancellation;
        return step.enqueue(std::move(request), step.clock.now_ns());
    }
    Tags pull() { return step.pull_tags(step.clock.now_ns()); }
    void finish(int64_t took_ns) {
        step.clock.advance_ns(took_ns);
        step.scheduler->executed(0);
    }
    // A batch of so many rows has taken so long.
    void learn(int64_t rows, int64_t took_ns) {
        ASSERT_TRUE(send(0, rows).ok());
        ASSERT_EQ(pull(), Tags{0});
        finish(took_ns);
    }
    Pull watch() { return step.scheduler->try_expire(step.clock.now_ns(), step.dropped); }

    Stepper step;
    std::shared_ptr<Cancellation> cancellation;
};

TEST(LatencyBatcher, serves_exactly_the_configs_that_ask_for_it) {
    SteadyClock clock;
    const auto has_objective = [&](const BatcherConfig& config) {
        return dynamic_cast<LatencyBatcher*>(make_scheduler(config, clock).get()) != nullptr;
    };
    EXPECT_TRUE(has_objective(with_objective(dynamic_config())));
    EXPECT_TRUE(has_objective(with_objective(default_config())));
    EXPECT_FALSE(has_objective(dynamic_config()));
}

TEST(LatencyBatcher, first_request_runs_alone_and_the_next_batch_takes_the_rest) {
    Latency model;
    for (uint64_t tag = 1; tag <= 4; ++tag) {
        ASSERT_TRUE(model.send(tag).ok());
    }
    EXPECT_EQ(model.pull(), Tags{1});
    EXPECT_EQ(model.step.scheduler->queued(), 3u);
    model.finish(10 * kMs);
    EXPECT_EQ(model.pull(), (Tags{2, 3, 4}));
    EXPECT_EQ(model.step.pull().kind, Pull::Kind::kIdle);
}

TEST(LatencyBatcher, without_batching_each_runs_alone_by_deadline) {
    Latency model(with_objective(default_config()));
    model.learn(1, 10 * kMs);
    ASSERT_TRUE(model.send(1).ok());
    ASSERT_TRUE(model.send(2, 1, 50'000).ok());
    EXPECT_EQ(model.pull(), Tags{2});
    EXPECT_EQ(model.pull(), Tags{1});
}

TEST(LatencyBatcher, shorter_timeout_goes_first_and_a_longer_one_gains_nothing) {
    Latency model;
    model.learn(1, 2 * kMs);
    ASSERT_TRUE(model.send(1, 1, 1'000'000).ok());
    ASSERT_TRUE(model.send(2).ok());
    ASSERT_TRUE(model.send(3, 1, 50'000).ok());
    EXPECT_EQ(model.pull(), (Tags{3, 1, 2}));
}

TEST(LatencyBatcher, request_that_cannot_be_in_time_is_refused_on_arrival) {
    Latency model;
    model.learn(1, 20 * kMs);
    EXPECT_EQ(model.send(1, 1, 29'000), refusal("29000 microseconds, its timeout"));
    ASSERT_TRUE(model.send(2, 1, 31'000).ok());
    EXPECT_EQ(model.pull(), Tags{2});
    // Each takes 30 ms at most, and the instance is busy for that long.
    EXPECT_TRUE(model.send(3).ok());
    EXPECT_TRUE(model.send(4).ok());
    EXPECT_EQ(model.send(5), kTooLate);
    EXPECT_EQ(model.step.scheduler->queued(), 2u);
}

TEST(LatencyBatcher, every_instance_counts) {
    BatcherConfig config = with_objective(dynamic_config());
    config.instance_count = 2;
    Latency model(config);
    model.learn(1, 20 * kMs);
    Batch other;
    ASSERT_TRUE(model.send(1).ok());
    ASSERT_EQ(model.step.scheduler->try_pull(1, model.step.clock.now_ns(), other,
                                             model.step.dropped).kind,
              Pull::Kind::kBatch);
    ASSERT_TRUE(model.send(2).ok());
    EXPECT_EQ(model.pull(), Tags{2});
    for (uint64_t tag = 3; tag <= 6; ++tag) {
        EXPECT_TRUE(model.send(tag).ok());
    }
    EXPECT_EQ(model.send(7), kTooLate);
}

TEST(LatencyBatcher, batch_that_takes_too_long_has_those_behind_it_refused_meanwhile) {
    Latency model;
    model.learn(1, 20 * kMs);
    ASSERT_TRUE(model.send(1).ok());
    ASSERT_EQ(model.pull(), Tags{1});
    ASSERT_TRUE(model.send(2).ok());
    Pull watched = model.watch();
    EXPECT_EQ(watched.kind, Pull::Kind::kWait);
    EXPECT_EQ(watched.wait_until_ns,
              model.step.clock.now_ns() + WatchTimes::kCancelLookNs);
    model.step.clock.advance_ns(69 * kMs);
    EXPECT_LT(model.watch().wait_until_ns, model.step.clock.now_ns() + 2 * kMs);
    EXPECT_TRUE(model.step.dropped.empty());
    model.step.clock.advance_ns(2 * kMs);
    EXPECT_EQ(model.watch().kind, Pull::Kind::kIdle);
    ASSERT_EQ(model.step.dropped.size(), 1u);
    EXPECT_EQ(model.step.dropped[0].status, kTooLate);
}

TEST(LatencyBatcher, gone_client_is_dropped_by_the_watch_and_by_the_next_batch) {
    Latency model;
    model.cancellation = std::make_shared<Cancellation>();
    ASSERT_TRUE(model.send(1).ok());
    model.cancellation->requested = true;
    EXPECT_EQ(model.pull(), Tags{});
    ASSERT_TRUE(model.send(2).ok());
    model.step.clock.advance_ns(WatchTimes::kCancelLookNs);
    EXPECT_EQ(model.watch().kind, Pull::Kind::kIdle);
    ASSERT_EQ(model.step.dropped.size(), 2u);
    EXPECT_EQ(model.step.dropped[0].status, cancelled(""));
    EXPECT_EQ(model.step.dropped[1].status, cancelled(""));
}

TEST(LatencyBatcher, full_queue_refuses_and_keeps_the_request) {
    BatcherConfig config = with_objective(dynamic_config());
    config.queue.default_policy.max_queue_size = 1;
    Latency model(config);
    ASSERT_TRUE(model.send(1).ok());
    EXPECT_EQ(model.send(2), unavailable("[request id: <id_unknown>] Exceeds maximum queue size"));
}

// The first run may be slow for once; nothing else would tell.
TEST(LatencyBatcher, model_that_refuses_everything_for_its_cost_tries_again) {
    Latency model;
    model.learn(1, 500 * kMs);
    for (uint32_t i = 1; i < LatencyBatcher::kTrialEvery; ++i) {
        EXPECT_EQ(model.send(i), kTooLate);
    }
    ASSERT_TRUE(model.send(100).ok());
    EXPECT_EQ(model.send(101), kTooLate);  // one trial is out
    EXPECT_EQ(model.pull(), Tags{100});
    model.finish(10 * kMs);
    EXPECT_TRUE(model.send(102).ok());
}

TEST(LatencyBatcher, size_that_never_ran_is_tried_before_it_is_refused) {
    Latency model;
    model.learn(1, 20 * kMs);
    ASSERT_TRUE(model.send(1, 8).ok());  // which eight times 30 ms would not allow
    EXPECT_EQ(model.send(2, 8), kTooLate);
    EXPECT_EQ(model.pull(), Tags{1});
    model.finish(30 * kMs);
    EXPECT_TRUE(model.send(3, 8).ok());
}

TEST(LatencyBatcher, short_timeout_is_no_reason_for_a_trial) {
    Latency model;
    model.learn(1, 20 * kMs);
    for (uint32_t i = 0; i < 2 * LatencyBatcher::kTrialEvery; ++i) {
        EXPECT_FALSE(model.send(i, 1, 10'000).ok());
    }
}

TEST(LatencyBatcher, stopped_it_runs_what_it_has) {
    Latency model;
    ASSERT_TRUE(model.send(1).ok());
    model.step.scheduler->stop();
    EXPECT_EQ(model.send(2),
              unavailable("[request id: <id_unknown>] Server is stopping, scheduler for model has "
                          "stopped accepting new inference requests"));
    EXPECT_EQ(model.watch().kind, Pull::Kind::kWait);
    EXPECT_EQ(model.pull(), Tags{1});
    EXPECT_EQ(model.step.pull().kind, Pull::Kind::kStopped);
    EXPECT_EQ(model.watch().kind, Pull::Kind::kStopped);
}

// Instances and the watch sleep for real here, and must all come home.
TEST(LatencyBatcher, sleepers_wake_for_work_and_for_the_end) {
    SteadyClock clock;
    CollectingSink sink;
    BatcherConfig config = with_objective(dynamic_config(), 3'600'000'000);
    config.instance_count = 3;
    LatencyBatcher batcher(config, clock);
    const auto respond = [&](std::unique_ptr<InferenceRequest> request) {
        auto response = answer(std::move(request));
        response->tag = response->request->tag;
        batcher.deliver(std::move(response));
    };
    const auto work = [&](size_t instance) {
        Batch batch;
        std::vector<DroppedRequest> dropped;
        while (batcher.pull(instance, nullptr, batch, dropped).kind != Pull::Kind::kStopped) {
            for (auto& request : batch.requests) {
                respond(std::move(request));
            }
            batch.clear();
            batcher.executed(instance);
        }
        EXPECT_TRUE(dropped.empty());
    };
    std::vector<std::thread> threads;
    for (size_t instance = 0; instance < config.instance_count; ++instance) {
        threads.emplace_back(work, instance);
    }
    threads.emplace_back([&] {
        std::vector<DroppedRequest> dropped;
        while (batcher.expire(dropped).kind != Pull::Kind::kStopped) {
        }
        EXPECT_TRUE(dropped.empty());
    });
    constexpr uint64_t kRequests = 2'000;
    for (uint64_t tag = 0; tag < kRequests; ++tag) {
        auto request = make_rows_request(1, &sink, tag);
        ASSERT_TRUE(batcher.enqueue(request, clock.now_ns()).ok());
    }
    batcher.stop();
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(sink.tags().size(), kRequests);
}

}  // namespace
}  // namespace tritonpy
