#include "scheduler/policy_batcher.h"

#include <algorithm>
#include <utility>

#include "scheduler/batch_rows.h"
#include "scheduler/pull_loop.h"
#include "scheduler/refusals.h"

namespace tritonpy {
PolicyBatcher::PolicyBatcher(const BatcherConfig& config, const Clock& clock)
    : preserve_ordering_(config.preserve_ordering),
      uniform_requests_(config.uniform_requests),
      max_held_(queue_size_of(config.queue.of_level(config.queue.level_of(0)))),
      clock_(clock),
      queue_(config.queue),
      policy_(config),
      hold_until_admitted_(
          config.dynamic_batching ? std::min(config.delay_until_queued, max_held_) : 0) {}

// ---- producers

Status PolicyBatcher::admit(std::unique_ptr<InferenceRequest>& request, int64_t now_ns,
                            bool& wake_due) {
    bool watch_due = false;
    {
        std::lock_guard lock(mutex_);
        if (stopped_) {
            return scheduler_stopping(*request);
        }
        if (!queue_.has_place(request->priority) || order_.held() >= max_held_) {
            return queue_full(*request);
        }
        request->trace.queue_start_ns = now_ns;
        if (preserve_ordering_) {
            order_.admit(*request);
        }
        queue_.push(std::move(request), now_ns);
        ++admitted_;
        watch_due = watch_times_.note_queued(queue_.next_timeout_ns(), now_ns);
    }
    if (watch_due) {
        watch_.notify_one();
    }
    wake_due = true;
    return Status();
}

void PolicyBatcher::wake() { idle_instances_.notify_one(); }

void PolicyBatcher::stop() {
    {
        std::lock_guard lock(mutex_);
        stopped_ = true;
    }
    idle_instances_.notify_all();
    watch_.notify_all();
}

size_t PolicyBatcher::queued() const {
    std::lock_guard lock(mutex_);
    return queue_.size();
}

// ---- instances

Pull PolicyBatcher::pull(size_t instance, InstanceSeat* seat, Batch& batch,
                         std::vector<DroppedRequest>& dropped) {
    return pull_when_due(idle_instances_, seat, dropped, [&] {
        return try_pull(instance, clock_.now_ns(), batch, dropped);
    });
}

void PolicyBatcher::dismiss(size_t instance, int64_t /*until_ns*/) {
    {
        std::lock_guard lock(mutex_);
        dismissals_.add(instance);
    }
    idle_instances_.notify_all();
}

Pull PolicyBatcher::try_pull(size_t instance, int64_t now_ns, Batch& batch,
                             std::vector<DroppedRequest>& dropped) {
    Pull answer;
    bool more = false;
    bool finished = false;
    {
        std::lock_guard lock(mutex_);
        answer = dismissals_.take(instance) ? Pull{.kind = Pull::Kind::kStopped}
                                            : take_turn(now_ns, batch, dropped);
        more = queue_.size() > 0;
        finished = is_finished();
    }
    if (finished) {
        idle_instances_.notify_all();  // the others may go home
        watch_.notify_all();
    } else if (answer.kind == Pull::Kind::kStopped) {
        idle_instances_.notify_all();  // for what a dismissed instance was woken for
    } else if (answer.kind == Pull::Kind::kBatch && more) {
        idle_instances_.notify_one();  // the rest is somebody else's
    }
    return answer;
}

Pull PolicyBatcher::take_turn(int64_t now_ns, Batch& batch,
                              std::vector<DroppedRequest>& dropped) {
    queue_.expire(now_ns, dropped);
    if (is_held_back()) {
        return pull_again_at(queue_.next_timeout_ns());
    }
    walk(dropped);
    if (policy_.count() == 0) {  // then nobody waits
        return {.kind = stopped_ ? Pull::Kind::kStopped : Pull::Kind::kIdle};
    }
    const BatchDecision decision = policy_.decide(stopped_ ? BatchPolicy::kEndOfTime : now_ns);
    if (decision.run_count == 0) {
        return pull_again_at(std::min(decision.wait_until_ns, queue_.next_timeout_ns()));
    }
    for (size_t i = 0; i < decision.run_count; ++i) {
        batch.add(queue_.take_first());
    }
    return {.kind = Pull::Kind::kBatch};
}

// Requests that have timed out count too: else the hold might never end.
bool PolicyBatcher::is_held_back() {
    if (admitted_ < hold_until_admitted_ && !stopped_) {
        return true;
    }
    hold_until_admitted_ = 0;
    return false;
}

void PolicyBatcher::walk(std::vector<DroppedRequest>& dropped) {
    policy_.reset();
    const InferenceRequest* first = nullptr;
    for (auto place = queue_.begin(); place != queue_.end() && policy_.wants_more();) {
        const InferenceRequest& request = *place->second.request;
        if (request.is_cancelled()) {
            place = queue_.drop_cancelled(place, dropped);
            continue;
        }
        const bool compatible =
            first == nullptr || uniform_requests_ || may_share_batch(*first, request);
        if (!policy_.offer(rows_of(request), compatible, request.trace.queue_start_ns)) {
            return;
        }
        first = first == nullptr ? &request : first;
        ++place;
    }
}

// ---- the watch

Pull PolicyBatcher::expire(std::vector<DroppedRequest>& dropped) {
    return pull_when_due(watch_, nullptr, dropped,
                         [&] { return try_expire(clock_.now_ns(), dropped); });
}

Pull PolicyBatcher::try_expire(int64_t now_ns, std::vector<DroppedRequest>& dropped) {
    Pull answer;
    bool finished = false;
    {
        std::lock_guard lock(mutex_);
        queue_.expire(now_ns, dropped);
        if (watch_times_.take_cancel_look(now_ns)) {
            queue_.drop_all_cancelled(dropped);
        }
        const int64_t look_ns = queue_.size() == 0 ? watch_times_.rest()
                                                   : watch_times_.rest(queue_.next_timeout_ns());
        finished = is_finished();
        answer = finished ? Pull{.kind = Pull::Kind::kStopped} : pull_again_at(look_ns);
    }
    if (finished) {
        idle_instances_.notify_all();
    }
    return answer;
}

// ---- responses

void PolicyBatcher::respond(const InferenceRequest& request,
                            std::unique_ptr<InferenceResponse> response) {
    if (preserve_ordering_) {
        order_.deliver(request, std::move(response));
    } else {
        request.sink->deliver(std::move(response));
    }
}

void PolicyBatcher::deliver(std::unique_ptr<InferenceResponse> response) {
    const InferenceRequest& request = *response->request;
    respond(request, std::move(response));
}

}  // namespace tritonpy
