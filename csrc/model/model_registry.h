// Names to versions to models: who answers a request, and what is said when nobody does.
//
// A reader finds a model and enters its admissions gate under one shared lock, and a writer takes
// models out under the exclusive lock before it closes them. So a request that was given a model
// gets into its queue, whatever is reloaded meanwhile, and nobody can be inside a model that is
// freed: no counted pointer and no retry is needed. Entering costs about 40 ns, the same from
// several threads; a plain mutex would cost one reader as much and four at once four times that.
// Nobody waits for those inside a model while it holds the lock: one inside an ensemble wants to
// enter other models.
//
// A model that is taken out stays open for the sequences that it has until whoever took it out
// stops it: a later request of one of them goes where it began, so that a reload loses no state.
//
// Versions that were unloaded or failed to load stay known as unavailable, as in Triton.
//
// Where repositories share model names, a model is published as `<namespace>/<name>`, its
// identifier, and found by that or, while only one model of the name serves, by its name. A server
// without namespaces publishes by name, and pays nothing for them.
//
// A name may have a rollout (rollout.h). Then a request without a version goes where that says,
// unless the version is not ready: a canary that did not load fails nobody. What is not inference
// gets the version that has most of the traffic. A name without one pays for a null pointer.
//
// A name may be on demand (model_demand.h). While such a model is out, whoever asks for it gets to
// know where to wait, and what is known of it stands in for its identity.
//
// Threads: thread-safe. Owns: the models, published and retired.
// Invariants: 1. a published model is open until the registry is closed;
//             2. publish and retire of one call are seen together or not at all;
//             3. a retired model is listed in in_flight until it is discarded.
// Limits: one entry per name and version that the control plane ever published or noted.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/status.h"
#include "model/model.h"
#include "model/model_demand.h"
#include "model/rollout.h"

namespace tritonpy {

class ModelRegistry {
  public:
    struct InFlight {
        std::string model_name;
        int64_t model_version;
        uint64_t count;
    };

    // Who asks: a front end for its client, a model on behalf of a request that it has, or the
    // shadow of a rollout, which is split no more and refused as clients are.
    enum class Caller : uint8_t { kClient, kModel, kShadow };

    // A model that a request has, and the part of a rollout that it is of; null: none.
    struct Entered {
        ModelRef model;
        std::shared_ptr<Rollout> rollout;
        size_t target = 0;
        std::shared_ptr<ModelDemand> demand;  // in place of the model: where to wait for it
    };

    ModelRegistry() = default;
    ModelRegistry(const ModelRegistry&) = delete;
    ModelRegistry& operator=(const ModelRegistry&) = delete;

    // The model of a version (-1: the newest ready one), held open; an empty reference when the
    // registry is closed, for clients also when they are refused. not_found `Request for unknown
    // model: ...` (invalid_arg where there are namespaces), unavailable when the version is known
    // and not ready, invalid_arg where several namespaces have the name. With `sequence`, the id
    // of one that a request goes on with, the model that has it: also one that is taken out, and
    // while clients are refused.
    Result<ModelRef> enter(std::string_view name, int64_t version,
                           Caller caller = Caller::kClient,
                           const CorrelationId* sequence = nullptr) const;

    // The same for a request, by its version or the model's rollout. One that goes on with a
    // sequence goes where that began, whatever the split is by now. One that `has_waited` for a
    // model on demand need not wait again.
    Result<Entered> enter(const InferenceRequest& request, Caller caller,
                          bool has_waited = false) const;

    // From now on the name is on demand; it is not published, or the demand is in.
    void offer(std::string_view name, std::shared_ptr<ModelDemand> demand);
    // No longer; null where it was not.
    std::shared_ptr<ModelDemand> withdraw(std::string_view name);
    // Null where the name is not on demand.
    std::shared_ptr<ModelDemand> demand(std::string_view name) const;
    // All of them, in no order.
    std::vector<std::shared_ptr<ModelDemand>> demands() const;
    // Takes out every version of a name, as publish, if none has a request or a sequence; nothing
    // where one has.
    std::optional<std::vector<Model*>> take_out_idle(std::string_view name);
    bool has_open_sequences(std::string_view name) const;

    // Takes the place of the one before it, and goes on counting where that stopped; null: none
    // any more.
    void set_rollout(std::string_view name, std::shared_ptr<Rollout> rollout);
    // Null where there is none.
    std::shared_ptr<Rollout> rollout(std::string_view name) const;

    // As enter, also when the registry is closed. Of a model on demand that is out, what is
    // expected of it, whatever the version.
    Result<std::shared_ptr<const ModelIdentity>> identity(std::string_view name,
                                                          int64_t version) const;
    // The version that is meant, of those that are ready; errors as enter.
    Result<int64_t> resolve_version(std::string_view name, int64_t version) const;
    Result<ModelStatsSnapshot> statistics(std::string_view name, int64_t version) const;
    // As Model::check_ready, for an ensemble also of all that it is composed of; errors as
    // identity. A model on demand that is out is ready, unless it has just failed to load.
    Status check_ready(std::string_view name, int64_t version) const;

