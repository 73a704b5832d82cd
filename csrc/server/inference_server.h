// The one door of the core: infer, build and publish models, statistics, drain.
//
// Front ends, models that ask other models, and the Python control plane see nothing below this.
// Versions are built off to the side (slow, may fail, changes nothing) and then published together,
// so that a reload keeps the old version serving until the new one is ready, and a failed one
// leaves it alone.
//
// Threads: thread-safe. infer never blocks; build_model, publish and drain do.
// Owns: the registry of models and the block pool. Borrows: clock and log.
// Invariants: 1. infer either takes the request and answers it exactly once through its sink, or
//                returns an error and leaves it with the caller;
//             2. a model is freed only after its last response was delivered.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/executor.h"
#include "infer/inference_door.h"
#include "backend/worker_launcher.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "infer/request.h"
#include "infer/response.h"
#include "memory/block_pool.h"
#include "model/answer_cache.h"
#include "model/deferred_wakes.h"
#include "model/model.h"
#include "model/model_config.h"
#include "model/model_demand.h"
#include "model/model_registry.h"
#include "model/model_stats.h"
#include "model/rollout.h"
#include "model/routing_headers.h"
#include "model/wanted_models.h"

namespace tritonpy {

struct ServerOptions {
    std::string onnxruntime_library;            // see ExecutorContext
    WorkerLauncher* worker_launcher = nullptr;  // borrowed; outlives the server
    size_t response_cache_bytes = 0;  // 0: no response cache
    bool rate_limit = false;          // instances wait for the resources that they need
    std::vector<ResourceCount> resource_counts;
    HostPolicies host_policies;
    bool start_threads = true;        // false: a simulation steps the instances itself
    // What builds executors; tests put scripted ones here.
    ExecutorFactoryMaker make_factory = make_executor_factory;
};

class InferenceServer final {
  public:
    // How long an unload waits for sequences that clients go on with, and how often it looks
    // whether they have ended: nobody is told of one that was idle for too long.
    static constexpr int64_t kSequenceFarewellLookNs = 50'000'000;
    // How often an eviction looks whether its model is idle: nobody is told of callers that leave.
    static constexpr int64_t kEvictionLookNs = 10'000'000;

    // `clock` and `log` are borrowed and outlive the server.
    // `remote_cache`: takes the place of a response cache of its own.
    InferenceServer(ServerOptions options, const Clock& clock, Log& log,
                    std::unique_ptr<AnswerCache> remote_cache = nullptr);
    // Waits until every request taken was answered. REQUIRES: no other thread is inside, all
    // responses are gone.
    ~InferenceServer();
    InferenceServer(const InferenceServer&) = delete;
    InferenceServer& operator=(const InferenceServer&) = delete;

    // Journey steps 5 to 7: finds the model, checks the request, queues it. On OK the request is
    // gone and `request->sink` gets exactly one final response, perhaps before this returns. On
    // error the caller keeps the request. not_found, unavailable (not ready, full, stopping),
    // invalid_arg, with Triton's texts.
    Status infer(std::unique_ptr<InferenceRequest>& request);
    // The same, but instances hear of the request only when `later` wakes them, which must be soon.
    Status infer(std::unique_ptr<InferenceRequest>& request, DeferredWakes& later);

    // Builds a model version that serves nobody yet. Blocks while the backend loads.
    Result<std::unique_ptr<Model>> build_model(ModelConfig config);

    // Makes `models`, all of this name or identifier (see ModelRegistry), the ready versions of it,
    // atomically for requests: versions of `retire` and replaced versions take no more requests,
    // but of sequences that they have, for limits::kSequenceFarewellNs; they drain (this blocks
    // until they have) and are freed. Other versions stay as they are.
    void publish(const std::string& name, std::vector<std::unique_ptr<Model>> models,
                 const std::vector<int64_t>& retire);

    // Changes the instances of a ready version to those of `config`, which is another in nothing
    // else, while it serves (Model::change_instances). False, and nothing has changed, where it
    // does not serve or its instances cannot change: build it anew. Blocks; errors as build_model.
    // REQUIRES: nobody publishes versions of that name meanwhile.
    Result<bool> change_instances(const ModelConfig& config);

    // Remembers versions that failed to load: requests for them get unavailable `... is not at
    // ready state` instead of not_found. A version that is ready stays so.
    void note_unavailable(const std::string& name, const std::vector<int64_t>& versions);

    // Lets requests wait for a model that need not be in memory (ModelDemand), instead of refusing
    // them; `is_in`: it is there. Of one that is on demand already only what is expected changes,
    // and a failure to load it is forgotten.
    void offer(const std::string& name, std::shared_ptr<const ModelIdentity> expected, bool is_in);
    // From now on it is there or it is not: who waited is told so.
    void withdraw(const std::string& name);
    // Blocks until requests wait for a model that nobody loads; its name, once, until it was let in
    // or refused. Nothing when the server stops.
    std::optional<std::string> next_wanted() { return wanted_.next(); }
    void stop_wanting() { wanted_.close(); }
    // Whether requests for a model would wait for it; an error where it has just failed to load.
    Result<bool> is_out(const std::string& name) const;
    // It serves: who waited for it runs.
    void let_in(const std::string& name);
    // It does not load: who waits gets `error`, and who comes in the next `for_ns` nanoseconds.
    void refuse_waiting(const std::string& name, const Status& error, int64_t for_ns);
    // Takes a model on demand out, once it has nothing to do; requests wait meanwhile. Whether that
    // was so before `deadline_ns`; else, or where it has open sequences, it serves on. Blocks.
    bool evict(const std::string& name, int64_t deadline_ns);
    // Of every model on demand, in no order.
    std::vector<DemandCounters> demand_counters() const;

