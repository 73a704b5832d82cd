#include "model/model.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "base/affinity.h"
#include "base/limits.h"
#include "model/dropped_requests.h"
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

Status check_instance_count(const ModelConfig& config) {
    if (config.instances.size() > limits::kMaxInstances) {
        return invalid_arg("model '" + config.executor.model_name + "' has " +
                           std::to_string(config.instances.size()) +
                           " instances, but at most " + std::to_string(limits::kMaxInstances) +
                           " are possible");
    }
    return Status();
}

// Whether instances wait for resources before they run.
bool is_limited(const ModelConfig& config, const ModelContext& context) {
    return context.rate_limiter != nullptr &&
           std::ranges::any_of(config.needs, [](const InstanceNeeds& needs) {
               return !needs.resources.empty();
           });
}

// Whether an instance of one spec is as good as one of the other.
bool are_alike(const InstanceSpec& left, const InstanceSpec& right) {
    return left.kind == right.kind && left.device_id == right.device_id &&
           left.host_policy == right.host_policy;
}

// An instance as its configuration has it.
struct WantedInstance {
    const InstanceSpec* spec;
    InstanceNeeds needs;  // empty where nobody limits them
};

// Those that are not passive.
std::vector<WantedInstance> wanted_instances(const ModelConfig& config, bool is_limited) {
    std::vector<WantedInstance> wanted;
    for (const InstanceSpec& spec : config.instances) {
        if (!spec.passive) {
            const size_t index = wanted.size();
            wanted.push_back({&spec, is_limited ? config.needs[index] : InstanceNeeds{}});
        }
    }
    return wanted;
}

// Gives everyone in `missing` what suits it of what is there, each once, so that those stay who got
// nothing. Calls `unwanted` for what nobody got.
template <typename Wanted, typename There, typename Suits, typename Unwanted>
void hand_out(std::vector<Wanted>& missing, const There& there, Suits suits, Unwanted unwanted) {
    for (const auto& one : there) {
        const auto found = std::ranges::find_if(
            missing, [&](const Wanted& wanted) { return suits(wanted, one); });
        if (found == missing.end()) {
            unwanted(one);
        } else {
            missing.erase(found);
        }
    }
}

}  // namespace

