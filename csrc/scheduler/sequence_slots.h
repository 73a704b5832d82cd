// Which sequence has which slot, which wait for one, and which have ended: the bookkeeping of the
// sequence batcher, as functions of what has happened and the time.
//
// A sequence is the requests of one correlation id from a START to an END. It lives in a slot of
// one instance, for that is where its model may remember it, or in the backlog until one is free.
// Of its requests at most one is with the instance, so that they run in order; a sequence whose
// first waiting request may run is *ready*. Slots are given out lowest first over all instances,
// and then to the backlog in the order in which its sequences began.
//
// A START for an id that is open joins its queue, as in Triton: what came before runs first. After
// an END came the id is free, and a START begins another sequence in another slot.
//
// Threads: compatible.
// Owns: waiting requests.
// Invariants: 1. a slot has at most one sequence, a sequence at most one slot;
//             2. while a slot of an instance that takes sequences is free, the backlog is empty;
//             3. a sequence in a slot is ready, with the instance (in flight), or idle; one that is
//                closed is never idle;
//             4. a request that came in goes out by take or in `dropped`, once.
// Limits: limits::kMaxSlotsPerInstance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <list>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "infer/request.h"
#include "scheduler/scheduler.h"
#include "tensor/tensor.h"

namespace tritonpy {

// Whether a request with this id belongs to no sequence.
inline bool is_none(const CorrelationId& id) {
    const auto* number = std::get_if<uint64_t>(&id);
    return number != nullptr ? *number == 0 : std::get<std::string>(id).empty();
}

// Of one correlation id, from its START to its END.
struct Sequence {
    static constexpr size_t kBacklog = SIZE_MAX;

    CorrelationId id;
    size_t slot = kBacklog;
    std::deque<std::unique_ptr<InferenceRequest>> waiting;  // oldest first
    bool closed = false;         // nothing can join: its END has come
    bool prepared = false;       // the first that waits has its controls and states
    int64_t expires_ns = 0;      // in the backlog: when it is dropped
    Tensor correlation;          // what the model is told as its id; made when it is first told
    std::vector<Tensor> states;  // for the next request; empty: the initial ones
};

// Whether a client has gone that waits for the sequence. Looks at the next requests only, as far as
// that costs next to nothing.
bool has_cancelled(const Sequence& sequence);

class SequenceSlots {
  public:
    static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

    // REQUIRES: all are at least 1.
    SequenceSlots(size_t instances, size_t slots_each, int64_t max_idle_ns);

    // ---- arrivals

    // Whether a sequence of this id takes requests.
    bool is_open(const CorrelationId& id) const { return open_.contains(id); }
    size_t open_count() const { return open_.size(); }
    // Adds the request to the open sequence of its id, or begins one.
    void add(std::unique_ptr<InferenceRequest> request, int64_t now_ns);

    // ---- what an instance may run

    // Slots of the instance that are ready, in the order in which they became so. A slot's number
    // is unique over all instances.
    const std::list<size_t>& ready(size_t instance) const { return instances_[instance].ready; }
    // Slots that have a request with the instance.
    const std::list<size_t>& in_flight(size_t instance) const {
        return instances_[instance].in_flight;
    }
    // REQUIRES: the slot is not free.
    Sequence& sequence(size_t slot) { return *slots_[slot].sequence; }
    // The first slot of an instance; its others follow.
    size_t first_slot(size_t instance) const { return instance * slots_each_; }
    size_t slots_each() const { return slots_each_; }
    bool is_ready(size_t slot) const { return slots_[slot].place == Place::kReady; }
    // The first waiting request of a ready slot, which is now in flight.
    std::unique_ptr<InferenceRequest> take(size_t slot);

    // ---- what became of it

