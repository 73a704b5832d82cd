// Goal: every request is answered or refused exactly once, and whoever must look is woken, whatever
// threads do at the same time.
// Method: producers and instances on threads of their own, with a stop in the middle (for the
// sanitizers to watch). A lost wake-up hangs the test.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <iterator>
#include <memory>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "scheduler/batcher_stepper.h"
#include "scheduler/dynamic_batcher.h"

namespace tritonpy {
namespace {

// Instance threads that answer whatever they pull, until they are told to go.
class Instances {
  public:
    Instances(Scheduler& scheduler, size_t count, int64_t max_rows) {
        for (size_t i = 0; i < count; ++i) {
            threads_.emplace_back([&scheduler, max_rows] { run(scheduler, max_rows); });
        }
        if (scheduler.is_watched()) {
            threads_.emplace_back([&scheduler] { watch(scheduler); });
        }
    }
    // Blocks until all have seen kStopped.
    ~Instances() {
        for (std::thread& thread : threads_) {
            thread.join();
        }
    }

  private:
    static void watch(Scheduler& scheduler) {
        Pull::Kind kind = Pull::Kind::kIdle;
        while (kind != Pull::Kind::kStopped) {
            std::vector<DroppedRequest> dropped;
            kind = scheduler.expire(dropped).kind;
            EXPECT_TRUE(kind == Pull::Kind::kStopped || !dropped.empty());
            for (DroppedRequest& drop : dropped) {
                scheduler.deliver(answer(std::move(drop.request)));
            }
        }
    }
    static void run(Scheduler& scheduler, int64_t max_rows) {
        for (;;) {
            Batch batch;
            std::vector<DroppedRequest> dropped;
            const Pull pulled = scheduler.pull(0, nullptr, batch, dropped);
            EXPECT_LE(batch.rows, max_rows);
            EXPECT_NE(pulled.kind, Pull::Kind::kWait);
            EXPECT_TRUE(pulled.kind != Pull::Kind::kIdle || !dropped.empty());
            for (DroppedRequest& drop : dropped) {
                scheduler.deliver(answer(std::move(drop.request)));
            }
            for (std::unique_ptr<InferenceRequest>& request : batch.requests) {
                scheduler.deliver(answer(std::move(request)));
            }
            if (pulled.kind == Pull::Kind::kStopped) {
                return;
            }
        }
    }

