#include "model/shadow_traffic.h"

#include <algorithm>
#include <utility>

#include "infer/derived_request.h"
#include "infer/response.h"
#include "model/traffic_split.h"
#include "scheduler/sequence_slots.h"

namespace tritonpy {

// Takes the shadow's answer; is freed by it.
class ShadowTraffic::Comparison final : public ResponseSink {
  public:
    Comparison(std::shared_ptr<ShadowTraffic> shadow, std::vector<Tensor> answer)
        : shadow_(std::move(shadow)), answer_(std::move(answer)) {}

    void deliver(std::unique_ptr<InferenceResponse> response) override {
        if (response->final) {
            const std::unique_ptr<Comparison> freed(this);
            finish(response->status, response->outputs);
        }
    }

    void finish(const Status& status, const std::vector<Tensor>& outputs) {
        AnswerComparison result;
        if (status.ok()) {
            result = compare_answers(answer_, outputs, shadow_->rule_.tolerance);
        }
        shadow_->note(status, result);
    }

  private:
    const std::shared_ptr<ShadowTraffic> shadow_;
    const std::vector<Tensor> answer_;
};

ShadowTraffic::ShadowTraffic(ShadowRule rule, InferenceDoor& door)
    : rule_(std::move(rule)), door_(door) {
    counters_.label = rule_.label;
    counters_.version = rule_.version;
}

std::unique_ptr<InferenceRequest> ShadowTraffic::copy_if_due(const InferenceRequest& request,
                                                             int64_t version) {
    if (version == rule_.version || !is_none(request.correlation_id)) {
        return nullptr;
    }
    const uint64_t point =
        TrafficSplit::turn_point(turn_.fetch_add(1, std::memory_order_relaxed));
    if ((((point >> 32) * 100) >> 32) >= rule_.percent) {
        return nullptr;
    }
    std::unique_ptr<InferenceRequest> copy = derived_request(request);
    copy->cancellation = nullptr;  // the client's alone
    copy->model_name = request.model_name;
    copy->model_version = rule_.version;
    copy->inputs = request.inputs;
    copy->outputs = request.outputs;
    return copy;
}

void ShadowTraffic::ask(std::unique_ptr<InferenceRequest> copy, std::vector<Tensor> answer) {
    if (in_flight_.fetch_add(1, std::memory_order_relaxed) >= kMaxInFlight) {
        in_flight_.fetch_sub(1, std::memory_order_relaxed);
        std::lock_guard lock(mutex_);
        ++counters_.skipped;
        return;
    }
    // Not owned from here on: its answer frees it, perhaps before infer returns.
    Comparison* comparison =
        std::make_unique<Comparison>(shared_from_this(), std::move(answer)).release();
    copy->sink = comparison;
    if (Status asked = door_.infer(copy); !asked.ok()) {
        const std::unique_ptr<Comparison> freed(comparison);
        freed->finish(asked, {});
    }
}

void ShadowTraffic::note(const Status& status, const AnswerComparison& comparison) {
    in_flight_.fetch_sub(1, std::memory_order_relaxed);
    std::lock_guard lock(mutex_);
    if (!status.ok()) {
        ++counters_.failed;
        return;
    }
    ++(comparison.equal ? counters_.equal : counters_.different);
    counters_.max_difference = std::max(counters_.max_difference, comparison.max_difference);
}

ShadowCounters ShadowTraffic::counters() const {
    std::lock_guard lock(mutex_);
    return counters_;
}

}  // namespace tritonpy
