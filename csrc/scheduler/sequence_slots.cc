#include "scheduler/sequence_slots.h"

#include <algorithm>

#include "base/check.h"
#include "base/limits.h"

namespace tritonpy {
namespace {

constexpr int64_t kNsPerUs = 1000;

int64_t later(int64_t start_ns, int64_t by_ns) {
    return by_ns >= SequenceSlots::kNever - start_ns ? SequenceSlots::kNever : start_ns + by_ns;
}

// When a request that waits for a slot has waited too long.
int64_t expiry_of(const InferenceRequest& request, int64_t now_ns) {
    if (request.timeout_us == 0 ||
        request.timeout_us > static_cast<uint64_t>(SequenceSlots::kNever / kNsPerUs)) {
        return SequenceSlots::kNever;
    }
    return later(now_ns, static_cast<int64_t>(request.timeout_us) * kNsPerUs);
}

}  // namespace

bool has_cancelled(const Sequence& sequence) {
    constexpr size_t kLooks = 64;
    const size_t looks = std::min(sequence.waiting.size(), kLooks);
    return std::any_of(sequence.waiting.begin(),
                       sequence.waiting.begin() + static_cast<ptrdiff_t>(looks),
                       [](const auto& request) { return request->is_cancelled(); });
}

SequenceSlots::SequenceSlots(size_t instances, size_t slots_each, int64_t max_idle_ns)
    : slots_each_(slots_each),
      max_idle_ns_(max_idle_ns),
      instances_(instances) {
    TRITONPY_CHECK(instances >= 1 && slots_each >= 1);
    for (size_t instance = 0; instance < instances; ++instance) {
        add_slots(instance);
        give_out_free_slots(instance);
    }
}

// REQUIRES: those before it have theirs.
void SequenceSlots::add_slots(size_t instance) {
    std::list<size_t>& free = instances_[instance].free;
    for (size_t count = slots_each_; count > 0; --count) {
        Slot& added = slots_.emplace_back();
        added.node = free.insert(free.end(), slots_.size() - 1);
    }
}

// ---- places

std::list<size_t>& SequenceSlots::list_of(Instance& instance, Place place) {
    switch (place) {
        case Place::kFree: return instance.free;
        case Place::kReady: return instance.ready;
        case Place::kInFlight: return instance.in_flight;
        case Place::kIdle: break;
    }
    return instance.idle;
}

void SequenceSlots::move(size_t slot, Place to) {
    Instance& instance = instance_of(slot);
    Slot& moved = slots_[slot];
    std::list<size_t>& target = list_of(instance, to);
    target.splice(target.end(), list_of(instance, moved.place), moved.node);
    moved.place = to;
    instance.news = instance.news || to == Place::kReady;
}

// Puts a sequence of which nothing is in flight where it belongs now.
void SequenceSlots::settle(size_t slot, int64_t now_ns) {
    Sequence& sequence = *slots_[slot].sequence;
    if (!sequence.waiting.empty()) {
        move(slot, Place::kReady);
    } else if (sequence.closed) {
        end(slot);
    } else {
        slots_[slot].idle_since_ns = now_ns;
        move(slot, Place::kIdle);
    }
}

void SequenceSlots::occupy(size_t slot, std::unique_ptr<Sequence> sequence) {
    sequence->slot = slot;
    slots_[slot].sequence = std::move(sequence);
    ++instance_of(slot).live;
    move(slot, Place::kReady);
}

void SequenceSlots::end(size_t slot) {
    Instance& instance = instance_of(slot);
    close(*slots_[slot].sequence);
    slots_[slot].sequence.reset();
    move(slot, Place::kFree);
    if (--instance.live == 0) {
        instance.news = true;
    }
    if (instance.takes_sequences()) {
        give_out(slot);
    }
}

// A free slot goes to the sequence that has waited longest for one.
void SequenceSlots::give_out(size_t slot) {
    if (backlog_.empty()) {
        free_.emplace(slot % slots_each_, slot);
        return;
    }
    std::unique_ptr<Sequence> next = std::move(backlog_.front());
    backlog_.pop_front();
    occupy(slot, std::move(next));
}

void SequenceSlots::close(Sequence& sequence) {
    if (!sequence.closed) {
        sequence.closed = true;
        open_.erase(sequence.id);
    }
}

// ---- arrivals

void SequenceSlots::add(std::unique_ptr<InferenceRequest> request, int64_t now_ns) {
    const bool is_last = (request->flags & InferenceRequest::kSequenceEnd) != 0;
    const int64_t expires_ns = expiry_of(*request, now_ns);
    auto found = open_.find(request->correlation_id);
    Sequence* sequence = found == open_.end() ? nullptr : found->second;
    std::unique_ptr<Sequence> begun;
    if (sequence == nullptr) {
        begun = std::make_unique<Sequence>();
        sequence = begun.get();
        sequence->id = request->correlation_id;
        sequence->expires_ns = kNever;
        open_.emplace(sequence->id, sequence);
    }
    sequence->waiting.push_back(std::move(request));
    ++waiting_;
    if (is_last) {
        close(*sequence);
    }
    if (begun == nullptr && sequence->slot != Sequence::kBacklog) {
        if (slots_[sequence->slot].place == Place::kIdle) {
            move(sequence->slot, Place::kReady);
        }
        return;
    }
    if (begun != nullptr && !free_.empty()) {
        const size_t slot = free_.extract(free_.begin()).value().second;
        occupy(slot, std::move(begun));
        return;
    }
    sequence->expires_ns = std::min(sequence->expires_ns, expires_ns);
    if (backlog_.empty() || expires_ns < backlog_expires_ns_) {
        backlog_expires_ns_ = expires_ns;
    }
    if (begun != nullptr) {
        if (backlog_.empty()) {
            next_sweep_ns_ = later(now_ns, limits::kBacklogSweepNs);
        }
        backlog_.push_back(std::move(begun));
    }
}

void SequenceSlots::tell_all() {
    for (Instance& instance : instances_) {
        instance.news = true;
    }
}

// ---- running

std::unique_ptr<InferenceRequest> SequenceSlots::take(size_t slot) {
    Sequence& sequence = *slots_[slot].sequence;
    TRITONPY_CHECK(is_ready(slot));
    std::unique_ptr<InferenceRequest> request = std::move(sequence.waiting.front());
    sequence.waiting.pop_front();
    sequence.prepared = false;
    --waiting_;
    move(slot, Place::kInFlight);
    return request;
}

void SequenceSlots::finish(size_t slot, bool last, int64_t now_ns) {
    TRITONPY_CHECK(slots_[slot].place == Place::kInFlight);
    if (Sequence& sequence = *slots_[slot].sequence; last && sequence.waiting.empty()) {
        close(sequence);
    }
    settle(slot, now_ns);
}

void SequenceSlots::put_back(size_t slot, std::unique_ptr<InferenceRequest> request) {
    TRITONPY_CHECK(slots_[slot].place == Place::kInFlight);
    slots_[slot].sequence->waiting.push_front(std::move(request));
    ++waiting_;
    move(slot, Place::kReady);
}

void SequenceSlots::drop(Sequence& sequence, const Status& status,
                         std::vector<DroppedRequest>& dropped) {
    for (std::unique_ptr<InferenceRequest>& request : sequence.waiting) {
        dropped.push_back({std::move(request), status});
    }
    waiting_ -= sequence.waiting.size();
    sequence.waiting.clear();
    sequence.prepared = false;
    sequence.states.clear();
}

void SequenceSlots::drop_waiting(size_t slot, const Status& status, int64_t now_ns,
                                 std::vector<DroppedRequest>& dropped) {
    drop(*slots_[slot].sequence, status, dropped);
    if (slots_[slot].place == Place::kReady) {
        settle(slot, now_ns);
    }
}

// ---- time

void SequenceSlots::expire(int64_t now_ns, std::vector<DroppedRequest>& dropped) {
    if (!backlog_.empty() && (now_ns >= backlog_expires_ns_ || now_ns >= next_sweep_ns_)) {
        expire_backlog(now_ns, dropped);
    }
    for (Instance& instance : instances_) {
        while (!instance.idle.empty() &&
               now_ns >= later(slots_[instance.idle.front()].idle_since_ns, max_idle_ns_)) {
            end(instance.idle.front());
        }
    }
}

void SequenceSlots::expire_backlog(int64_t now_ns, std::vector<DroppedRequest>& dropped) {
    static const Status kTimedOut =
        unavailable("timeout of the corresponding sequence has been expired");
    backlog_expires_ns_ = kNever;
    next_sweep_ns_ = later(now_ns, limits::kBacklogSweepNs);
    for (auto entry = backlog_.begin(); entry != backlog_.end();) {
        Sequence& sequence = **entry;
        const bool is_late = now_ns >= sequence.expires_ns;
        if (is_late || has_cancelled(sequence)) {
            drop(sequence, is_late ? kTimedOut : cancelled(""), dropped);
            close(sequence);
            entry = backlog_.erase(entry);
        } else {
            backlog_expires_ns_ = std::min(backlog_expires_ns_, sequence.expires_ns);
            ++entry;
        }
    }
}

void SequenceSlots::drop_backlog(const Status& status, std::vector<DroppedRequest>& dropped) {
    for (const std::unique_ptr<Sequence>& sequence : backlog_) {
        drop(*sequence, status, dropped);
        close(*sequence);
    }
    backlog_.clear();
}

int64_t SequenceSlots::next_expiry_ns() const {
    int64_t next_ns =
        backlog_.empty() ? kNever : std::min(backlog_expires_ns_, next_sweep_ns_);
    for (const Instance& instance : instances_) {
        if (!instance.idle.empty()) {
            next_ns = std::min(
                next_ns, later(slots_[instance.idle.front()].idle_since_ns, max_idle_ns_));
        }
    }
    return next_ns;
}

void SequenceSlots::close_all() {
    while (!open_.empty()) {
        close(*open_.begin()->second);
    }
    for (Instance& instance : instances_) {
        while (!instance.idle.empty()) {
            end(instance.idle.front());
        }
    }
}

void SequenceSlots::set_available(size_t instance_index, bool available, const Status& status,
                                  std::vector<DroppedRequest>& dropped) {
    Instance& instance = instances_[instance_index];
    if (instance.available == available) {
        return;
    }
    instance.available = available;
    if (available) {
        if (instance.takes_sequences()) {
            give_out_free_slots(instance_index);
        }
        return;
    }
    take_back_free_slots(instance_index);
    for (size_t slot = first_slot(instance_index), i = 0; i < slots_each_; ++i) {
        Slot& lost = slots_[slot + i];
        if (lost.place == Place::kFree) {
            continue;
        }
        close(*lost.sequence);
        drop(*lost.sequence, status, dropped);
        if (lost.place != Place::kInFlight) {  // which ends when it is done
            end(slot + i);
        }
    }
}

// ---- instances that come and go

void SequenceSlots::add_instance() {
    instances_.emplace_back().available = false;
    add_slots(instances_.size() - 1);
}

void SequenceSlots::retire(size_t instance) {
    instances_[instance].retired = true;
    instances_[instance].news = true;
    take_back_free_slots(instance);
}

void SequenceSlots::give_out_free_slots(size_t instance) {
    for (size_t slot = first_slot(instance), i = 0; i < slots_each_; ++i) {
        if (slots_[slot + i].place == Place::kFree) {
            give_out(slot + i);
        }
    }
}

void SequenceSlots::take_back_free_slots(size_t instance) {
    for (size_t place = 0; place < slots_each_; ++place) {
        free_.erase({place, first_slot(instance) + place});
    }
}

void SequenceSlots::close_all(size_t instance) {
    for (size_t slot = first_slot(instance), i = 0; i < slots_each_; ++i) {
        if (slots_[slot + i].place != Place::kFree) {
            close(*slots_[slot + i].sequence);
        }
    }
    std::list<size_t>& idle = instances_[instance].idle;
    while (!idle.empty()) {
        end(idle.front());
    }
}

}  // namespace tritonpy
