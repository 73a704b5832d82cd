// One executor and the thread that feeds it: journey steps 8 to 11.
//
// An instance pulls a batch from its model's scheduler, gathers the inputs, runs the executor, and
// scatters the outputs into one response per request. A failure anywhere in between reaches every
// request of the batch as it is. The same steps can be driven by hand, two per batch, so that a
// simulation can have several instances in the middle of a batch on one thread.
//
// An executor that answers requests itself gets them as they were queued, and answers through the
// instance's outlet; the instance only sees to what that executor could not take. While its model
// cannot run, an instance leaves the queue to its siblings; when none of them can and its own does
// not come back, it pulls all the same, so that what is queued is refused and does not wait for
// ever. While its thread sleeps over an empty queue, an io thread that brings it something may
// drive it as a guest (instance_guest.h).
//
// Threads: confined(instance): its own thread after start() or a guest in its place, else whoever
// steps it.
// Owns: the executor, the thread, and the batch while it runs.
// Invariants: 1. every request that comes out of a pull is handed to the scheduler's deliver
//                exactly once, in a final response (by the outlet, where there is one);
//             2. statistics count a request before its response is handed over.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/executor.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/thread.h"
#include "infer/batch.h"
#include "infer/batch_input.h"
#include "infer/padding.h"
#include "infer/model_identity.h"
#include "memory/block_pool.h"
#include "model/dropped_requests.h"
#include "model/in_flight_count.h"
#include "model/instance_guest.h"
#include "model/model_stats.h"
#include "model/request_outlet.h"
#include "scheduler/instance_seat.h"
#include "scheduler/scheduler.h"
#include "scheduler/sequence_config.h"

namespace tritonpy {

class InstanceSet;

// What an instance borrows from its model; all of it outlives the instance.
struct InstanceContext {
    const std::shared_ptr<const ModelIdentity>& identity;
    Scheduler& scheduler;
    ModelStats& stats;
    InFlightCount& in_flight;
    BlockPool& pool;
    const Clock& clock;
    const InstanceSet& siblings;  // of the same model, this one among them
    const std::vector<BatchInputSpec>& batch_inputs;
    const std::optional<PaddingSpec>& padding;
    const std::vector<SequenceState>& states;  // what requests of a sequence leave to the next
};

class ModelInstance final : private DrivenInstance {
  public:
    // `index`: its number among the instances that are scheduled. Loader only: takes a statistics
    // cell of its model, until it goes.
    ModelInstance(const InstanceSpec& spec, size_t index, std::unique_ptr<Executor> executor,
                  const InstanceContext& context);
    // REQUIRES: never started, or joined.
    ~ModelInstance() override;
    ModelInstance(const ModelInstance&) = delete;
    ModelInstance& operator=(const ModelInstance&) = delete;

    // Starts the thread that pulls until the scheduler says that it is over. internal when the
    // machine gives no thread.
    Status start();
    // Blocks until the thread has ended and every request that the executor took was answered.
    // REQUIRES: the scheduler was stopped, or has dismissed the instance.
    void join();

    const InstanceSpec& spec() const { return spec_; }
    const std::string& name() const { return spec_.name; }
    size_t index() const { return index_; }
    // Thread-safe.
    bool healthy() const { return executor_->healthy(); }
    // Healthy, or likely to be so soon: what is queued now is worth its place. Thread-safe.
    bool hopeful() const {
        return healthy() || (requests_ != nullptr && !requests_->hopeless());
    }

    // Thread-safe.
    InstanceSeat& seat() { return seat_; }
    // Runs what is queued, as far as that is to be done without blocking: `host` or the instance's
    // thread does the rest, and the instance may be gone when this returns. REQUIRES: the caller
    // has taken the seat, and holds a ModelRef.
    void drive(InstanceHost& host);

    // Takes a batch if there is one now and gathers its inputs; answers dropped requests. Returns
    // what the scheduler said. REQUIRES: not started; busy() is false.
    Pull take();
    // Runs the batch taken and hands over its responses. REQUIRES: busy().
    void complete();
    // A batch was taken and is not completed.
    bool busy() const { return running_ || !batch_.requests.empty(); }
    // take, and complete if that took a batch. REQUIRES: as take.
    Pull run_once();
    // Completes the batch taken, if any, and runs what is queued for it. REQUIRES: not started;
    // otherwise as join.
    void run_until_stopped();

  private:
    void loop();
    void wait_until_healthy();
    void tell_health();
    void refuse_batch(const Status& status);
    void begin();
    Status execute();
    void complete_requests();
    void end_requests(const Status& status, RequestTrace times);
    void complete_gathered();
    void discard_nulls();
    void answer_dropped();
    void answer_failed(const Status& status, FailureReason reason);
    void answer_executed();
    void stamp(int64_t RequestTrace::* station);

    // ---- a guest
    // Starts the batch taken, if it can and `host` will hear of its end; what else the instance's
    // thread is to be told.
    std::optional<Pull> start_batch(InstanceHost& host);
    int answer_descriptor() const override { return requests_->answer_descriptor(); }
    bool receive() override { return requests_->receive(); }
    void finish() override;
    void hand_back() override { seat_.hand_back({.kind = Pull::Kind::kBatch}); }

    const InstanceSpec spec_;
    const size_t index_;
    const InstanceContext context_;
    ModelStats::Cell& cell_;
    RequestOutlet outlet_;  // before the executor, which uses it to its end
    const std::unique_ptr<Executor> executor_;
    RequestExecutor* const requests_;  // executor_, when it is of that sort
    const bool takes_guests_;          // who need not block, nor know whose a request is
    InstanceSeat seat_;                // of whoever uses what follows
    std::atomic<bool> stopping_{false};  // relaxed: a look later is fine

    // What the scheduler was told of the model.
    uint64_t seen_deaths_ = 0;
    bool was_healthy_ = true;

    Batch batch_;
    std::optional<RequestTrace> running_;  // its times, if a guest has started it
    Status gathered_;                      // of batch_'s inputs
    std::vector<DroppedRequest> dropped_;
    std::vector<std::vector<Tensor>> outputs_of_request_;

    std::optional<Thread> thread_;  // last, so that it is joined before what it uses goes
};

}  // namespace tritonpy
