#include "scheduler/rate_limiter.h"

#include <chrono>
#include <string>
#include <utility>

namespace tritonpy {

RateLimiter::RateLimiter(std::vector<ResourceCount> counts, Log& log)
    : log_(log), turns_(std::move(counts)) {}

Result<RateLimiter::ModelId> RateLimiter::add(std::span<const InstanceNeeds> instances) {
    std::lock_guard lock(mutex_);
    const ModelId id = last_id_ + 1;
    TRITONPY_RETURN_IF_ERROR(turns_.add(id, instances));
    last_id_ = id;
    add_waiters(id, instances.size());
    return id;
}

Status RateLimiter::grow(ModelId model, std::span<const InstanceNeeds> instances) {
    std::lock_guard lock(mutex_);
    TRITONPY_RETURN_IF_ERROR(turns_.grow(model, instances));
    add_waiters(model, instances.size());
    return Status();
}

void RateLimiter::add_waiters(ModelId model, size_t count) {
    std::vector<std::unique_ptr<Waiter>>& waiters = models_[model].waiters;
    for (size_t added = 0; added < count; ++added) {
        waiters.push_back(std::make_unique<Waiter>());
    }
    log_uses();
    grant();  // a count may have grown
}

void RateLimiter::send_away(Instance instance) {
    std::lock_guard lock(mutex_);
    Waiter& waiter = waiter_of(instance);
    waiter.is_sent_away = true;
    waiter.changed.notify_one();
}

bool RateLimiter::is_sent_away(Instance instance) const {
    std::lock_guard lock(mutex_);
    return waiter_of(instance).is_sent_away;
}

void RateLimiter::retire(Instance instance) {
    std::lock_guard lock(mutex_);
    turns_.retire(instance);
    log_uses();
    grant();  // as for remove
}

void RateLimiter::remove(ModelId model) {
    std::lock_guard lock(mutex_);
    turns_.remove(model);
    models_.erase(model);
    log_uses();
    grant();  // who was behind it need not wait any more
}

void RateLimiter::want(ModelId model) {
    std::lock_guard lock(mutex_);
    turns_.want(model);
    grant();
}

void RateLimiter::wake_all(ModelId model) {
    std::lock_guard lock(mutex_);
    Model& woken = models_.at(model);
    ++woken.epoch;
    for (const auto& waiter : woken.waiters) {
        waiter->changed.notify_one();
    }
}

uint64_t RateLimiter::epoch(ModelId model) const {
    std::lock_guard lock(mutex_);
    return models_.at(model).epoch;
}

bool RateLimiter::acquire(Instance instance, int64_t deadline_ns, uint64_t epoch) {
    std::unique_lock lock(mutex_);
    const Model& model = models_.at(instance.model);
    Waiter& waiter = waiter_of(instance);
    turns_.park(instance);
    grant();
    const auto is_over = [&] {
        return waiter.granted || model.epoch != epoch || waiter.is_sent_away;
    };
    if (deadline_ns == kNever) {
        waiter.changed.wait(lock, is_over);
    } else {
        const std::chrono::steady_clock::time_point deadline{
            std::chrono::nanoseconds(deadline_ns)};
        waiter.changed.wait_until(lock, deadline, is_over);
    }
    if (std::exchange(waiter.granted, false)) {
        return true;
    }
    turns_.leave(instance);
    grant();  // its rivals need not wait for it any more
    return false;
}

bool RateLimiter::try_acquire(Instance instance) {
    std::lock_guard lock(mutex_);
    turns_.park(instance);
    turns_.want(instance.model);
    grant();
    if (std::exchange(waiter_of(instance).granted, false)) {
        return true;
    }
    turns_.leave(instance);
    return false;
}

void RateLimiter::release(Instance instance, bool ran) {
    std::lock_guard lock(mutex_);
    turns_.done(instance, ran);
    grant();
}

void RateLimiter::release_if_held(Instance instance) {
    std::lock_guard lock(mutex_);
    if (turns_.is_running(instance)) {
        turns_.done(instance, true);
        grant();
    }
}

std::vector<ResourceTurns::Use> RateLimiter::uses() const {
    std::lock_guard lock(mutex_);
    return turns_.uses();
}

void RateLimiter::grant() {
    while (const std::optional<Instance> next = turns_.next()) {
        Waiter& waiter = waiter_of(*next);
        waiter.granted = true;
        waiter.changed.notify_one();
    }
}

void RateLimiter::log_uses() const {
    if (!log_.enabled(LogLevel::kVerbose)) {
        return;
    }
    for (const ResourceTurns::Use& use : turns_.uses()) {
        const std::string where = use.device ? "\t Device: " + std::to_string(*use.device) : "";
        TRITONPY_LOG(log_, LogLevel::kVerbose,
                     "Resource: " + use.name + "\t Count: " + std::to_string(use.count) + where);
    }
}

}  // namespace tritonpy