Result<std::unique_ptr<Model>> Model::create(const ModelConfig& config,
                                             const ModelContext& context) {
    TRITONPY_RETURN_IF_ERROR(check_instance_count(config));
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
      stats_(config.first_response_bounds_ms),
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
    if (is_limited(config, context)) {
        TRITONPY_ASSIGN_OR_RETURN(
            auto limited, LimitedScheduler::put_before(std::move(scheduler), *context.rate_limiter,
                                                       config.needs, clock_));
        limited_ = limited.get();
        scheduler = std::move(limited);
        for (size_t index = 0; index < config.needs.size(); ++index) {
            needs_[index] = config.needs[index];
        }
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
    auto shelf = context.response_cache->open(identity_, config.content_digest);
    if (shelf->is_remote() && config.batcher.preserve_ordering) {
        TRITONPY_LOG(context.executor.log, LogLevel::kWarning,
                     "the response cache of model '" + identity_->name +
                         "' is enabled, but a model that preserves ordering cannot wait for "
                         "lookups in another server: its answers are not kept");
        return nullptr;
    }
    LookupHost& host = *this;
    return std::make_unique<CachedAnswers>(std::move(shelf), host, identity_, stats_, clock_,
                                           context.executor.log);
}

Status Model::create_instances(const ModelConfig& config, const ModelContext& context) {
    TRITONPY_ASSIGN_OR_RETURN(factory_, context.make_factory(config.executor, context.executor));
    const Warmup warmup = warmup_of(config, context);
    std::vector<std::unique_ptr<ModelInstance>> created;
    for (const InstanceSpec& spec : config.instances) {
        TRITONPY_ASSIGN_OR_RETURN(std::unique_ptr<Executor> executor,
                                  make_executor(spec, warmup, context));
        if (spec.passive) {
            passive_.push_back({spec, std::move(executor)});
            continue;
        }
        may_fall_ill_ = may_fall_ill_ || executor->request_executor() != nullptr;
        created.push_back(make_instance(spec, std::move(executor)));
    }
    if (created.empty()) {
        return nobody_to_run();
    }
    instances_.add(std::move(created));
    if (scheduler_->is_watched()) {
        queue_watch_.emplace(DropContext{identity_, *scheduler_, stats_, in_flight_, clock_});
    }
    TRITONPY_RETURN_IF_ERROR(start_threads(instances_.all(), context));
    return queue_watch_ && has_threads_ ? queue_watch_->start() : Status();
}

Status Model::nobody_to_run() const {
    return invalid_arg("model '" + identity_->name +
                       "' has no instance that is not passive, so nothing could run it");
}

Warmup Model::warmup_of(const ModelConfig& config, const ModelContext& context) const {
    return Warmup(config.warmup, *identity_, batch_inputs_, config.executor.sequence_inputs,
                  context.executor);
}

Result<std::unique_ptr<Executor>> Model::make_executor(const InstanceSpec& spec,
                                                       const Warmup& warmup,
                                                       const ModelContext& context) {
    ScopedAffinity affinity;
    TRITONPY_RETURN_IF_ERROR(place(spec, context, affinity));
    TRITONPY_ASSIGN_OR_RETURN(std::unique_ptr<Executor> executor, factory_->create(spec));
    if (!spec.passive) {
        TRITONPY_RETURN_IF_ERROR(warmup.run(spec.name, *executor));
    }
    return executor;
}

std::unique_ptr<ModelInstance> Model::make_instance(const InstanceSpec& spec,
                                                    std::unique_ptr<Executor> executor) {
    const InstanceContext borrowed{identity_, *scheduler_, stats_,        in_flight_, pool_,
                                   clock_,    instances_,  batch_inputs_, padding_,   states_};
    return std::make_unique<ModelInstance>(spec, next_instance_++, std::move(executor), borrowed);
}

Status Model::start_threads(std::span<const std::unique_ptr<ModelInstance>> instances,
                            const ModelContext& context) {
    if (!has_threads_) {
        return Status();
    }
    for (const auto& instance : instances) {
        ScopedAffinity affinity;
        TRITONPY_RETURN_IF_ERROR(place(instance->spec(), context, affinity));
        TRITONPY_RETURN_IF_ERROR(instance->start());
    }
    return Status();
}

bool Model::lets_instances_change(const ModelConfig& config, const ModelContext& context) const {
    return !is_ensemble() && scheduler_->lets_instances_change() &&
           is_limited(config, context) == (limited_ != nullptr);
}

Status Model::change_instances(const ModelConfig& config, const ModelContext& context) {
    TRITONPY_RETURN_IF_ERROR(check_instance_count(config));
    std::vector<WantedInstance> missing = wanted_instances(config, limited_ != nullptr);
    if (missing.empty()) {
        return nobody_to_run();
    }
    const auto suits = [&](const WantedInstance& wanted, const auto& instance) {
        const auto its_needs = needs_.find(instance->index());
        return are_alike(*wanted.spec, instance->spec()) &&
               (its_needs == needs_.end() || its_needs->second == wanted.needs);
    };
    std::vector<const ModelInstance*> surplus;
    hand_out(missing, instances_.all(), suits,
             [&](const auto& instance) { surplus.push_back(instance.get()); });
    factory_->update(config.executor);
    const Warmup warmup = warmup_of(config, context);
    std::vector<std::unique_ptr<Executor>> executors;
    std::vector<InstanceNeeds> needs;
    for (const WantedInstance& wanted : missing) {
        TRITONPY_ASSIGN_OR_RETURN(executors.emplace_back(),
                                  make_executor(*wanted.spec, warmup, context));
        needs.push_back(wanted.needs);
    }
    TRITONPY_ASSIGN_OR_RETURN(PassiveChange passive, passive_change(config, warmup, context));
    if (limited_ != nullptr) {
        TRITONPY_RETURN_IF_ERROR(limited_->expect(needs));
    }
    std::vector<std::unique_ptr<ModelInstance>> created;
    for (size_t index = 0; index < missing.size(); ++index) {
        if (limited_ != nullptr) {
            needs_[next_instance_] = std::move(needs[index]);
        }
        created.push_back(make_instance(*missing[index].spec, std::move(executors[index])));
        scheduler_->engage(created.back()->index());
    }
    if (Status started = start_threads(created, context); !started.ok()) {
        dismiss(std::move(created));
        return started;
    }
    instances_.add(std::move(created));
    change_passive(std::move(passive));
    dismiss(instances_.take_out(surplus));
    return Status();
}

Result<Model::PassiveChange> Model::passive_change(const ModelConfig& config,
                                                   const Warmup& warmup,
                                                   const ModelContext& context) {
    std::vector<const InstanceSpec*> missing;
    for (const InstanceSpec& spec : config.instances) {
        if (spec.passive) {
            missing.push_back(&spec);
        }
    }
    PassiveChange change;
    hand_out(
        missing, passive_,
        [](const InstanceSpec* wanted, const auto& one) { return are_alike(*wanted, one.spec); },
        [&](const auto& one) { change.surplus.push_back(one.executor.get()); });
    for (const InstanceSpec* spec : missing) {
        TRITONPY_ASSIGN_OR_RETURN(auto executor, make_executor(*spec, warmup, context));
        change.missing.push_back({*spec, std::move(executor)});
    }
    return change;
}

void Model::change_passive(PassiveChange change) {
    std::erase_if(passive_, [&](const PassiveInstance& one) {
        return std::ranges::find(change.surplus, one.executor.get()) != change.surplus.end();
    });
    std::ranges::move(change.missing, std::back_inserter(passive_));
}

void Model::dismiss(std::vector<std::unique_ptr<ModelInstance>> instances) {
    const int64_t patience_ns = has_threads_ ? limits::kSequenceFarewellNs : 0;
    const int64_t until_ns = clock_.now_ns() + patience_ns;
    for (const auto& instance : instances) {
        // All of them first: they end side by side.
        scheduler_->dismiss(instance->index(), until_ns);
    }
    for (const auto& instance : instances) {
        end(*instance);
        needs_.erase(instance->index());
    }
}

void Model::end(ModelInstance& instance) {
    if (has_threads_) {
        instance.join();
    } else {
        instance.run_until_stopped();
    }
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
    Status queued = admit_whole(request, wake_due);
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

Status Model::admit_whole(std::unique_ptr<InferenceRequest>& request, bool& wake_due) {
    const bool is_large = splits_large_requests_ && request->rows > identity_->max_batch_size;
    return is_large ? admit_in_parts(request, wake_due) : admit(request, wake_due);
}

bool Model::begin_lookup() {
    if (!admissions_.try_enter()) {
        return false;
    }
    in_flight_.add();
    return true;
}

void Model::queue_late(std::unique_ptr<InferenceRequest> request) {
    bool wake_due = false;
    Status queued = admit_whole(request, wake_due);
    if (wake_due) {
        wake();
    }
    if (!queued.ok()) {
        CachedAnswers::withdraw(*request);
        restore_client_shapes(*identity_, *request);
        ResponseSink& sink = *request->sink;
        auto response = final_response(identity_, std::move(request));
        response->status = std::move(queued);
        sink.deliver(std::move(response));
    }
}

void Model::end_lookup() {
    in_flight_.remove(1);
    admissions_.leave();
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

void Model::wake(InstanceHost& host) {
    bool all_driven = false;
    // To keep an answer, or to join it with others, may take long: that is for no such thread.
    const bool may_drive = may_fall_ill_ && cached_ == nullptr && !splits_large_requests_;
    ModelInstance* const instance = may_drive ? instances_.take_seat(all_driven) : nullptr;
    if (instance != nullptr) {
        instance->drive(host);
    } else if (!all_driven) {
        intake_->wake();
    }
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
    return instances_.any_hopeful() ? Status() : check_ready();
}

Status Model::check_ready() const { return instances_.check_ready(); }

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
    for (const auto& instance : instances_.all()) {
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
    for (const auto& instance : instances_.all()) {
        end(*instance);
    }
    if (queue_watch_) {
        queue_watch_->join();
    }
}

}  // namespace tritonpy