    std::vector<std::thread> threads_;
};

TEST(BatcherThreads, sleeping_instances_wake_for_a_request_and_for_the_stop) {
    SteadyClock clock;
    CollectingSink sink;
    DynamicBatcher batcher(default_config(), clock);
    Instances instances(batcher, 3, 1);
    for (uint64_t tag = 0; tag < 200; ++tag) {
        std::unique_ptr<InferenceRequest> request = make_rows_request(1, &sink, tag);
        ASSERT_TRUE(batcher.enqueue(request, clock.now_ns()).ok());
        EXPECT_EQ(sink.wait_and_take(1)[0]->request->tag, tag);
    }
    batcher.stop();
}

// Counts, as cheaply as can be, what it is given.
class CountingSink final : public ResponseSink {
  public:
    void deliver(std::unique_ptr<InferenceResponse>) override { count.fetch_add(1); }
    std::atomic<uint64_t> count{0};
};

// Each request comes a few nanoseconds later than the one before, counted from the moment at which
// the instance is through with its last; so some of them meet it between its look and its sleep.
TEST(BatcherThreads, request_that_meets_an_instance_going_to_sleep_is_not_missed) {
    constexpr uint64_t kSpinsBeforeYield = 2'000;
    SteadyClock clock;
    CountingSink sink;
    DynamicBatcher batcher(default_config(), clock);
    Instances instances(batcher, 1, 1);
    std::atomic<uint64_t> delay{0};
    for (uint64_t round = 0; round < 20'000; ++round) {
        std::unique_ptr<InferenceRequest> request = make_rows_request(1, &sink, round);
        for (uint64_t spins = 0; sink.count.load() < round; ++spins) {
            if (spins > kSpinsBeforeYield) {
                std::this_thread::yield();
            }
        }
        for (uint64_t left = round % 256; left > 0; --left) {
            delay.fetch_add(1);
        }
        ASSERT_TRUE(batcher.enqueue(request, 0).ok());
    }
    batcher.stop();
}

// Each request runs until both do: one left behind a busy instance while another sleeps hangs here.
TEST(BatcherThreads, two_requests_run_on_two_sleeping_instances_at_the_same_time) {
    constexpr uint64_t kRounds = 300;
    SteadyClock clock;
    CollectingSink sink;
    DynamicBatcher batcher(default_config(), clock);
    std::barrier both_run(2);
    std::atomic<uint64_t> started{0};
    std::vector<std::thread> instances;
    for (int i = 0; i < 2; ++i) {
        instances.emplace_back([&] {
            Batch batch;
            std::vector<DroppedRequest> dropped;
            while (batcher.pull(0, nullptr, batch, dropped).kind == Pull::Kind::kBatch) {
                started.fetch_add(1);
                both_run.arrive_and_wait();
                batcher.deliver(answer(std::move(batch.requests[0])));
                batch.clear();
            }
        });
    }
    for (uint64_t round = 0; round < kRounds; ++round) {
        // Gives the instances time to fall asleep; in some rounds that is enough.
        for (uint64_t yields = round % 8 * 100; yields > 0; --yields) {
            std::this_thread::yield();
        }
        for (uint64_t n = 0; n < 2; ++n) {
            std::unique_ptr<InferenceRequest> request = make_rows_request(1, &sink);
            ASSERT_TRUE(batcher.enqueue(request, clock.now_ns()).ok());
            // In every other round the second comes when the first already keeps an instance busy.
            while (n == 0 && round % 2 == 0 && started.load() == 2 * round) {
                std::this_thread::yield();
            }
        }
        ASSERT_EQ(sink.wait_and_take(2).size(), 2u);
    }
    batcher.stop();
    for (std::thread& instance : instances) {
        instance.join();
    }
}

TEST(BatcherThreads, waiting_instance_runs_when_the_delay_has_passed) {
    for (bool uniform : {false, true}) {
        SteadyClock clock;
        CollectingSink sink;
        BatcherConfig config = dynamic_config({8}, 2'000);
        config.uniform_requests = uniform;
        DynamicBatcher batcher(config, clock);
        Instances instances(batcher, 2, 8);
        const int64_t start_ns = clock.now_ns();
        for (uint64_t tag = 0; tag < 3; ++tag) {
            std::unique_ptr<InferenceRequest> request = make_rows_request(1, &sink, tag);
            ASSERT_TRUE(batcher.enqueue(request, start_ns).ok());
        }
        EXPECT_EQ(sink.wait_and_take(3).size(), 3u);
        EXPECT_GE(clock.now_ns() - start_ns, 2'000 * kUs);
        batcher.stop();
    }
}

// The delay is a day: only the wake-up by the last request of a batch can end the wait.
TEST(BatcherThreads, waiting_instance_is_woken_by_the_request_that_fills_the_batch) {
    for (bool uniform : {false, true}) {
        SteadyClock clock;
        CollectingSink sink;
        BatcherConfig config = dynamic_config({4, 8}, int64_t{86'400} * 1'000'000);
        config.uniform_requests = uniform;
        DynamicBatcher batcher(config, clock);
        Instances instances(batcher, 2, 8);
        for (uint64_t round = 0; round < 200; ++round) {
            for (int64_t rows : {1, 2, 1}) {
                std::unique_ptr<InferenceRequest> request = make_rows_request(rows, &sink);
                ASSERT_TRUE(batcher.enqueue(request, clock.now_ns()).ok());
            }
            ASSERT_EQ(sink.wait_and_take(3).size(), 3u);
        }
        batcher.stop();
    }
}

TEST(BatcherThreads, stop_ends_a_wait_for_a_batch_that_will_not_fill) {
    SteadyClock clock;
    CollectingSink sink;
    BatcherConfig config = dynamic_config({8}, int64_t{86'400} * 1'000'000);
    config.uniform_requests = true;
    DynamicBatcher batcher(config, clock);
    Instances instances(batcher, 2, 8);
    std::unique_ptr<InferenceRequest> request = make_rows_request(1, &sink, 5);
    ASSERT_TRUE(batcher.enqueue(request, clock.now_ns()).ok());
    batcher.stop();
    EXPECT_EQ(sink.wait_and_take(1)[0]->request->tag, 5u);
}

// Nobody pulls: only the watch can answer, and only the wake-up by an earlier timeout in time.
TEST(BatcherThreads, watch_answers_on_time_while_no_instance_looks) {
    SteadyClock clock;
    CollectingSink sink;
    BatcherConfig config = default_config();
    config.queue.default_policy.default_timeout_us = int64_t{86'400} * 1'000'000;
    config.queue.default_policy.allow_timeout_override = true;
    const std::unique_ptr<Scheduler> batcher = make_scheduler(config, clock);
    {
        Instances watch(*batcher, 0, 1);
        for (uint64_t round = 0; round < 200; ++round) {
            const uint64_t timeout_us = 1 + round % 50 * 20;
            const int64_t start_ns = clock.now_ns();
            for (uint64_t tag : {2 * round, 2 * round + 1}) {
                std::unique_ptr<InferenceRequest> request = make_rows_request(1, &sink, tag);
                request->timeout_us = tag % 2 == 0 ? 0 : timeout_us;
                ASSERT_TRUE(batcher->enqueue(request, clock.now_ns()).ok());
            }
            EXPECT_EQ(sink.wait_and_take(1)[0]->request->tag, 2 * round + 1);
            EXPECT_GE(clock.now_ns() - start_ns, static_cast<int64_t>(timeout_us) * kUs);
        }
        batcher->stop();
        Batch batch;
        std::vector<DroppedRequest> dropped;
        EXPECT_EQ(batcher->queued(), 200u);
        while (batcher->try_pull(0, clock.now_ns(), batch, dropped).kind == Pull::Kind::kBatch) {
            batch.clear();
        }
    }
}

TEST(BatcherThreads, stop_that_races_the_only_requests_lets_every_instance_go) {
    SteadyClock clock;
    for (int round = 0; round < 200; ++round) {
        CollectingSink sink;
        DynamicBatcher batcher(default_config(), clock);
        size_t accepted = 0;
        {
            Instances instances(batcher, 3, 1);
            std::thread producer([&] {
                for (uint64_t tag = 0; tag < 3; ++tag) {
                    std::unique_ptr<InferenceRequest> request = make_rows_request(1, &sink, tag);
                    accepted += batcher.enqueue(request, clock.now_ns()).ok() ? 1 : 0;
                }
            });
            batcher.stop();
            producer.join();
        }
        ASSERT_EQ(sink.size(), accepted);
    }
}

// dynamic batching, delay in microseconds, uniform requests, preserve ordering, timeout in
// microseconds
using StressParameters = std::tuple<bool, int64_t, bool, bool, int64_t>;

BatcherConfig stress_config(const StressParameters& parameters) {
    const auto [dynamic, delay_us, uniform, preserve_ordering, timeout_us] = parameters;
    BatcherConfig config = dynamic ? dynamic_config({4, 8}, delay_us) : default_config();
    config.uniform_requests = uniform;
    config.preserve_ordering = preserve_ordering;
    config.queue.default_policy.max_queue_size = 32;
    config.queue.default_policy.default_timeout_us = timeout_us;
    if (timeout_us > 0 && !preserve_ordering) {
        config.queue.priority_levels = 3;
        config.queue.default_priority_level = 3;
        config.queue.policy_of_level[2] = config.queue.default_policy;
        config.queue.policy_of_level[2].timeout_action = QueuePolicy::TimeoutAction::kDelay;
    }
    return config;
}

class BatcherStress : public testing::TestWithParam<StressParameters> {};

TEST_P(BatcherStress, every_request_is_answered_or_refused_once_with_a_stop_in_the_middle) {
    constexpr size_t kProducers = 3;
    constexpr uint64_t kEach = 1'000;
    constexpr uint64_t kStopAfter = 2'000;
    const bool preserve_ordering = std::get<3>(GetParam());
    SteadyClock clock;
    CollectingSink sink;
    const std::unique_ptr<Scheduler> scheduler = make_scheduler(stress_config(GetParam()), clock);
    Scheduler& batcher = *scheduler;
    std::atomic<uint64_t> sent{0};
    std::vector<std::vector<uint64_t>> accepted(kProducers);
    {
        Instances instances(batcher, 3, 8);
        std::vector<std::thread> producers;
        for (size_t producer = 0; producer < kProducers; ++producer) {
            producers.emplace_back([&, producer] {
                for (uint64_t i = 0; i < kEach; ++i) {
                    const uint64_t tag = producer * kEach + i;
                    const int64_t rows = 1 + static_cast<int64_t>(i % 3);
                    std::unique_ptr<InferenceRequest> request =
                        make_rows_request(rows, &sink, tag);
                    request->priority = i % 4;
                    if (i % 7 == 0) {
                        request->cancellation = std::make_shared<Cancellation>();
                        request->cancellation->requested = i % 2 == 0;
                    }
                    if (batcher.enqueue(request, clock.now_ns()).ok()) {
                        accepted[producer].push_back(tag);
                    } else {
                        EXPECT_NE(request, nullptr);
                        std::this_thread::yield();
                    }
                    if (sent.fetch_add(1) + 1 == kStopAfter) {
                        batcher.stop();
                    }
                }
            });
        }
        for (std::thread& thread : producers) {
            thread.join();
        }
    }

    EXPECT_EQ(batcher.queued(), 0u);
    std::vector<uint64_t> expected;
    std::vector<uint64_t> answered = sink.tags();
    for (size_t producer = 0; producer < kProducers; ++producer) {
        expected.insert(expected.end(), accepted[producer].begin(), accepted[producer].end());
        if (preserve_ordering) {
            std::vector<uint64_t> own;
            std::copy_if(answered.begin(), answered.end(), std::back_inserter(own),
                         [&](uint64_t tag) { return tag / kEach == producer; });
            EXPECT_EQ(own, accepted[producer]);
        }
    }
    EXPECT_GT(expected.size(), 0u);
    std::sort(answered.begin(), answered.end());
    EXPECT_EQ(answered, expected);
}

INSTANTIATE_TEST_SUITE_P(Configs, BatcherStress,
                         testing::Values(StressParameters{false, 0, false, false, 0},
                                         StressParameters{true, 0, false, false, 0},
                                         StressParameters{true, 200, false, false, 0},
                                         StressParameters{true, 200, true, false, 0},
                                         StressParameters{true, 200, true, true, 0},
                                         StressParameters{false, 0, false, true, 0},
                                         StressParameters{false, 0, false, false, 50},
                                         StressParameters{true, 200, true, false, 100},
                                         StressParameters{true, 200, false, true, 100}));

// Producers that retry when full: nothing may be lost between a full queue and an empty one.
TEST(BatcherThreads, small_queue_with_retrying_producers_loses_nothing) {
    constexpr size_t kProducers = 4;
    constexpr uint64_t kEach = 1'000;
    SteadyClock clock;
    CollectingSink sink;
    BatcherConfig config = dynamic_config();
    config.queue.default_policy.max_queue_size = 2;
    DynamicBatcher batcher(config, clock);
    {
        Instances instances(batcher, 2, 8);
        std::vector<std::thread> producers;
        for (size_t producer = 0; producer < kProducers; ++producer) {
            producers.emplace_back([&] {
                for (uint64_t i = 0; i < kEach; ++i) {
                    std::unique_ptr<InferenceRequest> request = make_rows_request(1, &sink, i);
                    while (!batcher.enqueue(request, clock.now_ns()).ok()) {
                        EXPECT_LE(batcher.queued(), 2u);
                        std::this_thread::yield();
                    }
                }
            });
        }
        for (std::thread& thread : producers) {
            thread.join();
        }
        EXPECT_EQ(sink.wait_and_take(kProducers * kEach).size(), kProducers * kEach);
        batcher.stop();
    }
}

}  // namespace
}  // namespace tritonpy