    // Resolves a version (-1: the newest ready one) with the errors that infer would give.
    Result<int64_t> resolve_version(std::string_view name, int64_t version) const;

    // The identity of a ready version, for decoders that must know the model before they read a
    // body (raw binary requests) and for classification. Errors as resolve_version.
    Result<std::shared_ptr<const ModelIdentity>> model_identity(std::string_view name,
                                                                int64_t version) const;

    // OK when every instance of a ready version can run now; unavailable `Stub process ... is not
    // healthy.` when one cannot. Other errors as resolve_version.
    Status check_ready(std::string_view name, int64_t version) const;

    // Statistics of a ready version. Errors as resolve_version.
    Result<ModelStatsSnapshot> statistics(std::string_view name, int64_t version) const;

    // Lets the model's traffic go as this says, from the next request on; nothing: as without a
    // rollout. Requests in flight are not moved.
    void set_rollout(const std::string& name, std::optional<RolloutConfig> config);
    // What its rollout did so far; nothing where it has none.
    std::optional<RolloutCounters> rollout_counters(std::string_view name) const;
    // The headers that rollouts decide by; null while none does. Requests should bring those.
    std::shared_ptr<const RoutingHeaders::Names> routing_headers() const {
        return routing_headers_.names();
    }
    // The version that has a label; nothing where the model has no rollout, invalid_arg where its
    // rollout does not know the label.
    std::optional<Result<int64_t>> labelled_version(std::string_view name,
                                                    std::string_view label) const;

    // Of the response cache; nothing where there is none.
    std::optional<CacheCounters> cache_counters() const;

    // Refuses new inference to clients (unavailable `Server is stopping, ...`), lets ensembles and,
    // unless `ends_sequences`, sequences end what they have begun, then refuses everybody, lets
    // queued requests run at once, and waits until none is in flight. Returns whether all that was
    // done when the clock passes `deadline_ns`; called again it goes on. Without threads it runs
    // what is queued itself, and ends sequences. Idempotent; reading statistics goes on.
    bool drain(int64_t deadline_ns, bool ends_sequences = true);

    // Models that have requests in flight, those being unloaded included.
    using InFlight = ModelRegistry::InFlight;
    std::vector<InFlight> in_flight() const;

    BlockPool& pool() { return pool_; }

  private:
    // How models ask for inference by others, as clients do and longer, and rollouts by shadows.
    class ModelDoor final : public InferenceDoor {
      public:
        ModelDoor(const InferenceServer& server, ModelRegistry::Caller caller)
            : server_(server), caller_(caller) {}
        Status infer(std::unique_ptr<InferenceRequest>& request) override;
        Result<std::shared_ptr<const ModelIdentity>> model_identity(
            std::string_view name, int64_t version) const override {
            return server_.model_identity(name, version);
        }
        Result<int64_t> labelled_version(std::string_view name,
                                         std::string_view label) const override;

      private:
        const InferenceServer& server_;
        const ModelRegistry::Caller caller_;
    };

    ModelContext model_context();
    // Hands a request to its model, which is returned held open, for it may have to be woken; none
    // is where the request waits for its model. unavailable when the server is stopping; else
    // errors as infer.
    Result<ModelRef> admit(std::unique_ptr<InferenceRequest>& request,
                           ModelRegistry::Caller caller, bool& wake_due) const;
    // The same with a request that found its model, or does not have to wait for it.
    Result<ModelRef> hand_over(ModelRegistry::Entered entered,
                               std::unique_ptr<InferenceRequest>& request, bool& wake_due) const;
    // Runs requests that waited for a model, or answers them with why not.
    void run_waiting(const ModelDemand& demand, std::vector<ModelDemand::Waiting> waiting) const;
    static void answer_waiting(const ModelDemand& demand, ModelDemand::Waiting waiting,
                               const Status& error);
    // As refuse_waiting.
    void refuse(ModelDemand& demand, const Status& error, int64_t until_ns) const;
    // From now on nobody waits for a model.
    void end_demands();
    // Stops and frees what was taken out of the registry. Blocks.
    void end(const std::vector<Model*>& retired);
    // admit, and wakes the model at once, or when `later` does.
    Status run(std::unique_ptr<InferenceRequest>& request, ModelRegistry::Caller caller) const;
    Status run(std::unique_ptr<InferenceRequest>& request, ModelRegistry::Caller caller,
               DeferredWakes& later) const;
    // Blocks until `is_done()`, which the answer to a last request may bring about and is looked at
    // every `look_ns` besides, or the clock passes `deadline_ns`; whether it is.
    template <typename Condition>
    bool wait_until(Condition is_done, int64_t deadline_ns, int64_t look_ns = kLongestSleepNs);
    static constexpr int64_t kLongestSleepNs = int64_t{3600} * 1'000'000'000;
    // Without threads: runs what is queued until ensembles have ended, or nothing moves.
    void run_ensembles();

    const ServerOptions options_;
    const Clock& clock_;
    Log& log_;
    BlockPool pool_;        // outlives the models, whose buffers come from it
    Parking all_answered_;  // where drain waits
    const std::unique_ptr<AnswerCache> response_cache_;    // null: none
    const std::unique_ptr<RateLimiter> rate_limiter_;      // null: off
    ModelDoor door_{*this, ModelRegistry::Caller::kModel};
    ModelDoor shadow_door_{*this, ModelRegistry::Caller::kShadow};
    RoutingHeaders routing_headers_;
    WantedModels wanted_;
    ModelRegistry registry_;
};

}  // namespace tritonpy
