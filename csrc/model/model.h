// One version of a model that can serve: its queue, its instances and its statistics; or for an
// ensemble, which has neither queue nor instances, the steps that it is made of.
//
// A version is built complete and idle, serves from publication until it is closed, and is freed
// when its last response has been handed over. Two counts make that safe: the *admissions* gate
// holds a version open for the microseconds between finding it and queueing a request, and the
// count in flight covers a request from the queue to its response.
//
// Its instances may change while it serves: those that stay never notice.
//
// Threads: thread-safe, except create, change_instances and the instances (loader).
// Owns: intake, executors, instances and their threads, statistics.
// Invariants: 1. a request is taken if and only if infer returns OK, and is then answered once;
//             2. once close() has returned, no request gets in any more;
//             3. once stop() has returned, every request taken was answered and no thread is left;
//             4. a request is refused at once while no instance can run.
// Limits: limits::kMaxInstances instances.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "backend/executor.h"
#include "base/clock.h"
#include "base/gate.h"
#include "base/result.h"
#include "infer/batch_input.h"
#include "infer/model_identity.h"
#include "infer/padding.h"
#include "infer/request.h"
#include "model/answer_cache.h"
#include "model/cached_answers.h"
#include "model/ensemble_answers.h"
#include "model/in_flight_count.h"
#include "model/instance_set.h"
#include "model/model_config.h"
#include "model/model_instance.h"
#include "model/model_stats.h"
#include "model/queue_watch.h"
#include "model/warmup.h"
#include "queue/parking.h"
#include "scheduler/rate_limiter.h"
#include "scheduler/request_intake.h"
#include "scheduler/scheduler.h"

namespace tritonpy {

class LimitedScheduler;

using ExecutorFactoryMaker = std::function<Result<std::unique_ptr<ExecutorFactory>>(
    const ExecutorConfig&, const ExecutorContext&)>;

// `--host-policy`: the processors of each policy.
using HostPolicies = std::map<std::string, std::vector<int>>;

// What models borrow from the server; all of it outlives every model.
struct ModelContext {
    ExecutorContext executor;
    const ExecutorFactoryMaker& make_factory;
    Parking& all_answered;  // notified when a model has nothing in flight any more
    bool start_threads = true;
    AnswerCache* response_cache = nullptr;  // null: the server has none
    RateLimiter* rate_limiter = nullptr;      // null: instances run when they are idle
    const HostPolicies* host_policies = nullptr;  // null: none
};

class Model final : private LookupHost {
  public:
    // Loads the model and creates its instances, one after the other. Blocks while the backend
    // loads. Whatever the backend says is wrong; invalid_arg for a config without an instance to
    // schedule.
    static Result<std::unique_ptr<Model>> create(const ModelConfig& config,
                                                 const ModelContext& context);
    // A model without intake and instances, of which no use can be made: create() is the way.
    Model(const ModelConfig& config, const ModelContext& context);
    // stop().
    ~Model() override;
    Model(const Model&) = delete;
    Model& operator=(const Model&) = delete;

    // Whether change_instances can bring it to `config`, which is another only in its instances.
    bool lets_instances_change(const ModelConfig& config, const ModelContext& context) const;
    // Makes its instances those of `config`: one with the same settings, whatever its name, stays
    // as it is; what is missing is created, and only then what is left over ends, when it has
    // answered what it took. Blocks for all of it. On error, as of create, nothing has changed.
    // REQUIRES: lets_instances_change; nobody stops the model meanwhile.
    Status change_instances(const ModelConfig& config, const ModelContext& context);

    // Shared with responses in flight, which may outlive the model.
    const std::shared_ptr<const ModelIdentity>& identity() const { return identity_; }

    // Journey steps 6 and 7, or the answer from the response cache, at once or after a lookup; a
    // request that is then refused after all is answered so. On error the caller
    // keeps the request as it was, but for the order of its inputs: invalid_arg, or unavailable
    // when the queue is full or closed. Sets `wake_due` as Scheduler::admit does. Does not block.
    // REQUIRES: the caller holds a ModelRef, until it has called wake where that is due.
    Status infer(std::unique_ptr<InferenceRequest>& request, bool& wake_due);
    void wake() { intake_->wake(); }
    // The same from a thread that can be the host of an instance, and must not block.
    void wake(InstanceHost& host);
    // The two at once.
    Status infer(std::unique_ptr<InferenceRequest>& request);

    ModelStatsSnapshot statistics() const;
    // OK when every instance can run; unavailable, naming one that cannot. (Of the models that an
    // ensemble is composed of, the registry knows.)
    Status check_ready() const;
    // Requests taken and not answered.
    uint64_t in_flight() const { return in_flight_.count(); }

    // As the scheduler; an ensemble has none itself.
    bool has_sequence(const CorrelationId& id) const {
        return !is_ensemble() && scheduler_->has_sequence(id);
    }
    size_t open_sequences() const { return is_ensemble() ? 0 : scheduler_->open_sequences(); }
    // What an ensemble is made of.
    const std::vector<EnsembleStep>& steps() const { return steps_; }

    // From now on nobody enters any more. Idempotent; does not block.
    void shut() { admissions_.close(); }
    // Whether somebody holds a ModelRef.
    bool is_entered() const { return admissions_.holders() > 0; }
    // Takes no more requests, and lets those queued run at once. Blocks only for callers in the
    // middle of infer, of which one of an ensemble may want to enter other models. Idempotent.
    void close();
    // close, then blocks until every request was answered and the instances have ended; without
    // threads it runs what is queued itself. Idempotent; one caller at a time. REQUIRES: the
    // models that an ensemble is composed of can answer meanwhile, or refuse.
    void stop();

