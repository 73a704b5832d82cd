// A scheduler whose instances pull only while the rate limiter lets them run.
//
// It stands before any scheduler of a model whose instances need resources, and sleeps in its
// place: an instance first waits for its turn, then tries to pull, and gives the turn back when
// there is nothing to run (yet). So the inner scheduler decides at the last moment, and nobody
// holds units while a batch waits to fill.
//
// Where any instance can run what is queued, one turn is wanted for all of them. Where each has
// requests of its own (lanes: sequences), the limiter is told of each as if it were a model of one
// instance, and the inner scheduler rings for whom it has something.
//
// Instances may come and go. Who is dismissed takes turns only for what it has of its own, then
// waits for none any more, hears its last from the inner scheduler and is, by its own thread,
// struck off the limiter's books.
//
// Threads: thread-safe. Owns: the inner scheduler, its model's places in the limiter.
// Invariants: those of scheduler.h, and
//             4. an instance holds units from the pull that gave it a batch until `executed`.
#pragma once

#include <atomic>
#include <memory>
#include <shared_mutex>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/status.h"
#include "scheduler/rate_limiter.h"
#include "scheduler/scheduler.h"

namespace tritonpy {

class LimitedScheduler final : public Scheduler, private InstanceBell {
  public:
    // Puts one before `scheduler`. Errors as RateLimiter::add.
    // `needs` are those of the instances that pull, by their number.
    static Result<std::unique_ptr<LimitedScheduler>> put_before(
        std::unique_ptr<Scheduler> scheduler, RateLimiter& limiter,
        std::span<const InstanceNeeds> needs, const Clock& clock);
    // put_before is the way. `models`: one, or with lanes one for each instance.
    LimitedScheduler(std::unique_ptr<Scheduler> inner, RateLimiter& limiter,
                     std::vector<RateLimiter::ModelId> models, const Clock& clock);
    ~LimitedScheduler() override;
    LimitedScheduler(const LimitedScheduler&) = delete;
    LimitedScheduler& operator=(const LimitedScheduler&) = delete;

    Status admit(std::unique_ptr<InferenceRequest>& request, int64_t now_ns,
                 bool& wake_due) override;
    void wake() override;
    Pull try_pull(size_t instance, int64_t now_ns, Batch& batch,
                  std::vector<DroppedRequest>& dropped) override;
    Pull pull(size_t instance, InstanceSeat* seat, Batch& batch,
              std::vector<DroppedRequest>& dropped) override;
    bool has_sequence(const CorrelationId& id) const override { return inner_->has_sequence(id); }
    size_t open_sequences() const override { return inner_->open_sequences(); }
    // What instances will need that come behind those that there are. Errors as RateLimiter::add.
    // REQUIRES: lets_instances_change(), and that all of them come.
    Status expect(std::span<const InstanceNeeds> needs);
    bool lets_instances_change() const override { return inner_->lets_instances_change(); }
    void engage(size_t instance) override { inner_->engage(instance); }
    void dismiss(size_t instance, int64_t until_ns) override;
    void executed(size_t instance) override;
    bool is_watched() const override { return inner_->is_watched(); }
    Pull try_expire(int64_t now_ns, std::vector<DroppedRequest>& dropped) override;
    Pull expire(std::vector<DroppedRequest>& dropped) override;
    void respond(const InferenceRequest& request,
                 std::unique_ptr<InferenceResponse> response) override;
    void deliver(std::unique_ptr<InferenceResponse> response) override;
    Status reschedule(std::unique_ptr<InferenceRequest>& request) override;
    void set_available(size_t instance, bool available, const Status& status,
                       std::vector<DroppedRequest>& dropped) override;
    void stop() override;
    size_t queued() const override;

  private:
    void ring(size_t instance) override { limiter_.want(place_of(instance).model); }
    // Enters a model for every `each` of the needs; all of them or none.
    static Result<std::vector<RateLimiter::ModelId>> enter(RateLimiter& limiter,
                                                           std::span<const InstanceNeeds> needs,
                                                           size_t each);
    std::vector<RateLimiter::ModelId> models() const;
    RateLimiter::Instance place_of(size_t instance) const;
    // Whether the instance pulls without a turn, because nothing is left that it could run.
    bool may_end(size_t instance) const {
        return may_end() || (has_lanes_ ? inner_->may_leave(instance)
                                        : limiter_.is_sent_away(place_of(instance)));
    }
    // Pulls without one.
    Pull end(size_t instance, int64_t now_ns, Batch& batch, std::vector<DroppedRequest>& dropped);
    // Strikes an instance that heard its last off the books.
    void retire(size_t instance);
    // Tries to pull. REQUIRES: the instance has its turn, which it keeps only with a batch.
    Pull look(size_t instance, int64_t now_ns, Batch& batch,
              std::vector<DroppedRequest>& dropped);
    // Wants a turn for what is queued, if any instance can run it.
    void want_if_queued();
    // Wants a look for an instance that may have missed something.
    void want_look(size_t instance);
    // All look around.
    void wake_all();
    // Wakes the others when there is nothing left for anybody.
    void send_home();
    // Stopped, and nothing is left that would need a turn.
    bool may_end() const { return stopped_.load(std::memory_order_acquire) && queued() == 0; }

    const std::unique_ptr<Scheduler> inner_;
    RateLimiter& limiter_;
    const bool has_lanes_;
    mutable std::shared_mutex mutex_;  // guards models_, which grow
    std::vector<RateLimiter::ModelId> models_;
    const Clock& clock_;
    std::atomic<bool> stopped_{false};  // release in stop; the inner scheduler is stopped by then
};

}  // namespace tritonpy
