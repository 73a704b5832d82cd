// What does the scheduler cost per request: enqueue, batch, pull, deliver.
//
// "Stepped" is one thread that enqueues a batch's worth and pulls it: the bare cost, also with
// queue policies (three levels of priority and a timeout). "Watch" is one look of theirs for gone
// clients. "Closed loop" keeps 64 requests circulating between `clients` threads, which enqueue,
// and `instances` threads, which pull and deliver; an instance that finds nothing sleeps, so
// wake-ups are in the figure. `work_us` is spent before each enqueue, as a front end does that
// parses. With a delay the instances wait for batches to fill; `uniform` is what then spares the
// wake-ups. One iteration is 50,000 requests: its CPU milliseconds times 20 are nanoseconds per
// request, `work_us` included.
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "queue/mpsc_ring.h"
#include "queue/parking.h"
#include "scheduler/policy_batcher.h"
#include "scheduler/scheduler_factory.h"

namespace tritonpy {
namespace {

constexpr size_t kCirculating = 64;
constexpr int64_t kRequests = 50'000;

BatcherConfig make_config(int64_t max_batch_size, int64_t delay_us, bool uniform) {
    BatcherConfig config;
    config.dynamic_batching = max_batch_size > 1;
    config.max_batch_size = max_batch_size;
    config.preferred_batch_sizes = {max_batch_size};
    config.max_queue_delay_us = delay_us;
    config.uniform_requests = uniform;
    return config;
}

std::unique_ptr<InferenceRequest> make_request() {
    auto request = std::make_unique<InferenceRequest>();
    Tensor input;
    input.name = "INPUT0";
    input.data_type = DataType::kFp32;
    input.shape = {1, 16};
    request->inputs.push_back(std::move(input));
    return request;
}

void stepped(benchmark::State& state) {
    const auto batch_size = static_cast<size_t>(state.range(0));
    SteadyClock clock;
    BatcherConfig config = make_config(state.range(0), 0, false);
    if (state.range(1) != 0) {
        config.queue.priority_levels = 3;
        config.queue.default_priority_level = 2;
        config.queue.default_policy.default_timeout_us = 1'000'000;
    }
    const std::unique_ptr<Scheduler> scheduler = make_scheduler(config, clock);
    std::vector<std::unique_ptr<InferenceRequest>> requests;
    for (size_t i = 0; i < batch_size; ++i) {
        requests.push_back(make_request());
        requests.back()->priority = i % 4;
    }
    Batch batch;
    std::vector<DroppedRequest> dropped;
    for (auto _ : state) {
        for (std::unique_ptr<InferenceRequest>& request : requests) {
            TRITONPY_CHECK(scheduler->enqueue(request, 1).ok());
        }
        TRITONPY_CHECK(scheduler->try_pull(0, 1, batch, dropped).kind == Pull::Kind::kBatch);
        TRITONPY_CHECK(batch.requests.size() == batch_size);
        for (size_t i = 0; i < batch_size; ++i) {
            requests[i] = std::move(batch.requests[i]);
        }
        batch.clear();
    }
    state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * batch_size));
}

// A full queue's watch looks for clients that have gone and finds none.
void watch(benchmark::State& state) {
    const auto waiting = static_cast<size_t>(state.range(0));
    SteadyClock clock;
    BatcherConfig config = make_config(1, 0, false);
    config.queue.priority_levels = 3;
    config.queue.default_priority_level = 2;
    const std::unique_ptr<Scheduler> scheduler = make_scheduler(config, clock);
    for (size_t i = 0; i < waiting; ++i) {
        std::unique_ptr<InferenceRequest> request = make_request();
        request->cancellation = std::make_shared<Cancellation>();
        TRITONPY_CHECK(scheduler->enqueue(request, 1).ok());
    }
    std::vector<DroppedRequest> dropped;
    int64_t now_ns = 0;
    for (auto _ : state) {
        now_ns += WatchTimes::kCancelLookNs;
        benchmark::DoNotOptimize(scheduler->try_expire(now_ns, dropped));
    }
    scheduler->stop();
}