    // Made of steps, which other models run.
    bool is_ensemble() const { return scheduler_ == nullptr; }

    // Runs what the instances can take now; whether there was anything. REQUIRES: start_threads was
    // false.
    bool run_queued();
    // For a simulation, which steps them. REQUIRES: start_threads was false.
    std::span<const std::unique_ptr<ModelInstance>> instances() const { return instances_.all(); }
    // Null where the queue asks for none. REQUIRES as instances.
    QueueWatch* queue_watch() { return queue_watch_ ? &*queue_watch_ : nullptr; }

  private:
    // Created, and never scheduled.
    struct PassiveInstance {
        InstanceSpec spec;
        std::unique_ptr<Executor> executor;
    };

    // From those that there are to those of another config.
    struct PassiveChange {
        std::vector<PassiveInstance> missing;
        std::vector<const Executor*> surplus;
    };

    friend class ModelRef;

    // unavailable when no instance can run or is likely to be able to soon.
    Status check_hopeful() const;
    // What takes requests: with the rate limiter before it where instances need resources.
    Status make_intake(const ModelConfig& config, const ModelContext& context);
    // Queues a checked request, or one part of it. On error the caller keeps it, and it is counted
    // as rejected.
    Status admit(std::unique_ptr<InferenceRequest>& request, bool& wake_due);
    Status admit_in_parts(std::unique_ptr<InferenceRequest>& request, bool& wake_due);
    // Either, by its rows.
    Status admit_whole(std::unique_ptr<InferenceRequest>& request, bool& wake_due);

    // A lookup holds the model as a caller does, and its request is in flight.
    bool begin_lookup() override;
    void queue_late(std::unique_ptr<InferenceRequest> request) override;
    void end_lookup() override;

    std::unique_ptr<CachedAnswers> make_cached_answers(const ModelConfig& config,
                                                       const ModelContext& context);
    Status create_instances(const ModelConfig& config, const ModelContext& context);
    Status nobody_to_run() const;
    Warmup warmup_of(const ModelConfig& config, const ModelContext& context) const;
    // An executor of that spec, warm where it will be scheduled.
    Result<std::unique_ptr<Executor>> make_executor(const InstanceSpec& spec, const Warmup& warmup,
                                                    const ModelContext& context);
    std::unique_ptr<ModelInstance> make_instance(const InstanceSpec& spec,
                                                 std::unique_ptr<Executor> executor);
    Status start_threads(std::span<const std::unique_ptr<ModelInstance>> instances,
                         const ModelContext& context);
    Result<PassiveChange> passive_change(const ModelConfig& config, const Warmup& warmup,
                                         const ModelContext& context);
    void change_passive(PassiveChange change);
    // Ends instances that are in nobody's sight any more.
    void dismiss(std::vector<std::unique_ptr<ModelInstance>> instances);
    void end(ModelInstance& instance);

    const std::shared_ptr<const ModelIdentity> identity_;
    const std::vector<BatchInputSpec> batch_inputs_;
    const std::optional<PaddingSpec> padding_;  // of requests that differ in length
    const std::vector<SequenceState> states_;  // that instances keep for the scheduler
    const std::vector<EnsembleStep> steps_;    // of an ensemble
    const bool splits_large_requests_;
    BlockPool& pool_;
    const Clock& clock_;
    const bool has_threads_;
    Gate admissions_;
    InFlightCount in_flight_;
    ModelStats stats_;
    std::unique_ptr<CachedAnswers> cached_;  // null: answers are not kept
    const bool keeps_order_;
    std::optional<EnsembleAnswers> ensemble_answers_;
    std::unique_ptr<RequestIntake> intake_;  // null while the model is built
    Scheduler* scheduler_ = nullptr;  // intake_, when instances pull from it
    LimitedScheduler* limited_ = nullptr;  // the same, when they wait for resources first
    std::unique_ptr<ExecutorFactory> factory_;
    std::vector<PassiveInstance> passive_;
    bool may_fall_ill_ = false;  // an executor is of the sort that can be unhealthy
    size_t next_instance_ = 0;  // the number of the next one that is scheduled
    std::map<size_t, InstanceNeeds> needs_;  // of limited ones, by their number
    InstanceSet instances_;
    std::optional<QueueWatch> queue_watch_;  // where the queue asks for one
};

// A model that stays open for as long as this is held. Hold it briefly: closing the model waits
// for it.
// Threads: compatible. Owns: one place in the model's admissions gate.
class ModelRef {
  public:
    ModelRef() = default;  // empty
    // Empty when the model is closed. REQUIRES: the model exists for the duration of the call.
    explicit ModelRef(Model& model) : model_(model.admissions_.try_enter() ? &model : nullptr) {}
    ModelRef(ModelRef&& other) noexcept : model_(std::exchange(other.model_, nullptr)) {}
    ModelRef& operator=(ModelRef other) noexcept {
        std::swap(model_, other.model_);
        return *this;
    }
    ~ModelRef() {
        if (model_ != nullptr) {
            model_->admissions_.leave();
        }
    }

    explicit operator bool() const { return model_ != nullptr; }
    Model* operator->() const { return model_; }
    Model& operator*() const { return *model_; }

  private:
    Model* model_ = nullptr;
};

}  // namespace tritonpy
