#include "queue/parking.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>

namespace tritonpy {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t), "the kernel reads the word");

// A null deadline sleeps without end. The bitset form takes an absolute time of CLOCK_MONOTONIC,
// which is what std::chrono::steady_clock reads. Every outcome (woken, word changed, time passed,
// signal) means the same to the caller: look again.
void futex_wait(std::atomic<uint32_t>& word, uint32_t expected, const timespec* deadline) {
    syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
            expected, deadline, nullptr, FUTEX_BITSET_MATCH_ANY);
}

void futex_wake(std::atomic<uint32_t>& word, int count) {
    syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count,
            nullptr, nullptr, 0);
}

// Orders "publish, then read who sleeps" against "announce the sleep, then look": one of the two
// sides must see the other. ThreadSanitizer does not model fences, which costs it nothing here:
// what is handed over is ordered by the queue's own acquire and release, not by this.
#pragma GCC diagnostic push
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif
void full_fence() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
}
#pragma GCC diagnostic pop

bool is_ticket(uint32_t epoch) {
    return (epoch & 1) == 0;
}

}  // namespace

Parking::Ticket Parking::prepare() {
    // Partner: the load in has_sleepers, with the fence in rearm and the one there between them.
    sleepers_.fetch_add(1, std::memory_order_relaxed);
    return rearm();
}

void Parking::cancel() {
    // Relaxed: a producer that still counts us makes one system call too many.
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
}

void Parking::wait(Ticket ticket) {
    futex_wait(epoch_, ticket, nullptr);
    cancel();
    rearm();
}

void Parking::wait_until(Ticket ticket, int64_t deadline_ns) {
    if (deadline_ns > 0) {
        timespec deadline{};
        deadline.tv_sec = deadline_ns / kNsPerSecond;
        deadline.tv_nsec = deadline_ns % kNsPerSecond;
        futex_wait(epoch_, ticket, &deadline);
    }
    cancel();
    rearm();
}

void Parking::notify_one() {
    if (!has_sleepers()) {
        return;
    }
    // Odd: somebody will rearm after this load and look after that, and so see what our caller
    // published before. The same holds when the exchange fails: the epoch moved after our load.
    uint32_t epoch = epoch_.load(std::memory_order_relaxed);  // partner: the exchange in rearm
    if (is_ticket(epoch) &&
        epoch_.compare_exchange_strong(epoch, epoch + 1, std::memory_order_relaxed)) {
        futex_wake(epoch_, 1);
    }
}

void Parking::notify_all() {
    if (!has_sleepers()) {
        return;
    }
    uint32_t epoch = epoch_.load(std::memory_order_relaxed);  // partner: the exchange in rearm
    while (is_ticket(epoch) &&
           !epoch_.compare_exchange_weak(epoch, epoch + 1, std::memory_order_relaxed)) {
    }
    futex_wake(epoch_, INT_MAX);
}

bool Parking::has_sleepers() const {
    full_fence();
    return sleepers_.load(std::memory_order_relaxed) != 0;  // partner: the increment in prepare
}

// Makes the epoch a ticket again, so that the next notify is not taken for one already on its way.
// Whoever calls this looks for work afterwards; the fence puts that look behind the exchange.
Parking::Ticket Parking::rearm() {
    uint32_t epoch = epoch_.load(std::memory_order_relaxed);
    while (!is_ticket(epoch)) {
        // Partner: the loads in notify_one and notify_all.
        if (epoch_.compare_exchange_weak(epoch, epoch + 1, std::memory_order_relaxed)) {
            ++epoch;
        }
    }
    full_fence();
    return epoch;
}

}  // namespace tritonpy