// Where answered requests come back to their clients.
class ReturnSink final : public ResponseSink {
  public:
    void deliver(std::unique_ptr<InferenceResponse> response) override {
        std::unique_ptr<InferenceRequest> request = std::move(response->request);
        TRITONPY_CHECK(returned_.try_push(request));
        clients_.notify_one();
    }
    // Blocks. REQUIRES: one client.
    std::unique_ptr<InferenceRequest> take() {
        std::unique_ptr<InferenceRequest> request;
        while (!returned_.try_pop(request)) {
            const Parking::Ticket ticket = clients_.prepare();
            if (returned_.try_pop(request)) {
                clients_.cancel();
                break;
            }
            clients_.wait(ticket);
        }
        return request;
    }

  private:
    MpscRing<std::unique_ptr<InferenceRequest>> returned_{kCirculating};
    Parking clients_;
};

void run_instance(Scheduler& scheduler) {
    Batch batch;
    std::vector<DroppedRequest> dropped;
    while (scheduler.pull(0, nullptr, batch, dropped).kind != Pull::Kind::kStopped) {
        for (std::unique_ptr<InferenceRequest>& request : batch.requests) {
            auto response = std::make_unique<InferenceResponse>();
            response->request = std::move(request);
            scheduler.deliver(std::move(response));
        }
        batch.clear();
    }
}

void closed_loop(benchmark::State& state) {
    const auto clients = static_cast<size_t>(state.range(0));
    const auto instances = static_cast<size_t>(state.range(1));
    const int64_t per_client = kRequests / static_cast<int64_t>(clients);
    const int64_t work_ns = state.range(5) * 1000;
    for (auto _ : state) {
        SteadyClock clock;
        const std::unique_ptr<Scheduler> scheduler = make_scheduler(
            make_config(state.range(2), state.range(3), state.range(4) != 0), clock);
        std::vector<std::thread> instance_threads;
        for (size_t i = 0; i < instances; ++i) {
            instance_threads.emplace_back([&] { run_instance(*scheduler); });
        }
        std::vector<ReturnSink> sinks(clients);  // outlive the instances
        std::vector<std::thread> client_threads;
        for (size_t i = 0; i < clients; ++i) {
            client_threads.emplace_back([&, &sink = sinks[i]] {
                const int64_t ahead = static_cast<int64_t>(kCirculating / clients);
                for (int64_t n = 0; n < per_client + ahead; ++n) {
                    std::unique_ptr<InferenceRequest> request =
                        n < ahead ? make_request() : sink.take();
                    if (n < per_client) {
                        for (const int64_t end_ns = clock.now_ns() + work_ns;
                             clock.now_ns() < end_ns;) {
                        }
                        request->sink = &sink;
                        TRITONPY_CHECK(scheduler->enqueue(request, clock.now_ns()).ok());
                    }
                }
            });
        }
        for (std::thread& client : client_threads) {
            client.join();
        }
        scheduler->stop();
        for (std::thread& instance : instance_threads) {
            instance.join();
        }
    }
    state.SetItemsProcessed(state.iterations() * per_client * static_cast<int64_t>(clients));
}

BENCHMARK(stepped)->ArgNames({"batch", "policies"})->ArgsProduct({{1, 8, 32}, {0, 1}});
BENCHMARK(watch)->ArgName("waiting")->Arg(100)->Arg(16'384);
BENCHMARK(closed_loop)
    ->ArgNames({"clients", "instances", "batch", "delay_us", "uniform", "work_us"})
    ->Args({1, 1, 1, 0, 0, 0})
    ->Args({1, 1, 32, 0, 0, 0})
    ->Args({2, 2, 32, 0, 0, 0})
    ->Args({1, 1, 32, 1000, 0, 0})
    ->Args({1, 1, 32, 1000, 1, 0})
    ->Args({1, 1, 32, 1000, 0, 10})
    ->Args({1, 1, 32, 1000, 1, 10})
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tritonpy
