#include "model/model.h"

#include <algorithm>
#include <string>

#include "base/affinity.h"
#include "base/limits.h"
#include "model/request_check.h"
#include "model/split_request.h"
#include "model/warmup.h"
#include "scheduler/ensemble_scheduler.h"
#include "scheduler/limited_scheduler.h"
#include "scheduler/scheduler_factory.h"
#include "scheduler/sequence_slots.h"

namespace tritonpy {

namespace {

std::shared_ptr<const ModelIdentity> identity_of(const ModelConfig& config) {
    const ExecutorConfig& executor = config.executor;
    return std::make_shared<const ModelIdentity>(ModelIdentity{
        executor.model_name, executor.model_version, executor.max_batch_size, config.decoupled,
        executor.inputs, executor.outputs});
}

bool is_uniform(const TensorSpec& input) {
    std::span<const int64_t> dims = input.dims.dims();
    return !input.optional &&
           (input.ragged || std::find(dims.begin(), dims.end(), -1) == dims.end());
}

// Keeps this thread, and what it starts, where the instance's host policy says.
Status place(const InstanceSpec& spec, const ModelContext& context, ScopedAffinity& affinity) {
    if (context.host_policies == nullptr) {
        return Status();
    }
    const auto policy = context.host_policies->find(spec.host_policy);
    return policy == context.host_policies->end() ? Status() : affinity.pin(policy->second);
}

// The batcher's part, with what only the tensors tell.
BatcherConfig batcher_of(const ModelConfig& config) {
    BatcherConfig batcher = config.batcher;
    const std::vector<TensorSpec>& inputs = config.executor.inputs;
    // Configuration sees to it that a padded model's inputs differ in their length alone.
    batcher.uniform_requests =
        config.padding || std::all_of(inputs.begin(), inputs.end(), is_uniform);
    batcher.instance_count = std::max<size_t>(config.executor.instance_count, 1);
    return batcher;
}

// The same for sequences.
SequenceConfig sequences_of(const ModelConfig& config) {
    SequenceConfig sequences = *config.sequences;
    sequences.model_name = config.executor.model_name;
    sequences.max_batch_size = config.executor.max_batch_size;
    sequences.instance_count = std::max<size_t>(config.executor.instance_count, 1);
    return sequences;
}

}  // namespace

Result<std::unique_ptr<Model>> Model::create(const ModelConfig& config,
                                             const ModelContext& context) {
    if (config.instances.size() > limits::kMaxInstances) {
        return invalid_arg("model '" + config.executor.model_name + "' has " +
                           std::to_string(config.instances.size()) +
                           " instances, but at most " + std::to_string(limits::kMaxInstances) +
                           " are possible");
    }
    auto model = std::make_unique<Model>(config, context);
    TRITONPY_RETURN_IF_ERROR(model->make_intake(config, context));
    if (!model->is_ensemble()) {
        TRITONPY_RETURN_IF_ERROR(model->create_instances(config, context));
    }
    return model;
}

Model::Model(const ModelConfig& config, const ModelContext& context)
    : identity_(identity_of(config)),
      batch_inputs_(config.batch_inputs),
      padding_(config.padding),
      states_(config.sequences ? config.sequences->states : std::vector<SequenceState>()),
      steps_(config.ensemble ? config.ensemble->steps : std::vector<EnsembleStep>()),
      splits_large_requests_(config.split_large_requests && config.executor.max_batch_size > 0),
      pool_(context.executor.pool),
      clock_(context.executor.clock),
      has_threads_(context.start_threads),
      in_flight_(context.all_answered),
      cached_(make_cached_answers(config, context)),
      keeps_order_(config.batcher.preserve_ordering) {}

Model::~Model() { stop(); }

Status Model::make_intake(const ModelConfig& config, const ModelContext& context) {
    if (config.ensemble) {
        ensemble_answers_.emplace(identity_, stats_, in_flight_, clock_);
        intake_ = std::make_unique<EnsembleScheduler>(
            *config.ensemble, *identity_, *context.executor.door, *ensemble_answers_);
        return Status();
    }
    std::unique_ptr<Scheduler> scheduler =
        config.sequences ? make_scheduler(sequences_of(config), clock_, pool_)
                         : make_scheduler(batcher_of(config), clock_);
    const bool needs_any = std::ranges::any_of(
        config.needs, [](const InstanceNeeds& needs) { return !needs.resources.empty(); });
    if (needs_any && context.rate_limiter != nullptr) {
        TRITONPY_RETURN_IF_ERROR(LimitedScheduler::put_before(scheduler, *context.rate_limiter,
                                                              config.needs, clock_));
    }
    scheduler_ = scheduler.get();
    intake_ = std::move(scheduler);
    return Status();
}

std::unique_ptr<CachedAnswers> Model::make_cached_answers(const ModelConfig& config,
                                                          const ModelContext& context) {
    if (!config.response_cache) {
        return nullptr;
    }
    if (context.response_cache == nullptr) {
        TRITONPY_LOG(context.executor.log, LogLevel::kWarning,
                     "the response cache of model '" + identity_->name +
                         "' is enabled, but this server has none: --cache-config makes it");
        return nullptr;
    }
    return std::make_unique<CachedAnswers>(*context.response_cache, identity_, stats_, clock_,
                                           context.executor.log);
}

Status Model::create_instances(const ModelConfig& config, const ModelContext& context) {
    TRITONPY_ASSIGN_OR_RETURN(factory_, context.make_factory(config.executor, context.executor));
    const InstanceContext borrowed{identity_, *scheduler_, stats_,        in_flight_, pool_,
                                   clock_,    instances_,  batch_inputs_, padding_,   states_};
    const Warmup warmup(config.warmup, *identity_, batch_inputs_,
                        config.executor.sequence_inputs, context.executor);
    std::vector<const InstanceSpec*> scheduled;
    for (const InstanceSpec& spec : config.instances) {
        ScopedAffinity affinity;
        TRITONPY_RETURN_IF_ERROR(place(spec, context, affinity));
        TRITONPY_ASSIGN_OR_RETURN(std::unique_ptr<Executor> executor, factory_->create(spec));
        if (spec.passive) {
            passive_executors_.push_back(std::move(executor));
            continue;
        }
        TRITONPY_RETURN_IF_ERROR(warmup.run(spec.name, *executor));
        scheduled.push_back(&spec);
        may_fall_ill_ = may_fall_ill_ || executor->request_executor() != nullptr;
        instances_.push_back(std::make_unique<ModelInstance>(spec.name, instances_.size(),
                                                             std::move(executor), borrowed));
    }
    if (instances_.empty()) {
        return invalid_arg("model '" + identity_->name +
                           "' has no instance that is not passive, so nothing could run it");
    }
    if (scheduler_->is_watched()) {
        queue_watch_.emplace(DropContext{identity_, *scheduler_, stats_, in_flight_, clock_});
    }
    return has_threads_ ? start_threads(scheduled, context) : Status();
}

Status Model::start_threads(const std::vector<const InstanceSpec*>& scheduled,
                            const ModelContext& context) {
    for (size_t index = 0; index < instances_.size(); ++index) {
        ScopedAffinity affinity;
        TRITONPY_RETURN_IF_ERROR(place(*scheduled[index], context, affinity));
        TRITONPY_RETURN_IF_ERROR(instances_[index]->start());
    }
    if (queue_watch_) {
        TRITONPY_RETURN_IF_ERROR(queue_watch_->start());
    }
    return Status();
}

Status Model::infer(std::unique_ptr<InferenceRequest>& request, bool& wake_due) {
    int64_t now_ns = clock_.now_ns();
    TRITONPY_RETURN_IF_ERROR(check_request(*identity_, *request, splits_large_requests_));
    if (padding_) {
        if (Status equal = check_lengths(*padding_, *request); !equal.ok()) {
            restore_client_shapes(*identity_, *request);
            return equal;
        }
    }
    if (may_fall_ill_) {
        if (Status hopeful = check_hopeful(); !hopeful.ok()) {
            restore_client_shapes(*identity_, *request);
            stats_.count_failure(FailureReason::kRejected, 0);
            return hopeful;
        }
    }
    request->trace = RequestTrace{};
    request->trace.request_start_ns = now_ns;
    // Where order is kept, nothing that is still to be answered may be overtaken.
    const bool in_order = !keeps_order_ || in_flight_.count() == 0;
    // A model somewhere in an ensemble may remember what a sequence has brought.
    const bool is_remembered = is_ensemble() && !is_none(request->correlation_id);
    CachedAnswers* cached = is_remembered ? nullptr : cached_.get();
    if (cached != nullptr && cached->try_answer(request, in_order)) {
        return Status();
    }
    const bool is_large = splits_large_requests_ && request->rows > identity_->max_batch_size;
    Status queued = is_large ? admit_in_parts(request, wake_due) : admit(request, wake_due);
    if (!queued.ok()) {
        if (cached != nullptr) {
            CachedAnswers::withdraw(*request);
        }
        restore_client_shapes(*identity_, *request);
    }
    return queued;
}

Status Model::admit(std::unique_ptr<InferenceRequest>& request, bool& wake_due) {
    const int64_t start_ns = request->trace.request_start_ns;
    in_flight_.add();
    Status queued = intake_->admit(request, clock_.now_ns(), wake_due);
    if (!queued.ok()) {
        in_flight_.remove(1);
        stats_.count_failure(FailureReason::kRejected, clock_.now_ns() - start_ns);
    }
    return queued;
}

Status Model::admit_in_parts(std::unique_ptr<InferenceRequest>& request, bool& wake_due) {
    const auto whole = SplitRequest::create(identity_, pool_, std::move(request));
    bool is_first = true;
    while (std::unique_ptr<InferenceRequest> part = whole->next_part()) {
        bool part_due = false;
        Status queued = admit(part, part_due);
        wake_due = wake_due || part_due;
        if (!queued.ok()) {
            part.reset();  // before the whole goes: it borrows from it
            if (is_first) {
                request = whole->give_back();
                return queued;
            }
            whole->refuse_rest(queued);
            return Status();
        }
        is_first = false;
    }
    return Status();
}

Status Model::infer(std::unique_ptr<InferenceRequest>& request) {
    bool wake_due = false;
    Status queued = infer(request, wake_due);
    if (wake_due) {
        wake();
    }
    return queued;
}

Status Model::check_hopeful() const {
    const bool hopeful = std::ranges::any_of(
        instances_, [](const auto& instance) { return instance->hopeful(); });
    return hopeful ? Status() : check_ready();
}

Status Model::check_ready() const {
    for (const auto& instance : instances_) {
        if (!instance->healthy()) {
            return unavailable("Stub process '" + instance->name() + "' is not healthy.");
        }
    }
    return Status();
}

ModelStatsSnapshot Model::statistics() const {
    ModelStatsSnapshot snapshot = stats_.snapshot();
    snapshot.pending = intake_->queued();
    return snapshot;
}

void Model::close() {
    admissions_.close_and_wait();
    if (intake_ != nullptr) {
        intake_->stop();
    }
}

bool Model::run_queued() {
    bool has_run = false;
    for (const auto& instance : instances_) {
        if (instance->busy()) {
            instance->complete();
            has_run = true;
        }
        while (instance->run_once().kind == Pull::Kind::kBatch) {
            has_run = true;
        }
    }
    return has_run;
}

void Model::stop() {
    close();
    if (is_ensemble()) {
        in_flight_.wait_until_none();
    }
    for (const auto& instance : instances_) {
        if (has_threads_) {
            instance->join();
        } else {
            instance->run_until_stopped();
        }
    }
    if (queue_watch_) {
        queue_watch_->join();
    }
}

}  // namespace tritonpy
