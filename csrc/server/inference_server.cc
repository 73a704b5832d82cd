#include "server/inference_server.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/limits.h"
#include "memory/free_memory.h"
#include "model/dropped_requests.h"
#include "model/request_check.h"
#include "model/response_cache.h"
#include "scheduler/refusals.h"

namespace tritonpy {

namespace {

std::unique_ptr<AnswerCache> local_cache(size_t bytes, const Clock& clock) {
    return bytes == 0 ? nullptr : std::make_unique<ResponseCache>(bytes, clock);
}

}  // namespace

InferenceServer::InferenceServer(ServerOptions options, const Clock& clock, Log& log,
                                 std::unique_ptr<AnswerCache> remote_cache)
    : options_(std::move(options)),
      clock_(clock),
      log_(log),
      response_cache_(remote_cache != nullptr
                          ? std::move(remote_cache)
                          : local_cache(options_.response_cache_bytes, clock)),
      rate_limiter_(options_.rate_limit
                        ? std::make_unique<RateLimiter>(options_.resource_counts, log)
                        : nullptr) {}

InferenceServer::~InferenceServer() {
    end_demands();
    registry_.close();
    // Steps of ensembles are answered by other models: an ensemble is idle when those have stopped,
    // and must not be freed before.
    for (Model* model : registry_.models()) {
        if (!model->is_ensemble()) {
            model->stop();
        }
    }
}

Status InferenceServer::infer(std::unique_ptr<InferenceRequest>& request) {
    return run(request, ModelRegistry::Caller::kClient);
}

Status InferenceServer::ModelDoor::infer(std::unique_ptr<InferenceRequest>& request) {
    DeferredWakes* later = DeferredWakes::of_burst();
    return later == nullptr ? server_.run(request, caller_)
                            : server_.run(request, caller_, *later);
}

Result<int64_t> InferenceServer::ModelDoor::labelled_version(std::string_view name,
                                                             std::string_view label) const {
    if (auto version = server_.labelled_version(name, label)) {
        return *std::move(version);
    }
    return invalid_arg("model '" + std::string(name) + "' has no version label '" +
                       std::string(label) + "': it has no rollout");
}

Status InferenceServer::infer(std::unique_ptr<InferenceRequest>& request, DeferredWakes& later) {
    DeferredWakes::Burst burst(later);
    return run(request, ModelRegistry::Caller::kClient, later);
}

Status InferenceServer::run(std::unique_ptr<InferenceRequest>& request,
                            ModelRegistry::Caller caller, DeferredWakes& later) const {
    bool wake_due = false;
    TRITONPY_ASSIGN_OR_RETURN(ModelRef model, admit(request, caller, wake_due));
    if (wake_due) {
        later.add(std::move(model));
    }
    return Status();
}

Status InferenceServer::run(std::unique_ptr<InferenceRequest>& request,
                            ModelRegistry::Caller caller) const {
    bool wake_due = false;
    TRITONPY_ASSIGN_OR_RETURN(ModelRef model, admit(request, caller, wake_due));
    if (wake_due) {
        model->wake();
    }
    return Status();
}

Result<ModelRef> InferenceServer::admit(std::unique_ptr<InferenceRequest>& request,
                                        ModelRegistry::Caller caller, bool& wake_due) const {
    const bool from_model = caller == ModelRegistry::Caller::kModel;
    while (true) {
        TRITONPY_ASSIGN_OR_RETURN(ModelRegistry::Entered entered,
                                  registry_.enter(*request, caller));
        if (entered.demand == nullptr) {
            return hand_over(std::move(entered), request, wake_due);
        }
        TRITONPY_ASSIGN_OR_RETURN(auto arrival, entered.demand->wait(request, from_model));
        if (arrival == ModelDemand::Arrival::kWaits) {
            return ModelRef();
        }
    }
}

Result<ModelRef> InferenceServer::hand_over(ModelRegistry::Entered entered,
                                            std::unique_ptr<InferenceRequest>& request,
                                            bool& wake_due) const {
    if (!entered.model) {
        return scheduler_stopping(*request);
    }
    if (entered.rollout != nullptr) {
        entered.rollout->watch(entered.target, *request);
    }
    Status queued = entered.model->infer(request, wake_due);
    if (!queued.ok()) {
        if (entered.rollout != nullptr) {
            entered.rollout->withdraw(entered.target, *request, queued);
        }
        return queued;
    }
    return std::move(entered.model);
}

ModelContext InferenceServer::model_context() {
    return {{clock_, log_, pool_, options_.onnxruntime_library, options_.worker_launcher, &door_},
            options_.make_factory,
            all_answered_,
            options_.start_threads,
            response_cache_.get(),
            rate_limiter_.get(),
            &options_.host_policies};
}

Result<std::unique_ptr<Model>> InferenceServer::build_model(ModelConfig config) {
    return Model::create(config, model_context());
}

Result<bool> InferenceServer::change_instances(const ModelConfig& config) {
    const ModelContext context = model_context();
    const ExecutorConfig& executor = config.executor;
    Model* model = registry_.published(executor.model_name, executor.model_version);
    if (model == nullptr || !model->lets_instances_change(config, context)) {
        return false;
    }
    TRITONPY_RETURN_IF_ERROR(model->change_instances(config, context));
    give_back_free_memory();
    return true;
}

void InferenceServer::publish(const std::string& name,
                              std::vector<std::unique_ptr<Model>> models,
                              const std::vector<int64_t>& retire) {
    std::vector<Model*> retired = registry_.publish(name, std::move(models), retire);
    if (retired.empty()) {
        return;
    }
    if (options_.start_threads) {
        const auto are_over = [&] {
            return std::ranges::all_of(
                retired, [](const Model* model) { return model->open_sequences() == 0; });
        };
        wait_until(are_over, clock_.now_ns() + limits::kSequenceFarewellNs,
                   kSequenceFarewellLookNs);
    }
    end(retired);
}

void InferenceServer::end(const std::vector<Model*>& retired) {
    for (Model* model : retired) {
        model->close();  // all of them first, so that they drain side by side
    }
    for (Model* model : retired) {
        model->stop();
    }
    registry_.discard(retired);
    pool_.trim();
    give_back_free_memory();
}

void InferenceServer::note_unavailable(const std::string& name,
                                       const std::vector<int64_t>& versions) {
    registry_.note_unavailable(name, versions);
}

void InferenceServer::offer(const std::string& name,
                            std::shared_ptr<const ModelIdentity> expected, bool is_in) {
    if (const auto demand = registry_.demand(name)) {
        demand->renew(std::move(expected));
        return;
    }
    registry_.offer(name, std::make_shared<ModelDemand>(name, std::move(expected), is_in, wanted_,
                                                        clock_));
}

void InferenceServer::withdraw(const std::string& name) {
    if (const auto demand = registry_.withdraw(name)) {
        run_waiting(*demand, demand->end());
    }
}

Result<bool> InferenceServer::is_out(const std::string& name) const {
    const auto demand = registry_.demand(name);
    if (demand == nullptr || demand->is_in()) {
        return false;
    }
    TRITONPY_RETURN_IF_ERROR(demand->failure());
    return true;
}

void InferenceServer::let_in(const std::string& name) {
    const auto demand = registry_.demand(name);
    while (demand != nullptr && !demand->is_in()) {
        run_waiting(*demand, demand->next_batch());
    }
}

void InferenceServer::refuse_waiting(const std::string& name, const Status& error,
                                     int64_t for_ns) {
    if (const auto demand = registry_.demand(name)) {
        refuse(*demand, error, clock_.now_ns() + for_ns);
    }
}

void InferenceServer::refuse(ModelDemand& demand, const Status& error, int64_t until_ns) const {
    for (ModelDemand::Waiting& one : demand.fail(error, until_ns)) {
        answer_waiting(demand, std::move(one), error);
    }
}

void InferenceServer::end_demands() {
    wanted_.close();
    for (const auto& demand : registry_.demands()) {
        refuse(*demand, unavailable("Server is stopping"), std::numeric_limits<int64_t>::max());
    }
}

bool InferenceServer::evict(const std::string& name, int64_t deadline_ns) {
    const auto demand = registry_.demand(name);
    const Model* model = registry_.published(name, -1);
    if (demand == nullptr || model == nullptr) {
        return false;
    }
    demand->shut(model->identity());
    std::optional<std::vector<Model*>> taken;
    const auto is_decided = [&] {
        taken = registry_.take_out_idle(name);
        return taken.has_value() || registry_.has_open_sequences(name);
    };
    wait_until(is_decided, deadline_ns, kEvictionLookNs);
    if (!taken) {
        let_in(name);
        return false;
    }
    demand->gone();
    end(*taken);
    return true;
}

std::vector<DemandCounters> InferenceServer::demand_counters() const {
    std::vector<DemandCounters> all;
    for (const auto& demand : registry_.demands()) {
        all.push_back(demand->counters());
    }
    return all;
}

void InferenceServer::run_waiting(const ModelDemand& demand,
                                  std::vector<ModelDemand::Waiting> waiting) const {
    for (ModelDemand::Waiting& one : waiting) {
        const auto caller =
            one.from_model ? ModelRegistry::Caller::kModel : ModelRegistry::Caller::kClient;
        auto entered = registry_.enter(*one.request, caller, /*has_waited=*/true);
        bool wake_due = false;
        auto model = entered.ok()
                         ? hand_over(std::move(entered).value(), one.request, wake_due)
                         : entered.status();
        if (!model.ok()) {
            answer_waiting(demand, std::move(one), model.status());
        } else if (wake_due) {
            model.value()->wake();
        }
    }
}

void InferenceServer::answer_waiting(const ModelDemand& demand, ModelDemand::Waiting waiting,
                                     const Status& error) {
    ResponseSink* const sink = waiting.request->sink;
    auto response = final_response(demand.expected(), std::move(waiting.request));
    response->status = error;
    sink->deliver(std::move(response));
}

Result<int64_t> InferenceServer::resolve_version(std::string_view name, int64_t version) const {
    return registry_.resolve_version(name, version);
}

Result<std::shared_ptr<const ModelIdentity>> InferenceServer::model_identity(
    std::string_view name, int64_t version) const {
    return registry_.identity(name, version);
}

Status InferenceServer::check_ready(std::string_view name, int64_t version) const {
    return registry_.check_ready(name, version);
}

Result<ModelStatsSnapshot> InferenceServer::statistics(std::string_view name,
                                                       int64_t version) const {
    return registry_.statistics(name, version);
}

void InferenceServer::set_rollout(const std::string& name, std::optional<RolloutConfig> config) {
    auto rollout = config ? std::make_shared<Rollout>(name, *std::move(config), shadow_door_,
                                                      clock_, log_)
                          : nullptr;
    routing_headers_.set(name, rollout ? rollout->header_names() : RoutingHeaders::Names());
    registry_.set_rollout(name, std::move(rollout));
}

std::optional<RolloutCounters> InferenceServer::rollout_counters(std::string_view name) const {
    const std::shared_ptr<const Rollout> rollout = registry_.rollout(name);
    return rollout == nullptr ? std::nullopt : std::optional(rollout->counters());
}

std::optional<Result<int64_t>> InferenceServer::labelled_version(std::string_view name,
                                                                 std::string_view label) const {
    const std::shared_ptr<const Rollout> rollout = registry_.rollout(name);
    return rollout == nullptr ? std::nullopt : std::optional(rollout->version_of(label));
}

std::optional<CacheCounters> InferenceServer::cache_counters() const {
    return response_cache_ == nullptr ? std::nullopt
                                      : std::optional(response_cache_->counters());
}

bool InferenceServer::drain(int64_t deadline_ns, bool ends_sequences) {
    registry_.refuse_clients();
    end_demands();
    if (options_.start_threads) {
        const auto goes_on = [&] {
            return registry_.has_ensemble_in_flight() ||
                   (!ends_sequences && registry_.has_open_sequences());
        };
        const bool over = wait_until([&] { return !goes_on(); }, deadline_ns,
                                     kSequenceFarewellLookNs);
        if (!over) {
            return false;
        }
    } else {
        run_ensembles();
    }
    registry_.close();
    if (!options_.start_threads) {
        for (Model* model : registry_.models()) {
            if (!model->is_ensemble()) {
                model->stop();
            }
        }
    }
    return wait_until([this] { return registry_.in_flight().empty(); }, deadline_ns);
}

void InferenceServer::run_ensembles() {
    for (bool has_run = true; has_run && registry_.has_ensemble_in_flight();) {
        has_run = false;
        for (Model* model : registry_.models()) {
            has_run = model->run_queued() || has_run;
        }
    }
}

template <typename Condition>
bool InferenceServer::wait_until(Condition is_done, int64_t deadline_ns, int64_t look_ns) {
    while (true) {
        Parking::Ticket ticket = all_answered_.prepare();
        const bool done = is_done();
        int64_t now_ns = clock_.now_ns();
        if (done || now_ns >= deadline_ns) {
            all_answered_.cancel();
            return done;
        }
        int64_t sleep_ns = std::min(deadline_ns - now_ns, look_ns);
        all_answered_.wait_until(ticket, SteadyClock().now_ns() + sleep_ns);
    }
}

std::vector<InferenceServer::InFlight> InferenceServer::in_flight() const {
    return registry_.in_flight();
}

}  // namespace tritonpy
