#include "scheduler/limited_scheduler.h"

#include <utility>

namespace tritonpy {

Result<std::unique_ptr<LimitedScheduler>> LimitedScheduler::put_before(
    std::unique_ptr<Scheduler> scheduler, RateLimiter& limiter,
    std::span<const InstanceNeeds> needs, const Clock& clock) {
    TRITONPY_ASSIGN_OR_RETURN(
        auto models, enter(limiter, needs, scheduler->has_lanes() ? 1 : needs.size()));
    return std::make_unique<LimitedScheduler>(std::move(scheduler), limiter, std::move(models),
                                              clock);
}

Result<std::vector<RateLimiter::ModelId>> LimitedScheduler::enter(
    RateLimiter& limiter, std::span<const InstanceNeeds> needs, size_t each) {
    std::vector<RateLimiter::ModelId> models;
    for (size_t first = 0; first < needs.size(); first += each) {
        Result<RateLimiter::ModelId> model = limiter.add(needs.subspan(first, each));
        if (!model.ok()) {
            for (RateLimiter::ModelId added : models) {
                limiter.remove(added);
            }
            return model.status();
        }
        models.push_back(model.value());
    }
    return models;
}

LimitedScheduler::LimitedScheduler(std::unique_ptr<Scheduler> inner, RateLimiter& limiter,
                                   std::vector<RateLimiter::ModelId> models, const Clock& clock)
    : inner_(std::move(inner)),
      limiter_(limiter),
      has_lanes_(inner_->has_lanes()),
      models_(std::move(models)),
      clock_(clock) {
    inner_->set_bell(*this);
}

LimitedScheduler::~LimitedScheduler() {
    for (RateLimiter::ModelId model : models_) {
        limiter_.remove(model);
    }
}

Status LimitedScheduler::expect(std::span<const InstanceNeeds> needs) {
    if (!has_lanes_) {
        return limiter_.grow(models_.front(), needs);
    }
    TRITONPY_ASSIGN_OR_RETURN(auto entered, enter(limiter_, needs, 1));
    std::lock_guard lock(mutex_);
    models_.insert(models_.end(), entered.begin(), entered.end());
    return Status();
}

std::vector<RateLimiter::ModelId> LimitedScheduler::models() const {
    std::shared_lock lock(mutex_);
    return models_;
}

RateLimiter::Instance LimitedScheduler::place_of(size_t instance) const {
    std::shared_lock lock(mutex_);
    return has_lanes_ ? RateLimiter::Instance{models_[instance], 0}
                      : RateLimiter::Instance{models_.front(), instance};
}

Status LimitedScheduler::admit(std::unique_ptr<InferenceRequest>& request, int64_t now_ns,
                               bool& wake_due) {
    return inner_->admit(request, now_ns, wake_due);
}

void LimitedScheduler::wake() {
    if (has_lanes_) {
        inner_->wake();  // which rings
    } else {
        limiter_.want(models_.front());
    }
}

Pull LimitedScheduler::try_pull(size_t instance, int64_t now_ns, Batch& batch,
                                std::vector<DroppedRequest>& dropped) {
    if (may_end(instance)) {
        return end(instance, now_ns, batch, dropped);
    }
    if (!limiter_.try_acquire(place_of(instance))) {
        return {.kind = Pull::Kind::kIdle};
    }
    return look(instance, now_ns, batch, dropped);
}

Pull LimitedScheduler::pull(size_t instance, InstanceSeat* /*seat*/, Batch& batch,
                            std::vector<DroppedRequest>& dropped) {
    const size_t dropped_before = dropped.size();
    int64_t deadline_ns = RateLimiter::kNever;
    const RateLimiter::Instance place = place_of(instance);
    want_look(instance);  // an earlier pull may have left it at a look
    for (;;) {
        const uint64_t epoch = limiter_.epoch(place.model);
        Pull answer;
        if (may_end(instance)) {
            answer = end(instance, clock_.now_ns(), batch, dropped);
            if (answer.kind == Pull::Kind::kWait) {
                deadline_ns = std::exchange(answer, {}).wait_until_ns;
            }
        }
        if (answer.kind == Pull::Kind::kIdle && dropped.size() == dropped_before) {
            if (!limiter_.acquire(place, deadline_ns, epoch)) {
                deadline_ns = RateLimiter::kNever;
                want_look(instance);
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

Pull LimitedScheduler::end(size_t instance, int64_t now_ns, Batch& batch,
                           std::vector<DroppedRequest>& dropped) {
    const Pull answer = inner_->try_pull(instance, now_ns, batch, dropped);
    if (answer.kind == Pull::Kind::kStopped) {
        retire(instance);
    }
    return answer;
}

void LimitedScheduler::retire(size_t instance) {
    limiter_.retire(place_of(instance));
    want_if_queued();  // a look that was granted to it is somebody else's
}

void LimitedScheduler::dismiss(size_t instance, int64_t until_ns) {
    inner_->dismiss(instance, until_ns);
    const RateLimiter::Instance place = place_of(instance);
    if (has_lanes_) {
        limiter_.wake_all(place.model);  // perhaps it waits for a turn that it does not need
    } else {
        limiter_.send_away(place);  // now: it pulls without a turn, and gets no batch
    }
}

Pull LimitedScheduler::look(size_t instance, int64_t now_ns, Batch& batch,
                            std::vector<DroppedRequest>& dropped) {
    const Pull answer = inner_->try_pull(instance, now_ns, batch, dropped);
    if (answer.kind == Pull::Kind::kBatch) {
        want_if_queued();  // the rest is somebody else's
    } else {
        limiter_.release(place_of(instance), false);
    }
    if (answer.kind == Pull::Kind::kStopped) {
        retire(instance);
    }
    send_home();
    return answer;
}

void LimitedScheduler::executed(size_t instance) {
    inner_->executed(instance);
    limiter_.release_if_held(place_of(instance));
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

Status LimitedScheduler::reschedule(std::unique_ptr<InferenceRequest>& request) {
    return inner_->reschedule(request);
}

void LimitedScheduler::set_available(size_t instance, bool available, const Status& status,
                                     std::vector<DroppedRequest>& dropped) {
    inner_->set_available(instance, available, status, dropped);
}

void LimitedScheduler::stop() {
    inner_->stop();
    stopped_.store(true, std::memory_order_release);
    want_if_queued();
    wake_all();
}

size_t LimitedScheduler::queued() const { return inner_->queued(); }

void LimitedScheduler::send_home() {
    if (may_end()) {
        wake_all();
    }
}

void LimitedScheduler::wake_all() {
    for (RateLimiter::ModelId model : models()) {
        limiter_.wake_all(model);
    }
}

void LimitedScheduler::want_if_queued() {
    if (!has_lanes_ && queued() > 0) {
        limiter_.want(models_.front());
    }
}

// Once stopped and empty it looks without a turn; and its look would wake the others for theirs.
void LimitedScheduler::want_look(size_t instance) {
    if (!has_lanes_) {
        want_if_queued();
    } else if (!may_end()) {
        ring(instance);
    }
}

}  // namespace tritonpy
