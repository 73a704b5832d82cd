// What does handing a request over cost: the lock-free ring against a mutex and a deque.
//
// The ring stays only while it wins here. "Alone" is one thread that pushes and pops in turn: the
// bare cost. "Producers" has the given number of threads push while one more pops, each item once
// through, and a full queue makes a producer yield: the cost under contention. The time is that of
// one item; run with --benchmark_repetitions=9 for a median and its spread.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "queue/mpsc_ring.h"

namespace tritonpy {
namespace {

constexpr size_t kCapacity = 16384;
constexpr uint64_t kItems = 400'000;

struct Item {
    uint64_t number;
};
using Element = std::unique_ptr<Item>;

class MutexQueue {
  public:
    explicit MutexQueue(size_t capacity) : capacity_(capacity) {}
    bool try_push(Element& element) {
        std::lock_guard lock(mutex_);
        if (elements_.size() >= capacity_) {
            return false;
        }
        elements_.push_back(std::move(element));
        return true;
    }
    bool try_pop(Element& element) {
        std::lock_guard lock(mutex_);
        if (elements_.empty()) {
            return false;
        }
        element = std::move(elements_.front());
        elements_.pop_front();
        return true;
    }

  private:
    const size_t capacity_;
    std::mutex mutex_;
    std::deque<Element> elements_;
};

template <typename Queue>
void alone(benchmark::State& state) {
    Queue queue(kCapacity);
    Element element = std::make_unique<Item>();
    for (auto _ : state) {
        benchmark::DoNotOptimize(queue.try_push(element));
        benchmark::DoNotOptimize(queue.try_pop(element));
    }
    state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}

template <typename Queue>
void producers(benchmark::State& state) {
    const auto count = static_cast<uint64_t>(state.range(0));
    for (auto _ : state) {
        state.PauseTiming();
        Queue queue(kCapacity);
        std::vector<std::vector<Element>> stocks(count);
        for (std::vector<Element>& stock : stocks) {
            for (uint64_t i = 0; i < kItems / count; ++i) {
                stock.push_back(std::make_unique<Item>(Item{i}));
            }
        }
        std::vector<Element> received;
        received.reserve(kItems);
        state.ResumeTiming();

        std::vector<std::thread> threads;
        for (std::vector<Element>& stock : stocks) {
            threads.emplace_back([&queue, &stock] {
                for (Element& element : stock) {
                    while (!queue.try_push(element)) {
                        std::this_thread::yield();
                    }
                }
            });
        }
        while (received.size() < kItems / count * count) {
            Element element;
            if (queue.try_pop(element)) {
                received.push_back(std::move(element));
            } else {
                std::this_thread::yield();
            }
        }
        for (std::thread& thread : threads) {
            thread.join();
        }

        state.PauseTiming();
        received.clear();
        state.ResumeTiming();
    }
    state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kItems));
}

BENCHMARK(alone<MpscRing<Element>>)->Name("ring/alone");
BENCHMARK(alone<MutexQueue>)->Name("mutex_deque/alone");
BENCHMARK(producers<MpscRing<Element>>)
    ->Name("ring/producers")
    ->Arg(1)
    ->Arg(4)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(producers<MutexQueue>)
    ->Name("mutex_deque/producers")
    ->Arg(1)
    ->Arg(4)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tritonpy
