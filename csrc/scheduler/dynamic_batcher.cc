#include "scheduler/dynamic_batcher.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "scheduler/batch_rows.h"
#include "scheduler/pull_loop.h"
#include "scheduler/refusals.h"

namespace tritonpy {

DynamicBatcher::DynamicBatcher(BatcherConfig config, const Clock& clock)
    : config_(std::move(config)),
      max_queue_size_(queue_size_of(config_.queue.of_level(config_.queue.level_of(0)))),
      waits_quietly_(config_.dynamic_batching && config_.uniform_requests &&
                     config_.max_queue_delay_us > 0),
      clock_(clock),
      ring_(max_queue_size_),
      policy_(config_),
      hold_until_queued_(config_.dynamic_batching
                             ? std::min(config_.delay_until_queued, max_queue_size_)
                             : 0) {}

// ---- producers

Status DynamicBatcher::admit(std::unique_ptr<InferenceRequest>& request, int64_t now_ns,
                             bool& wake_due) {
    TRITONPY_RETURN_IF_ERROR(take_place(*request));
    request->trace.queue_start_ns = now_ns;
    const int64_t rows = rows_of(*request);
    TRITONPY_CHECK(ring_.try_push(request));  // whoever has a place has a slot
    wake_due = !waits_quietly_ || completes_batch(rows);
    return Status();
}

void DynamicBatcher::wake() { idle_instances_.notify_one(); }

Status DynamicBatcher::take_place(const InferenceRequest& request) {
    // Acquire, partner: the release in leave_queue. A place that was given up is a slot of the ring
    // that is free, and whoever takes the place must see that.
    uint64_t state = state_.load(std::memory_order_acquire);
    do {
        if ((state & kStopped) != 0) {
            return scheduler_stopping(request);
        }
        if (state / kOne >= max_queue_size_ || order_.held() >= max_queue_size_) {
            return queue_full(request);
        }
    } while (!state_.compare_exchange_weak(state, state + kOne, std::memory_order_acquire));
    return Status();
}

// Counts rows that were pushed, and says whether anybody needs to know. The last of several
// producers to come here sees the rows of all.
bool DynamicBatcher::completes_batch(int64_t rows) {
    // acq_rel, partner: the subtraction in leave_queue. If ours is first, that turn sees our
    // request; if ours is second, we see that the wait is over (or which one is on now).
    const int64_t queued = queued_rows_.fetch_add(rows, std::memory_order_acq_rel) + rows;
    return queued >= wake_at_rows_.load(std::memory_order_relaxed);
}

void DynamicBatcher::stop() {
    state_.fetch_or(kStopped, std::memory_order_relaxed);
    idle_instances_.notify_all();
}

size_t DynamicBatcher::queued() const {
    return state_.load(std::memory_order_relaxed) / kOne;
}

// ---- instances

Pull DynamicBatcher::pull(size_t instance, InstanceSeat* seat, Batch& batch,
                          std::vector<DroppedRequest>& dropped) {
    return pull_when_due(idle_instances_, seat, dropped, [&] {
        return try_pull(instance, clock_.now_ns(), batch, dropped);
    });
}

void DynamicBatcher::dismiss(size_t instance, int64_t /*until_ns*/) {
    {
        std::lock_guard lock(turn_);
        dismissals_.add(instance);
    }
    idle_instances_.notify_all();
}

Pull DynamicBatcher::try_pull(size_t instance, int64_t now_ns, Batch& batch,
                              std::vector<DroppedRequest>& dropped) {
    Pull answer;
    {
        std::lock_guard lock(turn_);
        answer = dismissals_.take(instance) ? Pull{.kind = Pull::Kind::kStopped}
                                            : take_turn(now_ns, batch, dropped);
    }
    if (answer.kind == Pull::Kind::kStopped || is_finished()) {
        // The others may go home, or look for what a dismissed instance was woken for.
        idle_instances_.notify_all();
    } else if (answer.kind == Pull::Kind::kBatch && queued() > 0) {
        idle_instances_.notify_one();  // the rest is somebody else's
    }
    return answer;
}

Pull DynamicBatcher::take_turn(int64_t now_ns, Batch& batch,
                               std::vector<DroppedRequest>& dropped) {
    if (is_held_back()) {
        return {.kind = Pull::Kind::kIdle};
    }
    drop_cancelled(dropped);
    walk(dropped);
    if (policy_.count() == 0) {
        return {.kind = is_finished() ? Pull::Kind::kStopped : Pull::Kind::kIdle};
    }
    const BatchDecision decision =
        policy_.decide(is_stopped() ? BatchPolicy::kEndOfTime : now_ns);
    if (decision.run_count == 0) {
        // Relaxed: who misses it wakes us once too often.
        wake_at_rows_.store(decision.wait_for_rows, std::memory_order_relaxed);
        return {.kind = Pull::Kind::kWait, .wait_until_ns = decision.wait_until_ns};
    }
    take(decision.run_count, batch);
    return {.kind = Pull::Kind::kBatch};
}

bool DynamicBatcher::is_held_back() {
    while (pending_.size() < hold_until_queued_ && fetch_pending()) {
    }
    if (pending_.size() < hold_until_queued_ && !is_stopped()) {
        return true;
    }
    hold_until_queued_ = 0;
    return false;
}

void DynamicBatcher::drop_cancelled(std::vector<DroppedRequest>& dropped) {
    size_t kept = 0;
    int64_t rows = 0;
    for (std::unique_ptr<InferenceRequest>& request : pending_) {
        if (request->is_cancelled()) {
            rows += rows_of(*request);
            dropped.push_back({std::move(request), cancelled("")});
        } else {
            std::swap(pending_[kept++], request);
        }
    }
    if (kept < pending_.size()) {
        const size_t gone = pending_.size() - kept;
        pending_.resize(kept);
        leave_queue(gone, rows);
    }
}

void DynamicBatcher::walk(std::vector<DroppedRequest>& dropped) {
    while (policy_.wants_more()) {
        const size_t next = policy_.count();
        if (next == pending_.size()) {
            if (!fetch_pending()) {
                return;
            }
            if (pending_.back()->is_cancelled()) {
                drop_cancelled(dropped);
                continue;
            }
        }
        const InferenceRequest& request = *pending_[next];
        const bool compatible =
            next == 0 || config_.uniform_requests || may_share_batch(*pending_.front(), request);
        if (!policy_.offer(rows_of(request), compatible, request.trace.queue_start_ns)) {
            return;
        }
    }
}

bool DynamicBatcher::fetch_pending() {
    std::unique_ptr<InferenceRequest> request;
    if (!ring_.try_pop(request)) {
        return false;
    }
    order_.admit(*request);
    pending_.push_back(std::move(request));
    return true;
}

void DynamicBatcher::take(size_t count, Batch& batch) {
    int64_t rows = 0;
    for (size_t i = 0; i < count; ++i) {
        rows += rows_of(*pending_[i]);
        batch.add(std::move(pending_[i]));
    }
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(count));
    leave_queue(count, rows);
}

void DynamicBatcher::leave_queue(size_t count, int64_t rows) {
    policy_.reset();
    if (waits_quietly_) {
        wake_at_rows_.store(kAnyRows, std::memory_order_relaxed);
        // acq_rel, partner: the addition in completes_batch. A producer that comes second sees that
        // nobody waits for rows now; of one that came first, queued() counts the request below.
        queued_rows_.fetch_sub(rows, std::memory_order_acq_rel);
    }
    state_.fetch_sub(count * kOne, std::memory_order_release);
}

// ---- responses

void DynamicBatcher::respond(const InferenceRequest& request,
                             std::unique_ptr<InferenceResponse> response) {
    if (config_.preserve_ordering) {
        order_.deliver(request, std::move(response));
    } else {
        request.sink->deliver(std::move(response));
    }
}

void DynamicBatcher::deliver(std::unique_ptr<InferenceResponse> response) {
    const InferenceRequest& request = *response->request;
    respond(request, std::move(response));
}

}  // namespace tritonpy
