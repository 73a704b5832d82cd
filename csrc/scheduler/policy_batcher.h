// The dynamic batcher of models whose config has queue policies: priorities, timeouts.
//
// It decides as DynamicBatcher does what runs together (the batch policy is the same), but walks a
// PriorityQueue instead of a ring: who comes later may run sooner, and who has waited too long is
// refused or moved behind. So producers and instances share one lock, held for a map's insertion or
// for one walk of a batch; a model that asks for none of this keeps the ring and pays nothing.
//
// Nobody runs whose time has passed or whose client has gone: both are looked at in the turn that
// forms the batch. And whoever times out hears of it on time: an instance that waits sleeps no
// longer than to the next timeout, and as all instances may be busy, one more thread sleeps in
// expire. It is woken for an earlier timeout than the one it sleeps for, and not told when that
// request has run meanwhile: so a model that keeps up wakes it once per timeout, not per request.
// Clients that go set a flag and wake nobody; while requests wait, the watch looks for such flags
// now and then.
//
// Threads: thread-safe; all take turns inside.
// Owns: queued requests, responses held back for their order. What dynamic_batcher.h says of
// destruction holds here too.
// Invariants: those of scheduler.h, and
//             4. requests come out in the order of priority_queue.h;
//             5. once stopped, nothing waits for a delay.
// Limits: those of priority_queue.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "queue/parking.h"
#include "scheduler/batch_policy.h"
#include "scheduler/batcher_config.h"
#include "scheduler/dismissals.h"
#include "scheduler/priority_queue.h"
#include "scheduler/response_order.h"
#include "scheduler/scheduler.h"
#include "scheduler/watch_times.h"

namespace tritonpy {

class PolicyBatcher final : public Scheduler {
  public:
    // As DynamicBatcher.
    PolicyBatcher(const BatcherConfig& config, const Clock& clock);

    Status admit(std::unique_ptr<InferenceRequest>& request, int64_t now_ns,
                 bool& wake_due) override;
    void wake() override;
    Pull try_pull(size_t instance, int64_t now_ns, Batch& batch,
                  std::vector<DroppedRequest>& dropped) override;
    Pull pull(size_t instance, InstanceSeat* seat, Batch& batch,
              std::vector<DroppedRequest>& dropped) override;
    bool lets_instances_change() const override { return true; }
    void dismiss(size_t instance, int64_t until_ns) override;
    bool is_watched() const override { return true; }
    Pull try_expire(int64_t now_ns, std::vector<DroppedRequest>& dropped) override;
    Pull expire(std::vector<DroppedRequest>& dropped) override;
    void respond(const InferenceRequest& request,
                 std::unique_ptr<InferenceResponse> response) override;
    void deliver(std::unique_ptr<InferenceResponse> response) override;
    void stop() override;
    size_t queued() const override;

  private:
    // The steps of a turn; all REQUIRE mutex_.
    Pull take_turn(int64_t now_ns, Batch& batch, std::vector<DroppedRequest>& dropped);
    bool is_held_back();
    void walk(std::vector<DroppedRequest>& dropped);
    bool is_finished() const { return stopped_ && queue_.size() == 0; }

    const bool preserve_ordering_;
    const bool uniform_requests_;
    const size_t max_held_;  // responses that wait for their turn: as many as the default level may
    const Clock& clock_;

    Parking idle_instances_;
    Parking watch_;  // where expire sleeps

    mutable std::mutex mutex_;  // guards what follows
    PriorityQueue queue_;
    BatchPolicy policy_;
    Dismissals dismissals_;
    bool stopped_ = false;
    size_t hold_until_admitted_;     // 0 once the hold of delay_until_queued is over
    size_t admitted_ = 0;            // counted while that lasts
    WatchTimes watch_times_;

    ResponseOrder order_;  // its admit belongs to mutex_; unused without preserve_ordering
};

}  // namespace tritonpy
