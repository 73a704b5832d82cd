#include "model/rollout.h"

#include <algorithm>
#include <utility>

namespace tritonpy {

namespace {

bool is_failure(const Status& status) {
    return !status.ok() &&
           (status.code() == StatusCode::kUnknown || status.code() == StatusCode::kInternal ||
            status.code() == StatusCode::kUnavailable);
}

}  // namespace

// Stands between a request and its sink; is freed by the final response, or by withdraw.
class Rollout::Probe final : public ResponseSink {
  public:
    Probe(std::shared_ptr<Rollout> rollout, size_t target, ResponseSink& sink, int64_t start_ns,
          std::unique_ptr<InferenceRequest> for_shadow)
        : rollout_(std::move(rollout)),
          target_(target),
          sink_(sink),
          start_ns_(start_ns),
          for_shadow_(std::move(for_shadow)) {}

    ResponseSink& sink() { return sink_; }

    void deliver(std::unique_ptr<InferenceResponse> response) override {
        if (!response->final) {
            for_shadow_.reset();
            sink_.deliver(std::move(response));
            return;
        }
        const std::unique_ptr<Probe> freed(this);
        response->request->sink = &sink_;
        rollout_->note(target_, response->status, rollout_->clock_.now_ns() - start_ns_);
        const bool has_shadow = for_shadow_ != nullptr && response->status.ok();
        std::vector<Tensor> answer;
        if (has_shadow) {
            answer = response->outputs;
        }
        sink_.deliver(std::move(response));
        if (has_shadow) {  // after the client was answered
            rollout_->shadow_->ask(std::move(for_shadow_), std::move(answer));
        }
    }

  private:
    const std::shared_ptr<Rollout> rollout_;
    const size_t target_;
    ResponseSink& sink_;
    const int64_t start_ns_;
    std::unique_ptr<InferenceRequest> for_shadow_;  // null: not shadowed
};

Rollout::Rollout(std::string model, RolloutConfig config, InferenceDoor& shadow_door,
                 const Clock& clock, Log& log)
    : model_(std::move(model)),
      split_(std::move(config.targets), std::move(config.sticky), std::move(config.headers)),
      rollback_(std::move(config.rollback)),
      shadow_(config.shadow ? std::make_shared<ShadowTraffic>(*std::move(config.shadow),
                                                              shadow_door)
                            : nullptr),
      clock_(clock),
      log_(log) {
    for (size_t index = 0; index < targets().size(); ++index) {
        tracks_.push_back(std::make_unique<Track>(rollback_));
    }
}

size_t Rollout::choose(const InferenceRequest& request) {
    if (is_rolled_back_.load(std::memory_order_relaxed)) {
        return rollback_->to;
    }
    if (const std::optional<size_t> target = split_.ruled_target(request)) {
        return *target;
    }
    if (const std::optional<uint64_t> point = split_.sticky_point(request)) {
        return split_.at(*point);
    }
    return split_.at(TrafficSplit::turn_point(turn_.fetch_add(1, std::memory_order_relaxed)));
}

size_t Rollout::main_target() const {
    return is_rolled_back_.load(std::memory_order_relaxed) ? rollback_->to : split_.heaviest();
}

std::optional<size_t> Rollout::target_of(int64_t version) const {
    const auto found = std::ranges::find(targets(), version, &TrafficTarget::version);
    return found == targets().end() ? std::nullopt
                                    : std::optional<size_t>(found - targets().begin());
}

Result<int64_t> Rollout::version_of(std::string_view label) const {
    std::string known;
    for (const TrafficTarget& target : targets()) {
        if (target.label == label) {
            return target.version;
        }
        known += (known.empty() ? "'" : ", '") + target.label + "'";
    }
    return invalid_arg("model '" + model_ + "' has no version label '" + std::string(label) +
                       "', only " + known);
}

void Rollout::watch(size_t target, InferenceRequest& request) {
    tracks_[target]->requests.fetch_add(1, std::memory_order_relaxed);
    if (has_probes()) {
        const int64_t version = targets()[target].version;
        auto for_shadow = shadow_ == nullptr ? nullptr : shadow_->copy_if_due(request, version);
        // Not owned from here on: the request's answer, which is certain to come, frees it.
        request.sink = std::make_unique<Probe>(shared_from_this(), target, *request.sink,
                                               clock_.now_ns(), std::move(for_shadow))
                           .release();
    }
}

void Rollout::withdraw(size_t target, InferenceRequest& request, const Status& refusal) {
    if (has_probes()) {
        const std::unique_ptr<Probe> freed(static_cast<Probe*>(request.sink));
        request.sink = &freed->sink();
        note(target, refusal, 0);
    }
}

void Rollout::note(size_t target, const Status& status, int64_t duration_ns) {
    const bool failed = is_failure(status);
    if (!failed && !status.ok()) {
        return;
    }
    Track& track = *tracks_[target];
    if (failed) {
        track.failures.fetch_add(1, std::memory_order_relaxed);
    }
    if (!rollback_ || targets()[target].version == targets()[rollback_->to].version) {
        return;  // there is nothing better to go to
    }
    std::optional<std::string> verdict;
    {
        std::lock_guard lock(track.mutex);
        track.window->add(failed, duration_ns);
        verdict = track.window->verdict();
    }
    if (verdict) {
        roll_back(target, *verdict);
    }
}

void Rollout::roll_back(size_t target, const std::string& verdict) {
    if (is_rolled_back_.exchange(true, std::memory_order_relaxed)) {
        return;
    }
    const TrafficTarget& gone = targets()[target];
    const TrafficTarget& to = targets()[rollback_->to];
    const std::string reason =
        "label '" + gone.label + "' (version " + std::to_string(gone.version) + "): " + verdict;
    {
        std::lock_guard lock(mutex_);
        reason_ = reason;
    }
    TRITONPY_LOG(log_, LogLevel::kWarning,
                 "rollout of model '" + model_ + "' goes back to label '" + to.label +
                     "' (version " + std::to_string(to.version) + "), because of " + reason);
}

RolloutCounters Rollout::counters() const {
    RolloutCounters counters;
    for (size_t index = 0; index < targets().size(); ++index) {
        counters.targets.push_back({targets()[index],
                                    tracks_[index]->requests.load(std::memory_order_relaxed),
                                    tracks_[index]->failures.load(std::memory_order_relaxed)});
    }
    if (shadow_ != nullptr) {
        counters.shadow = shadow_->counters();
    }
    std::lock_guard lock(mutex_);
    counters.rolled_back = reason_;
    return counters;
}

void Rollout::continue_from(const Rollout& before) {
    for (size_t index = 0; index < targets().size(); ++index) {
        for (size_t old = 0; old < before.targets().size(); ++old) {
            const TrafficTarget& target = before.targets()[old];
            if (target.label == targets()[index].label &&
                target.version == targets()[index].version) {
                tracks_[index]->requests = before.tracks_[old]->requests.load();
                tracks_[index]->failures = before.tracks_[old]->failures.load();
            }
        }
    }
}

}  // namespace tritonpy
