#include "scheduler/limited_scheduler.h"

#include <utility>

#include "base/result.h"

namespace tritonpy {

Status LimitedScheduler::put_before(std::unique_ptr<Scheduler>& scheduler, RateLimiter& limiter,
                                    std::span<const InstanceNeeds> needs, const Clock& clock) {
    TRITONPY_ASSIGN_OR_RETURN(const RateLimiter::ModelId model, limiter.add(needs));
    scheduler = std::make_unique<LimitedScheduler>(std::move(scheduler), limiter, model,
                                                   needs.size(), clock);
    return Status();
}

LimitedScheduler::LimitedScheduler(std::unique_ptr<Scheduler> inner, RateLimiter& limiter,
                                   RateLimiter::ModelId model, size_t instances,
                                   const Clock& clock)
    : inner_(std::move(inner)),
      limiter_(limiter),
      model_(model),
      clock_(clock),
      holds_(instances) {}

LimitedScheduler::~LimitedScheduler() { limiter_.remove(model_); }

Status LimitedScheduler::admit(std::unique_ptr<InferenceRequest>& request, int64_t now_ns,
                               bool& wake_due) {
    return inner_->admit(request, now_ns, wake_due);
}

void LimitedScheduler::wake() { limiter_.want(model_); }

Pull LimitedScheduler::try_pull(size_t instance, int64_t now_ns, Batch& batch,
                                std::vector<DroppedRequest>& dropped) {
    if (may_end()) {
        return inner_->try_pull(instance, now_ns, batch, dropped);
    }
    if (!limiter_.try_acquire({model_, instance})) {
        return {.kind = Pull::Kind::kIdle};
    }
    return look(instance, now_ns, batch, dropped);
}

Pull LimitedScheduler::pull(size_t instance, Batch& batch,
                            std::vector<DroppedRequest>& dropped) {
    const size_t dropped_before = dropped.size();
    int64_t deadline_ns = RateLimiter::kNever;
    want_if_queued();  // an earlier pull may have left it at a look
    for (;;) {
        const uint64_t epoch = limiter_.epoch(model_);
        Pull answer;
        if (may_end()) {
            answer = inner_->try_pull(instance, clock_.now_ns(), batch, dropped);
        }
        if (answer.kind == Pull::Kind::kIdle) {
            if (!limiter_.acquire({model_, instance}, deadline_ns, epoch)) {
                deadline_ns = RateLimiter::kNever;
                want_if_queued();
                continue;
            }
            answer = look(instance, clock_.now_ns(), batch, dropped);
        }
        if (answer.kind == Pull::Kind::kBatch || answer.kind == Pull::Kind::kStopped) {
            return answer;
        }
        if (dropped.size() > dropped_before) {
            return {};
        }
        deadline_ns = answer.kind == Pull::Kind::kWait ? answer.wait_until_ns : RateLimiter::kNever;
    }
}

Pull LimitedScheduler::look(size_t instance, int64_t now_ns, Batch& batch,
                            std::vector<DroppedRequest>& dropped) {
    const Pull answer = inner_->try_pull(instance, now_ns, batch, dropped);
    if (answer.kind == Pull::Kind::kBatch) {
        holds_[instance] = true;
        want_if_queued();  // the rest is somebody else's
    } else {
        limiter_.release({model_, instance}, false);
    }
    send_home();
    return answer;
}

void LimitedScheduler::executed(size_t instance) {
    inner_->executed(instance);
    if (std::exchange(holds_[instance], false)) {
        limiter_.release({model_, instance}, true);
    }
}

Pull LimitedScheduler::try_expire(int64_t now_ns, std::vector<DroppedRequest>& dropped) {
    const Pull answer = inner_->try_expire(now_ns, dropped);
    send_home();
    return answer;
}

Pull LimitedScheduler::expire(std::vector<DroppedRequest>& dropped) {
    const Pull answer = inner_->expire(dropped);
    send_home();
    return answer;
}

void LimitedScheduler::respond(const InferenceRequest& request,
                               std::unique_ptr<InferenceResponse> response) {
    inner_->respond(request, std::move(response));
}

void LimitedScheduler::deliver(std::unique_ptr<InferenceResponse> response) {
    inner_->deliver(std::move(response));
    want_if_queued();  // some schedulers hold a request back until one before it is answered
}

void LimitedScheduler::stop() {
    inner_->stop();
    stopped_.store(true, std::memory_order_release);
    want_if_queued();
    limiter_.wake_all(model_);
}

size_t LimitedScheduler::queued() const { return inner_->queued(); }

void LimitedScheduler::send_home() {
    if (may_end()) {
        limiter_.wake_all(model_);
    }
}

void LimitedScheduler::want_if_queued() {
    if (queued() > 0) {
        limiter_.want(model_);
    }
}

}  // namespace tritonpy
