#include "scheduler/latency_batcher.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "scheduler/batch_rows.h"
#include "scheduler/pull_loop.h"
#include "scheduler/queue_delay.h"
#include "scheduler/refusals.h"

namespace tritonpy {
namespace {

int64_t max_rows_of(const BatcherConfig& config) {
    return config.dynamic_batching ? config.max_batch_size : 1;
}

// What the request may take from being queued to being answered.
int64_t time_ns_of(const InferenceRequest& request, int64_t objective_us) {
    return queue_delay_ns(has_shorter_timeout(request, objective_us)
                              ? static_cast<int64_t>(request.timeout_us)
                              : objective_us);
}

}  // namespace

LatencyBatcher::LatencyBatcher(const BatcherConfig& config, const Clock& clock)
    : objective_us_(config.latency_objective_us),
      uniform_requests_(config.uniform_requests),
      clock_(clock),
      queue_(queue_size_of(config.queue.default_policy)),
      policy_(max_rows_of(config), queue_delay_ns(config.latency_objective_us)),
      costs_(config.max_batch_size),
      free_ns_(config.instance_count) {
    TRITONPY_CHECK(objective_us_ > 0);
    for (size_t instance = 0; instance < config.instance_count; ++instance) {
        running_.emplace(instance, Running());
    }
}

// ---- producers

Status LatencyBatcher::admit(std::unique_ptr<InferenceRequest>& request, int64_t now_ns,
                             bool& wake_due) {
    bool watch_due = false;
    {
        std::lock_guard lock(mutex_);
        if (stopped_) {
            return scheduler_stopping(*request);
        }
        if (!queue_.has_place()) {
            return queue_full(*request);
        }
        const int64_t deadline_ns = now_ns + time_ns_of(*request, objective_us_);
        const LatencyPolicy::Arrival arrival{rows_of(*request), deadline_ns,
                                             queue_.rows_until(deadline_ns)};
        bool is_trial = false;
        if (!admits(arrival, now_ns)) {
            is_trial = !has_shorter_timeout(*request, objective_us_) &&
                       is_due_for_trial(arrival, now_ns);
            if (!is_trial) {
                return too_late(*request, objective_us_);
            }
        }
        request->trace.queue_start_ns = now_ns;
        queue_.push(std::move(request), deadline_ns, is_trial);
        watch_due = watch_times_.note_queued(first_refused_ns(), now_ns);
    }
    if (watch_due) {
        watch_.notify_one();
    }
    wake_due = true;
    return Status();
}

bool LatencyBatcher::admits(const LatencyPolicy::Arrival& arrival, int64_t now_ns) {
    if (!costs_.know_any() || running_.empty()) {  // those that come take their places soon
        return true;
    }
    free_ns_.clear();
    for (const auto& [instance, running] : running_) {
        free_ns_.push_back(running.free_ns);
    }
    return policy_.admits(arrival, now_ns, free_ns_, costs_);
}

bool LatencyBatcher::is_due_for_trial(const LatencyPolicy::Arrival& arrival, int64_t now_ns) {
    if (now_ns + costs_.cost_ns(arrival.rows) <= arrival.deadline_ns || queue_.has_trial() ||
        std::ranges::any_of(running_, [](const auto& one) { return one.second.is_trial; })) {
        return false;
    }
    if (costs_.know(arrival.rows) && ++refused_for_cost_ < kTrialEvery) {
        return false;
    }
    refused_for_cost_ = 0;
    return true;
}

void LatencyBatcher::dismiss(size_t instance, int64_t /*until_ns*/) {
    {
        std::lock_guard lock(mutex_);
        dismissals_.add(instance);
    }
    idle_instances_.notify_all();
}

void LatencyBatcher::wake() { idle_instances_.notify_one(); }

void LatencyBatcher::stop() {
    {
        std::lock_guard lock(mutex_);
        stopped_ = true;
    }
    idle_instances_.notify_all();
    watch_.notify_all();
}

size_t LatencyBatcher::queued() const {
    std::lock_guard lock(mutex_);
    return queue_.size();
}

// ---- instances

Pull LatencyBatcher::pull(size_t instance, InstanceSeat* seat, Batch& batch,
                          std::vector<DroppedRequest>& dropped) {
    return pull_when_due(idle_instances_, seat, dropped, [&] {
        return try_pull(instance, clock_.now_ns(), batch, dropped);
    });
}

Pull LatencyBatcher::try_pull(size_t instance, int64_t now_ns, Batch& batch,
                              std::vector<DroppedRequest>& dropped) {
    Pull answer;
    bool more = false;
    bool finished = false;
    {
        std::lock_guard lock(mutex_);
        if (dismissals_.take(instance)) {
            running_.erase(instance);
            answer = {.kind = Pull::Kind::kStopped};
        } else {
            answer = take_turn(running_[instance], now_ns, batch, dropped);
        }
        more = queue_.size() > 0;
        finished = is_finished();
    }
    if (finished) {
        idle_instances_.notify_all();  // the others may go home
        watch_.notify_all();
    } else if (more) {
        idle_instances_.notify_one();  // the rest is somebody else's
    }
    return answer;
}

Pull LatencyBatcher::take_turn(Running& running, int64_t now_ns, Batch& batch,
                               std::vector<DroppedRequest>& dropped) {
    for (;;) {
        walk(dropped);
        if (policy_.count() == 0) {  // then nobody waits
            return {.kind = stopped_ ? Pull::Kind::kStopped : Pull::Kind::kIdle};
        }
        const LatencyDecision decision = policy_.decide(now_ns, costs_);
        for (size_t i = 0; i < decision.give_up_count; ++i) {
            refuse_first(dropped);
        }
        if (decision.run_count > 0) {
            run_first(decision.run_count, running, now_ns, batch);
            return {.kind = Pull::Kind::kBatch};
        }
    }
}

void LatencyBatcher::walk(std::vector<DroppedRequest>& dropped) {
    policy_.reset();
    const InferenceRequest* before = nullptr;
    for (auto place = queue_.begin(); place != queue_.end() && policy_.wants_more();) {
        const auto& [request, is_trial] = place->second;
        if (request->is_cancelled()) {
            place = queue_.drop_cancelled(place, dropped);
            continue;
        }
        const bool joins =
            before != nullptr && (uniform_requests_ || may_share_batch(*before, *request));
        policy_.offer({rows_of(*request), place->first.first, joins, is_trial});
        before = request.get();
        ++place;
    }
}

void LatencyBatcher::run_first(size_t count, Running& running, int64_t now_ns, Batch& batch) {
    // (While nothing is known every batch is a trial.)
    running = {.start_ns = now_ns,
               .deadline_ns = queue_.first_deadline_ns(),
               .is_trial = queue_.begin()->second.is_trial || !costs_.know_any()};
    for (size_t i = 0; i < count; ++i) {
        std::unique_ptr<InferenceRequest> request = queue_.take_first();
        running.rows += rows_of(*request);
        batch.add(std::move(request));
    }
    running.free_ns = now_ns + costs_.cost_ns(running.rows);
}

void LatencyBatcher::executed(size_t instance) {
    const int64_t now_ns = clock_.now_ns();
    std::lock_guard lock(mutex_);
    Running& running = running_[instance];
    if (running.rows > 0) {
        const bool late = !running.is_trial && now_ns > running.deadline_ns;
        costs_.observe(running.rows, now_ns - running.start_ns, late);
        running = {};
    }
}

void LatencyBatcher::refuse_first(std::vector<DroppedRequest>& dropped) {
    std::unique_ptr<InferenceRequest> request = queue_.take_first();
    Status status = too_late(*request, objective_us_);
    dropped.push_back({std::move(request), std::move(status)});
}

// ---- the watch

// When the first in line is late, though it would run at once. REQUIRES: the queue is not empty.
int64_t LatencyBatcher::first_refused_ns() {
    const auto& [request, is_trial] = queue_.begin()->second;
    const int64_t cost_ns = is_trial ? 0 : costs_.cost_ns(rows_of(*request));
    return queue_.first_deadline_ns() - cost_ns + 1;
}

Pull LatencyBatcher::expire(std::vector<DroppedRequest>& dropped) {
    return pull_when_due(watch_, nullptr, dropped,
                         [&] { return try_expire(clock_.now_ns(), dropped); });
}

Pull LatencyBatcher::try_expire(int64_t now_ns, std::vector<DroppedRequest>& dropped) {
    Pull answer;
    {
        std::lock_guard lock(mutex_);
        if (watch_times_.take_cancel_look(now_ns)) {
            queue_.drop_all_cancelled(dropped);
        }
        while (queue_.size() > 0 && first_refused_ns() <= now_ns) {
            refuse_first(dropped);
        }
        const int64_t look_ns =
            queue_.size() == 0 ? watch_times_.rest() : watch_times_.rest(first_refused_ns());
        answer = is_finished() ? Pull{.kind = Pull::Kind::kStopped} : pull_again_at(look_ns);
    }
    if (answer.kind == Pull::Kind::kStopped) {
        idle_instances_.notify_all();
    }
    return answer;
}

// ---- responses

void LatencyBatcher::deliver(std::unique_ptr<InferenceResponse> response) {
    const InferenceRequest& request = *response->request;
    respond(request, std::move(response));
}

}  // namespace tritonpy
