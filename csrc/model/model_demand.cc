#include "model/model_demand.h"

#include <utility>

#include "scheduler/refusals.h"

namespace tritonpy {

ModelDemand::ModelDemand(std::string name, std::shared_ptr<const ModelIdentity> expected,
                         bool is_in, WantedModels& wanted, const Clock& clock)
    : name_(std::move(name)),
      wanted_(wanted),
      clock_(clock),
      is_in_(is_in),
      expected_(std::move(expected)) {}

void ModelDemand::note_use() {
    hits_.fetch_add(1, std::memory_order_relaxed);
    last_used_ns_.store(clock_.now_ns(), std::memory_order_relaxed);
}

std::shared_ptr<const ModelIdentity> ModelDemand::expected() const {
    std::lock_guard lock(mutex_);
    return expected_;
}

Result<ModelDemand::Arrival> ModelDemand::wait(std::unique_ptr<InferenceRequest>& request,
                                               bool from_model) {
    std::lock_guard lock(mutex_);
    if (is_in() || has_ended_) {
        return Arrival::kLooksAgain;
    }
    ++waits_;
    TRITONPY_RETURN_IF_ERROR(failure_locked());
    if (waiting_.size() >= kMaxWaiting) {
        return queue_full(*request);
    }
    last_used_ns_.store(clock_.now_ns(), std::memory_order_relaxed);
    waiting_.push_back({std::move(request), from_model});
    want();
    return Arrival::kWaits;
}

void ModelDemand::want() {
    if (!std::exchange(is_wanted_, true)) {
        wanted_.add(name_);
    }
}

Status ModelDemand::failure() const {
    std::lock_guard lock(mutex_);
    return is_in() ? Status() : failure_locked();
}

Status ModelDemand::failure_locked() const {
    return clock_.now_ns() < failed_until_ns_ ? failure_ : Status();
}

std::vector<ModelDemand::Waiting> ModelDemand::next_batch() {
    std::lock_guard lock(mutex_);
    if (waiting_.empty()) {
        is_wanted_ = false;
        failed_until_ns_ = 0;
        is_in_.store(true, std::memory_order_release);
    }
    return std::exchange(waiting_, {});
}

void ModelDemand::renew(std::shared_ptr<const ModelIdentity> expected) {
    std::lock_guard lock(mutex_);
    expected_ = std::move(expected);
    failed_until_ns_ = 0;
}

void ModelDemand::shut(std::shared_ptr<const ModelIdentity> last) {
    std::lock_guard lock(mutex_);
    expected_ = std::move(last);
    is_wanted_ = true;
    is_in_.store(false, std::memory_order_release);
}

void ModelDemand::gone() {
    std::lock_guard lock(mutex_);
    is_wanted_ = false;
    if (!waiting_.empty()) {
        want();
    }
}

std::vector<ModelDemand::Waiting> ModelDemand::fail(Status error, int64_t until_ns) {
    std::lock_guard lock(mutex_);
    if (!is_in()) {
        failure_ = std::move(error);
        failed_until_ns_ = until_ns;
        is_wanted_ = false;
    }
    return std::exchange(waiting_, {});
}

std::vector<ModelDemand::Waiting> ModelDemand::end() {
    std::lock_guard lock(mutex_);
    has_ended_ = true;
    return std::exchange(waiting_, {});
}

DemandCounters ModelDemand::counters() const {
    std::lock_guard lock(mutex_);
    return {name_,
            is_in(),
            hits_.load(std::memory_order_relaxed),
            waits_,
            waiting_.size(),
            last_used_ns_.load(std::memory_order_relaxed)};
}

}  // namespace tritonpy
