// The default scheduler and the dynamic batcher: one first-come-first-served queue, of which idle
// instances take requests, one at a time or as many as the batch policy says.
//
// There is no batcher thread. Producers push into a lock-free ring; instances take turns (a mutex)
// as its one consumer. A turn moves from the ring to `pending_` only what the policy wants to look
// at, so `pending_` holds at most max_batch_size + 1 requests (more only while the test hook holds
// the first batch back) and the rest of the backlog stays in the ring. An instance that takes a
// batch and leaves requests behind wakes the next one, so somebody always watches the queue as long
// as anybody is idle.
//
// One word, `state_`, is limit, gate and gauge at once: twice the number of requests that have a
// place, plus one when stopped. A request gets its place before it is pushed and gives it up when
// it comes out. So the limit is exact, the ring never overflows, and "stopped and none has a
// place" means that nothing can come any more: a request that races stop() is either refused or
// pulled.
//
// A producer wakes one sleeping instance, if any sleeps. While an instance waits for a batch to
// fill that is one wake-up per request, and all but the last are for nothing; so where any two
// requests may share a batch (`uniform_requests`) producers count rows and wake only for the last.
//
// Threads: thread-safe; try_pull and pull take turns inside.
// Owns: queued requests, responses held back for their order. Those still inside at destruction
// are freed unanswered: stop, and pull until kStopped, first. Nobody may be inside then, enqueue
// included: a request may be answered before the enqueue that took it has returned.
// Invariants: those of scheduler.h, and
//             4. requests come out in the order in which the ring took them;
//             5. once stopped, nothing waits for a delay: no one else can join the batch;
//             6. there is one level of priority and nobody times out: what a PolicyBatcher is for.
// Limits: queue_size_of(the level's policy) requests.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "queue/mpsc_ring.h"
#include "queue/parking.h"
#include "scheduler/batch_policy.h"
#include "scheduler/batcher_config.h"
#include "scheduler/dismissals.h"
#include "scheduler/response_order.h"
#include "scheduler/scheduler.h"

namespace tritonpy {

class DynamicBatcher final : public Scheduler {
  public:
    // `clock` is borrowed and outlives the scheduler; pull's timed sleeps are on the steady clock
    // whatever it says.
    DynamicBatcher(BatcherConfig config, const Clock& clock);

    Status admit(std::unique_ptr<InferenceRequest>& request, int64_t now_ns,
                 bool& wake_due) override;
    void wake() override;
    Pull try_pull(size_t instance, int64_t now_ns, Batch& batch,
                  std::vector<DroppedRequest>& dropped) override;
    Pull pull(size_t instance, InstanceSeat* seat, Batch& batch,
              std::vector<DroppedRequest>& dropped) override;
    bool lets_instances_change() const override { return true; }
    void dismiss(size_t instance, int64_t until_ns) override;
    void respond(const InferenceRequest& request,
                 std::unique_ptr<InferenceResponse> response) override;
    void deliver(std::unique_ptr<InferenceResponse> response) override;
    void stop() override;
    size_t queued() const override;

  private:
    static constexpr uint64_t kStopped = 1;
    static constexpr uint64_t kOne = 2;
    // Nobody waits for a number of rows: any request wakes.
    static constexpr int64_t kAnyRows = std::numeric_limits<int64_t>::min();

    Status take_place(const InferenceRequest& request);
    bool completes_batch(int64_t rows);
    bool is_stopped() const { return (state_.load(std::memory_order_relaxed) & kStopped) != 0; }
    // Whether nothing can come any more.
    bool is_finished() const { return state_.load(std::memory_order_relaxed) == kStopped; }

    // The steps of a turn; all REQUIRE turn_.
    Pull take_turn(int64_t now_ns, Batch& batch, std::vector<DroppedRequest>& dropped);
    bool is_held_back();
    void drop_cancelled(std::vector<DroppedRequest>& dropped);
    void walk(std::vector<DroppedRequest>& dropped);
    bool fetch_pending();
    void take(size_t count, Batch& batch);
    void leave_queue(size_t count, int64_t rows);

    const BatcherConfig config_;
    const size_t max_queue_size_;
    const bool waits_quietly_;  // producers wake a waiting instance only when enough rows are there
    const Clock& clock_;

    MpscRing<std::unique_ptr<InferenceRequest>> ring_;
    std::atomic<uint64_t> state_{0};  // requests that have a place * 2 + stopped
    // With waits_quietly_: rows pushed and not taken, and how many of them somebody waits for.
    std::atomic<int64_t> queued_rows_{0};
    std::atomic<int64_t> wake_at_rows_{kAnyRows};
    Parking idle_instances_;

    std::mutex turn_;  // guards what follows, and the consumer's end of ring_
    std::vector<std::unique_ptr<InferenceRequest>> pending_;  // oldest first
    BatchPolicy policy_;                                      // has walked pending_[0, count())
    Dismissals dismissals_;
    size_t hold_until_queued_;  // 0 once the hold of delay_until_queued is over

    ResponseOrder order_;  // its admit belongs to turn_; unused without preserve_ordering
};

}  // namespace tritonpy
