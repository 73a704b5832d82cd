// The batcher of models with a latency objective (parameter `latency_objective_microseconds`): what
// is answered is answered in time, and what cannot be is refused at once.
//
// A request is due when the objective has passed since it was queued, or its own timeout where that
// is shorter. What to take, run and give up is decided by LatencyPolicy from what BatchCosts has
// learned; here are the queue, the instances and who wakes whom. A batch's time counts from the
// pull that formed it to `executed`, so it has gathering and answering in it.
//
// What is refused for its cost never runs, so its cost would never be learned anew: a model whose
// first runs were slow, or that something else slowed down for a while, could refuse for ever. So
// of requests whose own cost is above the objective, one in kTrialEvery is run all the same, alone,
// and so is the first of a size that has not run lately. One trial is out at a time.
//
// As in PolicyBatcher, producers and instances share one lock, and one more thread sleeps in expire
// to answer what cannot be in time any more, or was cancelled, while all instances are busy.
//
// Threads: thread-safe; all take turns inside.
// Owns: queued requests. What dynamic_batcher.h says of destruction holds here too.
// Invariants: those of scheduler.h, and
//             4. batches are in the order of deadlines, and nothing runs past its own;
//             5. an idle instance leaves nobody waiting.
// Limits: queue_size_of(the level's policy) requests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "queue/parking.h"
#include "scheduler/batch_costs.h"
#include "scheduler/batcher_config.h"
#include "scheduler/deadline_queue.h"
#include "scheduler/dismissals.h"
#include "scheduler/latency_policy.h"
#include "scheduler/scheduler.h"
#include "scheduler/watch_times.h"

namespace tritonpy {

class LatencyBatcher final : public Scheduler {
  public:
    // As DynamicBatcher. REQUIRES: config.latency_objective_us > 0.
    LatencyBatcher(const BatcherConfig& config, const Clock& clock);

    Status admit(std::unique_ptr<InferenceRequest>& request, int64_t now_ns,
                 bool& wake_due) override;
    void wake() override;
    Pull try_pull(size_t instance, int64_t now_ns, Batch& batch,
                  std::vector<DroppedRequest>& dropped) override;
    Pull pull(size_t instance, InstanceSeat* seat, Batch& batch,
              std::vector<DroppedRequest>& dropped) override;
    bool lets_instances_change() const override { return true; }
    void dismiss(size_t instance, int64_t until_ns) override;
    void executed(size_t instance) override;
    bool is_watched() const override { return true; }
    Pull try_expire(int64_t now_ns, std::vector<DroppedRequest>& dropped) override;
    Pull expire(std::vector<DroppedRequest>& dropped) override;
    void deliver(std::unique_ptr<InferenceResponse> response) override;
    void stop() override;
    size_t queued() const override;

    static constexpr uint32_t kTrialEvery = 64;

  private:
    // What an instance runs.
    struct Running {
        int64_t rows = 0;  // 0: nothing
        int64_t start_ns = 0;
        int64_t free_ns = 0;      // when it should be done
        int64_t deadline_ns = 0;  // the earliest
        bool is_trial = false;
    };

    // All REQUIRE mutex_.
    bool admits(const LatencyPolicy::Arrival& arrival, int64_t now_ns);
    bool is_due_for_trial(const LatencyPolicy::Arrival& arrival, int64_t now_ns);
    Pull take_turn(Running& running, int64_t now_ns, Batch& batch,
                   std::vector<DroppedRequest>& dropped);
    void walk(std::vector<DroppedRequest>& dropped);
    void run_first(size_t count, Running& running, int64_t now_ns, Batch& batch);
    void refuse_first(std::vector<DroppedRequest>& dropped);
    int64_t first_refused_ns();
    bool is_finished() const { return stopped_ && queue_.size() == 0; }

    const int64_t objective_us_;
    const bool uniform_requests_;
    const Clock& clock_;

    Parking idle_instances_;
    Parking watch_;  // where expire sleeps

    mutable std::mutex mutex_;  // guards what follows
    DeadlineQueue queue_;
    LatencyPolicy policy_;
    BatchCosts costs_;
    std::map<size_t, Running> running_;  // by instance, from its first pull at the latest
    Dismissals dismissals_;
    std::vector<int64_t> free_ns_;  // of admits
    uint32_t refused_for_cost_ = 0;  // since the last trial
    bool stopped_ = false;
    WatchTimes watch_times_;
};

}  // namespace tritonpy
