#include "scheduler/sequence_batcher.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/limits.h"
#include "scheduler/pull_loop.h"
#include "scheduler/queue_delay.h"
#include "scheduler/refusals.h"

namespace tritonpy {
namespace {

// What the batch policy of the oldest strategy is asked for.
BatcherConfig policy_config(const SequenceConfig& config) {
    BatcherConfig policy;
    policy.dynamic_batching = config.max_batch_size > 0;
    policy.max_batch_size = std::max<int64_t>(config.max_batch_size, 1);
    policy.preferred_batch_sizes = config.preferred_batch_sizes;
    policy.max_queue_delay_us = config.max_queue_delay_us;
    return policy;
}

bool starts_sequence(const InferenceRequest& request) {
    return (request.flags & InferenceRequest::kSequenceStart) != 0;
}

std::string text_of(const CorrelationId& id) {
    const auto* number = std::get_if<uint64_t>(&id);
    return number != nullptr ? std::to_string(*number) : std::get<std::string>(id);
}

}  // namespace

SequenceBatcher::SequenceBatcher(SequenceConfig config, const Clock& clock, BlockPool& pool)
    : config_(std::move(config)),
      clock_(clock),
      controls_(config_, pool),
      preserves_order_(config_.preserve_ordering && !config_.iterative &&
                       config_.strategy == SequenceConfig::Strategy::kOldest),
      slots_(config_.instance_count, config_.slot_count(), queue_delay_ns(config_.max_idle_us)),
      hold_until_backlogged_(config_.delay_until_backlogged) {
    for (size_t instance = 0; instance < config_.instance_count; ++instance) {
        lanes_.emplace_back(instance, policy_config(config_));
    }
}

// ---- arrivals

Status SequenceBatcher::check(const InferenceRequest& request) const {
    if (config_.max_batch_size > 0 && request.rows != 1) {
        return invalid_arg("inference request to model '" + config_.model_name +
                           "' must specify batch-size 1 due to requirements of sequence batcher");
    }
    if (is_none(request.correlation_id)) {
        if (config_.iterative) {
            return Status();
        }
        return invalid_arg("inference request to model '" + config_.model_name +
                           "' must specify a non-zero or non-empty correlation ID");
    }
    return controls_.check_id(request.correlation_id);
}

Status SequenceBatcher::check_admission(const InferenceRequest& request, const CorrelationId& id,
                                        bool starts) const {
    if (stopped_) {
        return scheduler_stopping(request);
    }
    if (!starts && !slots_.is_open(id)) {
        return invalid_arg("inference request for sequence " + text_of(id) + " to model '" +
                           config_.model_name +
                           "' must specify the START flag on the first request of the sequence");
    }
    if (slots_.waiting() >= limits::kDefaultQueueSize) {
        return queue_full(request);
    }
    return Status();
}

Status SequenceBatcher::admit(std::unique_ptr<InferenceRequest>& request, int64_t now_ns,
                              bool& wake_due) {
    TRITONPY_RETURN_IF_ERROR(check(*request));
    std::unique_lock lock(mutex_);
    CorrelationId id = request->correlation_id;
    if (config_.iterative && is_none(id)) {
        while (slots_.is_open(CorrelationId(next_id_))) {
            ++next_id_;
        }
        id = next_id_++;
    }
    const bool starts = config_.iterative || starts_sequence(*request);
    TRITONPY_RETURN_IF_ERROR(check_admission(*request, id, starts));
    request->correlation_id = std::move(id);
    if (starts) {
        request->flags |= InferenceRequest::kSequenceStart;
    }
    request->trace.queue_start_ns = now_ns;
    slots_.add(std::move(request), now_ns);
    if (hold_until_backlogged_ > 0 && slots_.backlogged() >= hold_until_backlogged_) {
        slots_.tell_all();
    }
    const bool watch_due = take_watch_news();
    lock.unlock();
    if (watch_due) {
        watch_.notify_one();
    }
    wake_due = true;
    return Status();
}

std::vector<SequenceBatcher::Lane*> SequenceBatcher::take_news() {
    std::vector<Lane*> lanes;
    for (Lane& lane : lanes_) {
        if (slots_.take_news(lane.number)) {
            lanes.push_back(&lane);
        }
    }
    return lanes;
}

// Whether the watch is to look earlier than it means to, or may go home.
bool SequenceBatcher::take_watch_news() {
    const int64_t look_ns = dropped_.empty() ? slots_.next_expiry_ns() : 0;
    if (look_ns >= watched_until_ns_) {
        return is_finished();
    }
    watched_until_ns_ = look_ns;
    return true;
}

void SequenceBatcher::notify(Lane& lane) {
    if (bell_ != nullptr) {
        bell_->ring(lane.number);
    } else {
        lane.parking.notify_one();
    }
}

void SequenceBatcher::notify(const std::vector<Lane*>& lanes) {
    for (Lane* lane : lanes) {
        notify(*lane);
    }
}

SequenceBatcher::Lane& SequenceBatcher::lane_of(size_t instance) {
    std::lock_guard lock(mutex_);
    return lanes_[instance];
}

void SequenceBatcher::wake() {
    std::vector<Lane*> news;
    {
        std::lock_guard lock(mutex_);
        news = take_news();
    }
    notify(news);
}

// ---- instances

Pull SequenceBatcher::pull(size_t instance, InstanceSeat* seat, Batch& batch,
                           std::vector<DroppedRequest>& dropped) {
    return pull_when_due(lane_of(instance).parking, seat, dropped, [&] {
        return try_pull(instance, clock_.now_ns(), batch, dropped);
    });
}

Pull SequenceBatcher::try_pull(size_t instance, int64_t now_ns, Batch& batch,
                               std::vector<DroppedRequest>& dropped) {
    Pull answer;
    std::vector<Lane*> news;
    bool watch_due = false;
    {
        std::lock_guard lock(mutex_);
        answer = take_turn(lanes_[instance], now_ns, batch, dropped);
        (void)slots_.take_news(instance);  // which this thread has just looked at
        news = take_news();
        watch_due = take_watch_news();
    }
    notify(news);
    if (watch_due) {
        watch_.notify_one();
    }
    return answer;
}

// What changes with the first pull of an instance, and with the time of one that leaves.
void SequenceBatcher::note_presence(Lane& lane, int64_t now_ns,
                                    std::vector<DroppedRequest>& dropped) {
    if (lane.awaited) {
        lane.awaited = false;
        slots_.set_available(lane.number, true, Status(), dropped);
    }
    if (now_ns >= lane.closes_ns) {
        lane.closes_ns = SequenceSlots::kNever;
        slots_.close_all(lane.number);
        lane.farewell_ns = now_ns + limits::kWorkerFarewellNs;
    }
}

Pull SequenceBatcher::take_turn(Lane& lane, int64_t now_ns, Batch& batch,
                                std::vector<DroppedRequest>& dropped) {
    const size_t instance = lane.number;
    look_at_time(now_ns, dropped);
    note_presence(lane, now_ns, dropped);
    drop_cancelled(instance, now_ns, dropped);
    const int64_t farewell_ns = std::min(farewell_ns_, lane.farewell_ns);
    if (now_ns >= farewell_ns && slots_.ready(instance).empty()) {
        drop_hopeless(instance, now_ns, dropped);
        return {.kind = Pull::Kind::kStopped};
    }
    if ((stopped_ || lane.leaves) && slots_.live(instance) == 0) {
        return {.kind = Pull::Kind::kStopped};
    }
    if (slots_.ready(instance).empty() || (!lane.leaves && is_held_back())) {
        return pull_again_at(std::min(farewell_ns, lane.closes_ns));
    }
    return config_.strategy == SequenceConfig::Strategy::kDirect
               ? take_direct(instance, now_ns, batch)
               : take_oldest(instance, now_ns, batch);
}

// What waits behind requests that the model does not answer.
void SequenceBatcher::drop_hopeless(size_t instance, int64_t now_ns,
                                    std::vector<DroppedRequest>& dropped) {
    const Status refused = unavailable("model '" + config_.model_name +
                                       "' was unloaded before it answered an earlier request of "
                                       "the sequence");
    for (size_t slot : slots_.in_flight(instance)) {
        slots_.drop_waiting(slot, refused, now_ns, dropped);
    }
    if (stopped_) {
        slots_.drop_backlog(refused, dropped);
    }
}

void SequenceBatcher::drop_cancelled(size_t instance, int64_t now_ns,
                                     std::vector<DroppedRequest>& dropped) {
    // Those further back come forward.
    const auto looks = static_cast<size_t>(std::max<int64_t>(config_.max_batch_size, 1));
    chosen_.clear();
    for (size_t slot : slots_.ready(instance)) {
        if (chosen_.size() == looks) {
            break;
        }
        chosen_.push_back(slot);
    }
    for (size_t slot : chosen_) {
        if (has_cancelled(slots_.sequence(slot))) {
            slots_.drop_waiting(slot, cancelled(""), now_ns, dropped);
        }
    }
}

bool SequenceBatcher::is_held_back() {
    if (slots_.backlogged() < hold_until_backlogged_ && !stopped_) {
        return true;
    }
    hold_until_backlogged_ = 0;
    return false;
}

// The next request of a ready slot, with its controls.
InferenceRequest& SequenceBatcher::prepared(size_t slot) {
    Sequence& sequence = slots_.sequence(slot);
    InferenceRequest& request = *sequence.waiting.front();
    if (!sequence.prepared) {
        controls_.prepare(sequence, request);
    }
    return request;
}

void SequenceBatcher::take(size_t slot, Batch& batch) {
    std::unique_ptr<InferenceRequest> request = slots_.take(slot);
    request->sequence_slot = slot;
    batch.add(std::move(request));
}

// Until when to wait for more slots; 0: not at all.
int64_t SequenceBatcher::utilization_wait_ns(size_t instance, int64_t now_ns) {
    const int64_t delay_ns = queue_delay_ns(config_.max_queue_delay_us);
    const std::list<size_t>& ready = slots_.ready(instance);
    const double utilization =
        static_cast<double>(ready.size()) / static_cast<double>(slots_.slots_each());
    if (stopped_ || delay_ns == 0 || utilization >= config_.min_slot_utilization) {
        return 0;
    }
    int64_t oldest_ns = SequenceSlots::kNever - delay_ns;
    for (size_t slot : ready) {
        oldest_ns = std::min(oldest_ns,
                             slots_.sequence(slot).waiting.front()->trace.queue_start_ns);
    }
    return now_ns >= oldest_ns + delay_ns ? 0 : oldest_ns + delay_ns;
}

Pull SequenceBatcher::take_direct(size_t instance, int64_t now_ns, Batch& batch) {
    if (int64_t until_ns = utilization_wait_ns(instance, now_ns); until_ns > 0) {
        return pull_again_at(until_ns);
    }
    const InferenceRequest& longest_ready = prepared(slots_.ready(instance).front());
    chosen_.clear();
    for (size_t slot : slots_.ready(instance)) {
        if (const InferenceRequest& request = prepared(slot);
            &request == &longest_ready || may_share_batch(longest_ready, request)) {
            chosen_.push_back(slot);
        }
    }
    std::sort(chosen_.begin(), chosen_.end());
    std::unique_ptr<InferenceRequest> null;
    size_t row_slot = slots_.first_slot(instance);
    for (size_t slot : chosen_) {
        for (; row_slot < slot; ++row_slot) {
            if (null == nullptr) {
                null = controls_.make_null(*slots_.sequence(slot).waiting.front());
            }
            batch.add(std::make_unique<InferenceRequest>(*null));
        }
        take(slot, batch);
        ++row_slot;
    }
    return {.kind = Pull::Kind::kBatch};
}

Pull SequenceBatcher::take_oldest(size_t instance, int64_t now_ns, Batch& batch) {
    Lane& lane = lanes_[instance];
    BatchPolicy& policy = lane.policy;
    policy.reset();
    const std::list<size_t>& ready = slots_.ready(instance);
    const InferenceRequest& first = prepared(ready.front());
    for (auto slot = ready.begin(); slot != ready.end() && policy.wants_more(); ++slot) {
        const InferenceRequest& request = prepared(*slot);
        const bool compatible = &request == &first || may_share_batch(first, request);
        if (!policy.offer(1, compatible, request.trace.queue_start_ns)) {
            break;
        }
    }
    const BatchDecision decision = policy.decide(stopped_ ? BatchPolicy::kEndOfTime : now_ns);
    if (decision.run_count == 0) {
        return pull_again_at(decision.wait_until_ns);
    }
    for (size_t count = decision.run_count; count > 0; --count) {
        take(ready.front(), batch);
        lane.order.admit(*batch.requests.back());
    }
    return {.kind = Pull::Kind::kBatch};
}

// ---- the watch

Pull SequenceBatcher::expire(std::vector<DroppedRequest>& dropped) {
    return pull_when_due(watch_, nullptr, dropped,
                         [&] { return try_expire(clock_.now_ns(), dropped); });
}

Pull SequenceBatcher::try_expire(int64_t now_ns, std::vector<DroppedRequest>& dropped) {
    Pull answer;
    std::vector<Lane*> news;
    {
        std::lock_guard lock(mutex_);
        look_at_time(now_ns, dropped);
        watched_until_ns_ = slots_.next_expiry_ns();
        answer = pull_again_at(watched_until_ns_);
        if (is_finished()) {
            answer.kind = Pull::Kind::kStopped;
            slots_.tell_all();
        }
        news = take_news();
    }
    notify(news);
    return answer;
}

void SequenceBatcher::look_at_time(int64_t now_ns, std::vector<DroppedRequest>& dropped) {
    std::move(dropped_.begin(), dropped_.end(), std::back_inserter(dropped));
    dropped_.clear();
    slots_.expire(now_ns, dropped);
}

// ---- what became of requests

void SequenceBatcher::respond(const InferenceRequest& request,
                              std::unique_ptr<InferenceResponse> response) {
    if (preserves_order_ && request.sequence_slot != InferenceRequest::kNoSlot) {
        const size_t instance = request.sequence_slot / slots_.slots_each();
        lane_of(instance).order.deliver(request, std::move(response));
    } else {
        request.sink->deliver(std::move(response));
    }
}

void SequenceBatcher::deliver(std::unique_ptr<InferenceResponse> response) {
    InferenceRequest& request = *response->request;
    const size_t slot = request.sequence_slot;
    if (slot == InferenceRequest::kNoSlot) {
        respond(request, std::move(response));  // it was dropped
        return;
    }
    const size_t instance = slot / slots_.slots_each();
    const bool was_cancelled = request.is_cancelled();
    std::vector<Tensor> states;
    if (response->status.ok()) {
        states = std::exchange(request.next_states, {});
    }
    respond(request, std::move(response));  // before the next of its sequence can run
    Lane* due = nullptr;
    bool watch_due = false;
    {
        const int64_t now_ns = clock_.now_ns();
        std::lock_guard lock(mutex_);
        Lane& lane = lanes_[instance];
        controls_.keep_states(slots_.sequence(slot), std::move(states));
        if (was_cancelled) {
            slots_.drop_waiting(slot, cancelled(""), now_ns, dropped_);
        }
        slots_.finish(slot, config_.iterative, now_ns);
        note_progress(lane, now_ns);
        due = slots_.take_news(instance) || stopped_ ? &lane : nullptr;
        watch_due = take_watch_news();
    }
    if (due != nullptr) {
        notify(*due);
    }
    if (watch_due) {
        watch_.notify_one();
    }
}

// A model that answers is not hopeless.
void SequenceBatcher::note_progress(Lane& lane, int64_t now_ns) {
    const int64_t farewell_ns = now_ns + limits::kWorkerFarewellNs;
    if (stopped_) {
        farewell_ns_ = farewell_ns;
    }
    if (lane.farewell_ns != SequenceSlots::kNever) {
        lane.farewell_ns = farewell_ns;
    }
}

Status SequenceBatcher::reschedule(std::unique_ptr<InferenceRequest>& request) {
    if (!config_.iterative) {
        return Scheduler::reschedule(request);
    }
    const size_t slot = request->sequence_slot;
    Lane* lane = nullptr;
    {
        const int64_t now_ns = clock_.now_ns();
        std::lock_guard lock(mutex_);
        lane = &lanes_[slot / slots_.slots_each()];
        if (now_ns >= std::min(farewell_ns_, lane->farewell_ns)) {
            return unavailable("model '" + config_.model_name + "' was unloaded before it "
                               "answered");
        }
        controls_.keep_states(slots_.sequence(slot), std::exchange(request->next_states, {}));
        controls_.strip(*request);
        request->flags = 0;
        request->sequence_slot = InferenceRequest::kNoSlot;
        request->trace.queue_start_ns = now_ns;
        slots_.put_back(slot, std::move(request));
        note_progress(*lane, now_ns);
        (void)slots_.take_news(lane->number);
    }
    notify(*lane);
    return Status();
}

void SequenceBatcher::set_available(size_t instance, bool available, const Status& status,
                                    std::vector<DroppedRequest>& dropped) {
    std::vector<Lane*> news;
    {
        std::lock_guard lock(mutex_);
        if (!stopped_) {
            slots_.set_available(instance, available, status, dropped);
        }
        news = take_news();
    }
    notify(news);
}

// ---- instances that come and go

bool SequenceBatcher::lets_instances_change() const {
    std::lock_guard lock(mutex_);
    return lanes_.size() <= limits::kMaxSequenceLanes - limits::kMaxInstances;
}

void SequenceBatcher::engage(size_t instance) {
    std::lock_guard lock(mutex_);
    TRITONPY_CHECK(instance == lanes_.size());
    lanes_.emplace_back(instance, policy_config(config_)).awaited = true;
    slots_.add_instance();
}

void SequenceBatcher::dismiss(size_t instance, int64_t until_ns) {
    std::vector<Lane*> news;
    {
        std::lock_guard lock(mutex_);
        lanes_[instance].leaves = true;
        lanes_[instance].closes_ns = until_ns;
        slots_.retire(instance);
        news = take_news();
    }
    notify(news);
}

bool SequenceBatcher::may_leave(size_t instance) const {
    std::lock_guard lock(mutex_);
    return lanes_[instance].leaves && slots_.live(instance) == 0;
}

// ---- the end

void SequenceBatcher::stop() {
    std::vector<Lane*> news;
    {
        const int64_t now_ns = clock_.now_ns();
        std::lock_guard lock(mutex_);
        if (!stopped_) {
            stopped_ = true;
            farewell_ns_ = now_ns + limits::kWorkerFarewellNs;
            // Those that cannot run refuse what they are given, and nothing is left behind.
            for (size_t instance = 0; instance < lanes_.size(); ++instance) {
                slots_.set_available(instance, true, Status(), dropped_);
            }
            slots_.close_all();
        }
        slots_.tell_all();
        news = take_news();
    }
    notify(news);
    watch_.notify_all();
}

bool SequenceBatcher::has_sequence(const CorrelationId& id) const {
    std::lock_guard lock(mutex_);
    return !config_.iterative && slots_.is_open(id);
}

size_t SequenceBatcher::open_sequences() const {
    std::lock_guard lock(mutex_);
    return config_.iterative ? 0 : slots_.open_count();
}

size_t SequenceBatcher::queued() const {
    std::lock_guard lock(mutex_);
    return slots_.waiting();
}

}  // namespace tritonpy
