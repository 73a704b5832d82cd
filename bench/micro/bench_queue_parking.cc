// What does waking a sleeper cost: Parking against a mutex with a condition variable.
//
// "Nobody sleeps" is what a producer pays under load. "Round trip" is two threads that hand one
// turn to and fro, both asleep in between: two wake-ups and two context switches.
#include <benchmark/benchmark.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "queue/parking.h"

namespace tritonpy {
namespace {

// One place to sleep until a number has changed.
class ParkedNumber {
  public:
    void set(uint64_t value) {
        value_.store(value, std::memory_order_release);
        parking_.notify_one();
    }
    void wait_for(uint64_t value) {
        while (value_.load(std::memory_order_acquire) != value) {
            const Parking::Ticket ticket = parking_.prepare();
            if (value_.load(std::memory_order_acquire) == value) {
                parking_.cancel();
                return;
            }
            parking_.wait(ticket);
        }
    }

  private:
    std::atomic<uint64_t> value_{0};
    Parking parking_;
};

class ConditionNumber {
  public:
    void set(uint64_t value) {
        {
            std::lock_guard lock(mutex_);
            value_ = value;
        }
        changed_.notify_one();
    }
    void wait_for(uint64_t value) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return value_ == value; });
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    uint64_t value_ = 0;
};

template <typename Number>
void nobody_sleeps(benchmark::State& state) {
    Number number;
    uint64_t value = 0;
    for (auto _ : state) {
        number.set(++value);
    }
}

template <typename Number>
void round_trip(benchmark::State& state) {
    Number there;
    Number back;
    std::atomic<bool> over{false};  // ordered by `there`
    std::thread echo([&] {
        for (uint64_t value = 1;; ++value) {
            there.wait_for(value);
            if (over.load(std::memory_order_relaxed)) {
                return;
            }
            back.set(value);
        }
    });
    uint64_t value = 0;
    for (auto _ : state) {
        ++value;
        there.set(value);
        back.wait_for(value);
    }
    over.store(true, std::memory_order_relaxed);
    there.set(value + 1);
    echo.join();
}

BENCHMARK(nobody_sleeps<ParkedNumber>)->Name("parking/nobody_sleeps");
BENCHMARK(nobody_sleeps<ConditionNumber>)->Name("condition/nobody_sleeps");
BENCHMARK(round_trip<ParkedNumber>)
    ->Name("parking/round_trip")
    ->UseRealTime()
    ->MeasureProcessCPUTime();
BENCHMARK(round_trip<ConditionNumber>)
    ->Name("condition/round_trip")
    ->UseRealTime()
    ->MeasureProcessCPUTime();

}  // namespace
}  // namespace tritonpy