    // The request in flight is done; `last`: so is its sequence, unless more have come for it.
    void finish(size_t slot, bool last, int64_t now_ns);
    // The request in flight is to run again, before those that wait.
    void put_back(size_t slot, std::unique_ptr<InferenceRequest> request);
    // Drops all that wait in the slot; the sequence forgets its states.
    void drop_waiting(size_t slot, const Status& status, int64_t now_ns,
                      std::vector<DroppedRequest>& dropped);

    // ---- time, clients that have gone, the end

    // Ends sequences that were idle too long; drops sequences of the backlog whose time is over, or
    // of which a request was cancelled (this one is looked for now and then).
    void expire(int64_t now_ns, std::vector<DroppedRequest>& dropped);
    // When expire has something to do next; kNever.
    int64_t next_expiry_ns() const;
    // Drops all that wait for a slot.
    void drop_backlog(const Status& status, std::vector<DroppedRequest>& dropped);
    // No more requests come: what waits still runs, and every sequence ends with its last.
    void close_all();
    // Whether the instance can be given sequences. One that cannot has lost those that it had: they
    // end, and what waits of them is dropped with `status`.
    void set_available(size_t instance, bool available, const Status& status,
                       std::vector<DroppedRequest>& dropped);

    // ---- instances that come and go

    // Adds an instance, which is not available yet.
    void add_instance();
    // From now on the instance gets no more sequences; those that it has go on.
    void retire(size_t instance);
    // Nothing joins the instance's sequences any more: each ends with what waits of it.
    void close_all(size_t instance);

    // ---- counts

    size_t waiting() const { return waiting_; }
    size_t backlogged() const { return backlog_.size(); }
    // Sequences in slots of the instance.
    size_t live(size_t instance) const { return instances_[instance].live; }
    // Whether there is something new for the instance since this was asked: ready slots, the end of
    // its last sequence, or tell_all.
    bool take_news(size_t instance) { return std::exchange(instances_[instance].news, false); }
    void tell_all();

  private:
    enum class Place : uint8_t { kFree, kReady, kInFlight, kIdle };
    struct Slot {
        std::unique_ptr<Sequence> sequence;  // null: free
        Place place = Place::kFree;
        int64_t idle_since_ns = 0;
        std::list<size_t>::iterator node;  // in the list of its place
    };
    struct Instance {
        // Each slot's number is in the list of its place.
        std::list<size_t> free;
        std::list<size_t> ready;
        std::list<size_t> in_flight;
        std::list<size_t> idle;  // longest first
        size_t live = 0;
        bool available = true;
        bool retired = false;
        bool news = false;

        bool takes_sequences() const { return available && !retired; }
    };
    using Backlog = std::list<std::unique_ptr<Sequence>>;

    Instance& instance_of(size_t slot) { return instances_[slot / slots_each_]; }
    std::list<size_t>& list_of(Instance& instance, Place place);
    void move(size_t slot, Place to);
    void settle(size_t slot, int64_t now_ns);
    void add_slots(size_t instance);
    void give_out_free_slots(size_t instance);
    void take_back_free_slots(size_t instance);
    void occupy(size_t slot, std::unique_ptr<Sequence> sequence);
    void end(size_t slot);
    void give_out(size_t slot);
    void close(Sequence& sequence);
    void drop(Sequence& sequence, const Status& status, std::vector<DroppedRequest>& dropped);
    void expire_backlog(int64_t now_ns, std::vector<DroppedRequest>& dropped);

    const size_t slots_each_;
    const int64_t max_idle_ns_;
    std::vector<Slot> slots_;
    std::vector<Instance> instances_;
    std::set<std::pair<size_t, size_t>> free_;  // place within its instance, slot
    Backlog backlog_;                           // in the order of their STARTs
    std::unordered_map<CorrelationId, Sequence*> open_;
    size_t waiting_ = 0;
    int64_t backlog_expires_ns_ = kNever;  // no earlier expiry is in the backlog
    int64_t next_sweep_ns_ = 0;            // of the backlog, for clients that have gone
};

}  // namespace tritonpy