    // Makes `models` the versions that serve, and takes out those that they replace and those of
    // `retire` (unknown ones are ignored). Returns the models taken out, still owned here: the
    // caller stops them (which blocks) and then discards them. REQUIRES: `name` is the name or the
    // identifier of all, no version twice.
    std::vector<Model*> publish(std::string_view name, std::vector<std::unique_ptr<Model>> models,
                                const std::vector<int64_t>& retire);
    // A version that serves; null where it does not. REQUIRES: as long as it is used, nobody
    // publishes versions of that name.
    Model* published(std::string_view name, int64_t version) const;
    // Frees retired models. REQUIRES: each was returned by publish and is stopped.
    void discard(const std::vector<Model*>& retired);

    // Remembers versions that failed to load, so that requests for them hear `is not at ready
    // state`. A version that is ready stays so.
    void note_unavailable(std::string_view name, const std::vector<int64_t>& versions);

    // From now on no client enters, but to go on with a sequence; waits for those in the middle of
    // an ensemble's infer, so that every request that an ensemble has is in flight by then.
    // Idempotent.
    void refuse_clients();
    // From now on nobody enters; closes every model (which waits for callers in the middle of
    // infer). Idempotent.
    void close();
    // The models published now. REQUIRES: as long as they are used, nobody publishes.
    std::vector<Model*> models() const;

    // Models with requests in flight, retired ones included.
    std::vector<InFlight> in_flight() const;
    // Whether one of them is an ensemble.
    bool has_ensemble_in_flight() const;
    // Whether a model has sequences that take more requests.
    bool has_open_sequences() const;

  private:
    struct Entry {
        std::map<int64_t, std::unique_ptr<Model>> versions;  // null: known, not ready
        Model* newest = nullptr;                             // of the highest ready version
        std::shared_ptr<Rollout> rollout;                    // null: none
        std::shared_ptr<ModelDemand> demand;                 // null: it is there, or not

        bool serves() const { return newest != nullptr || demand != nullptr; }
        // Null where the version is not ready.
        Model* ready(int64_t version) const;
    };
    struct NameHash {
        using is_transparent = void;
        size_t operator()(std::string_view name) const {
            return std::hash<std::string_view>()(name);
        }
    };

    struct Retired {
        std::string name;  // that it was published by
        std::unique_ptr<Model> model;
    };

    Entry& entry_of(std::string_view name);
    // Retires a model, unless there is none, and adds it to `taken`. REQUIRES: mutex_.
    void take_out(std::string_view name, std::unique_ptr<Model>& model,
                  std::vector<Model*>& taken);
    // The entry that a request for `name` means; errors as identity.
    Result<const Entry*> entry_for(std::string_view name) const;
    // Its demand, while the model is out; else null. REQUIRES: mutex_.
    const ModelDemand* out_of_memory(std::string_view name) const;
    // REQUIRES: mutex_, as any_model.
    std::vector<Model*> published() const;
    // Whether `holds(model)` for a model, published or retired. REQUIRES: mutex_.
    template <typename Predicate>
    bool any_model(Predicate holds) const;
    // Blocks while any_model(is_inside), which callers in the middle of infer soon end.
    template <typename Predicate>
    void wait_while_any(Predicate is_inside) const;
    Result<Model*> find(std::string_view name, int64_t version) const;
    Status check(std::string_view name, int64_t version) const;
    // REQUIRES: mutex_.
    Result<ModelRef> enter_locked(std::string_view name, int64_t version, Caller caller,
                                  const CorrelationId* sequence) const;
    // The part of its rollout that a request is of; nothing where it is of none. REQUIRES: mutex_,
    // and that there is one.
    std::optional<size_t> target_of(const Entry& entry, const InferenceRequest& request,
                                    const CorrelationId* sequence) const;
    // The retired model that has the sequence; null. REQUIRES: mutex_.
    Model* retired_with(std::string_view name, int64_t version,
                        const CorrelationId& sequence) const;

    mutable std::shared_mutex mutex_;  // guards what follows
    std::unordered_map<std::string, Entry, NameHash, std::equal_to<>> entries_;
    // Of models with identifiers: the entries of each name, which stay where they are.
    std::unordered_map<std::string, std::vector<const Entry*>, NameHash, std::equal_to<>>
        namesakes_;
    std::vector<Retired> retired_;
    size_t rollouts_ = 0;  // names that have one
    size_t demands_ = 0;   // names that are on demand
    bool refuses_clients_ = false;
    bool closed_ = false;
};

}  // namespace tritonpy
