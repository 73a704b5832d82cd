// The sequence batcher: requests that belong together run one after the other, on one instance.
//
// SequenceSlots knows which sequence has which slot; this decides when an instance runs which of
// its ready slots, tells the model about sequences (SequenceControls), and hands states on. An
// instance sees its own slots only:
//   direct: slot k is row k of every batch. A batch has the rows up to the highest slot that is in
//     it; a row whose slot has nothing to run, or something of another shape than the request that
//     has waited longest, is filled with a null request. With a minimum slot utilization and a
//     delay, an instance waits for so many slots, but not longer than the delay;
//   oldest: the batch policy of the dynamic batcher over the ready slots, longest ready first.
// A request is in flight until its last response was handed to its sink. So there is one of a
// sequence at a time, also when a model answers later than it returns; its states are there for the
// next, and no answer overtakes another.
//
// Idle sequences, the backlog's timeouts and its cancelled requests are looked for whenever an
// instance pulls and, since all may be busy, by a watch: one more thread, that sleeps in expire. It
// is woken for something due earlier than what it sleeps for, and not told when that has changed:
// so steady sequences wake it once per idle time, not per request.
//
// After stop nothing comes in, so that sequences without an END are over too: what waits still
// runs, in order; what waits behind a request that its model does not answer within
// limits::kWorkerFarewellNs is refused, so that a drain ends.
//
// An instance that is dismissed keeps the sequences that it has, for only it knows them, and gets
// no others. It goes when the last of them has ended; those that have not in time end with what
// waits.
//
// Threads: thread-safe; one mutex, never held while anybody else is called.
// Owns: what SequenceSlots owns, responses held back for their order. Those inside at destruction
// are freed unanswered: stop, and pull until kStopped, first. Borrows: the clock, the pool.
// Invariants: those of scheduler.h and of sequence_slots.h, and
//             4. responses of a sequence leave in the order of its requests.
// Limits: limits::kDefaultQueueSize waiting requests; limits::kMaxSlotsPerInstance; instances that
// have gone keep their numbers, so at most limits::kMaxSequenceLanes come in all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "memory/block_pool.h"
#include "queue/parking.h"
#include "scheduler/batch_policy.h"
#include "scheduler/response_order.h"
#include "scheduler/scheduler.h"
#include "scheduler/sequence_config.h"
#include "scheduler/sequence_controls.h"
#include "scheduler/sequence_slots.h"

namespace tritonpy {

class SequenceBatcher final : public Scheduler {
  public:
    SequenceBatcher(SequenceConfig config, const Clock& clock, BlockPool& pool);

    Status admit(std::unique_ptr<InferenceRequest>& request, int64_t now_ns,
                 bool& wake_due) override;
    void wake() override;
    Pull try_pull(size_t instance, int64_t now_ns, Batch& batch,
                  std::vector<DroppedRequest>& dropped) override;
    Pull pull(size_t instance, InstanceSeat* seat, Batch& batch,
              std::vector<DroppedRequest>& dropped) override;
    bool has_lanes() const override { return true; }
    void set_bell(InstanceBell& bell) override { bell_ = &bell; }
    bool lets_instances_change() const override;
    void engage(size_t instance) override;
    void dismiss(size_t instance, int64_t until_ns) override;
    bool may_leave(size_t instance) const override;
    bool has_sequence(const CorrelationId& id) const override;
    size_t open_sequences() const override;
    bool is_watched() const override { return true; }
    Pull try_expire(int64_t now_ns, std::vector<DroppedRequest>& dropped) override;
    Pull expire(std::vector<DroppedRequest>& dropped) override;
    void respond(const InferenceRequest& request,
                 std::unique_ptr<InferenceResponse> response) override;
    void deliver(std::unique_ptr<InferenceResponse> response) override;
    Status reschedule(std::unique_ptr<InferenceRequest>& request) override;
    void set_available(size_t instance, bool available, const Status& status,
                       std::vector<DroppedRequest>& dropped) override;
    void stop() override;
    size_t queued() const override;

  private:
    // What each instance has of its own.
    struct Lane {
        Lane(size_t instance, const BatcherConfig& config) : number(instance), policy(config) {}
        const size_t number;
        Parking parking;
        BatchPolicy policy;    // oldest
        ResponseOrder order;  // oldest, with preserve_ordering
        // Guarded by mutex_, as all that follows.
        bool awaited = false;  // it was engaged, and has not pulled yet
        bool leaves = false;   // it was dismissed
        int64_t closes_ns = SequenceSlots::kNever;    // and its sequences end
        int64_t farewell_ns = SequenceSlots::kNever;  // and what still waits then is refused
    };

    Status check(const InferenceRequest& request) const;
    void notify(Lane& lane);
    void notify(const std::vector<Lane*>& lanes);
    Lane& lane_of(size_t instance);

    // All REQUIRE mutex_.
    std::vector<Lane*> take_news();
    bool take_watch_news();
    bool is_finished() const { return stopped_ && slots_.waiting() == 0 && dropped_.empty(); }
    void look_at_time(int64_t now_ns, std::vector<DroppedRequest>& dropped);
    Status check_admission(const InferenceRequest& request, const CorrelationId& id,
                           bool starts) const;
    Pull take_turn(Lane& lane, int64_t now_ns, Batch& batch,
                   std::vector<DroppedRequest>& dropped);
    void note_presence(Lane& lane, int64_t now_ns, std::vector<DroppedRequest>& dropped);
    void drop_hopeless(size_t instance, int64_t now_ns, std::vector<DroppedRequest>& dropped);
    void drop_cancelled(size_t instance, int64_t now_ns, std::vector<DroppedRequest>& dropped);
    bool is_held_back();
    InferenceRequest& prepared(size_t slot);
    void take(size_t slot, Batch& batch);
    Pull take_direct(size_t instance, int64_t now_ns, Batch& batch);
    Pull take_oldest(size_t instance, int64_t now_ns, Batch& batch);
    void note_progress(Lane& lane, int64_t now_ns);
    int64_t utilization_wait_ns(size_t instance, int64_t now_ns);

    const SequenceConfig config_;
    const Clock& clock_;
    const SequenceControls controls_;
    const bool preserves_order_;  // not of what runs many times
    Parking watch_;           // where expire sleeps
    InstanceBell* bell_ = nullptr;  // rung in place of the lanes' parking

    mutable std::mutex mutex_;  // guards what follows
    std::deque<Lane> lanes_;  // by instance; a deque, for they do not move
    SequenceSlots slots_;
    std::vector<DroppedRequest> dropped_;  // for the watch, or the next pull, to hand out
    std::vector<size_t> chosen_;           // scratch of a turn
    uint64_t next_id_ = 1;                 // of sequences that clients do not name
    size_t hold_until_backlogged_;         // 0 once the hold of delay_until_backlogged is over
    bool stopped_ = false;
    int64_t watched_until_ns_ = SequenceSlots::kNever;  // the watch looks by then by itself
    int64_t farewell_ns_ = SequenceSlots::kNever;  // after stop: what still waits then is refused
};

}  // namespace tritonpy
