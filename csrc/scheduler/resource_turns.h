// Whose turn it is to run, when instances share resources that are not enough for all: the rate
// limiter's decision alone.
//
// An instance runs only while it holds the units that it needs of every resource. Units belong to
// the device that the instance is on, or to the whole machine where the resource is global; how
// many there are is given, or else as many as the neediest instance wants. Of the instances that
// are *ready* (idle, of a model that has work) the one with the least `passed` comes first:
// priority times the executions so far, so that priority 2 gets half the turns of priority 1. One
// that becomes ready starts no lower than where the last run of its resources started: nobody saves
// up turns while it has nothing to do, and who was loaded late is not ahead by all the past.
//
// An instance that comes first and lacks units holds up its *rivals* behind it, all those that need
// a resource that it needs too, and nobody else: so units add up for who needs many, and who has
// nothing to do with that does not wait.
//
// A model has work from `want` until one of its instances is granted a run. That one has to look
// at the queue, and to say `want` again if it leaves work behind.
//
// Nothing here knows of threads or requests, so every case can be replayed as a table.
//
// Threads: compatible.
// Invariants: 1. what is held of a resource never exceeds its count at the time of a grant;
//             2. while an instance is ready, no rival with a larger `passed` is granted;
//             3. grants are given only by next(), each to one ready instance.
// Limits: none of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"

namespace tritonpy {

// `--rate-limit-resource`: how much there is of a resource; without a device, on every device.
struct ResourceCount {
    std::string name;
    uint64_t count = 0;
    std::optional<int32_t> device;
};

// What one instance needs of a resource while it runs.
struct ResourceNeed {
    std::string name;
    bool global = false;
    uint64_t count = 0;
    friend bool operator==(const ResourceNeed&, const ResourceNeed&) = default;
};

struct InstanceNeeds {
    int32_t device = 0;
    uint32_t priority = 1;  // >= 1; the larger, the fewer turns
    std::vector<ResourceNeed> resources;
    friend bool operator==(const InstanceNeeds&, const InstanceNeeds&) = default;
};

class ResourceTurns {
  public:
    using ModelId = uint64_t;
    // An instance: its model, and its number there.
    struct Instance {
        ModelId model = 0;
        size_t index = 0;
        friend auto operator<=>(const Instance&, const Instance&) = default;
    };

    explicit ResourceTurns(std::vector<ResourceCount> counts) : counts_(std::move(counts)) {}

    // A model whose instances are idle and not parked. invalid_arg, with Triton's texts, when one
    // of them could never run, or a resource is both global and of a device; then nothing changed.
    Status add(ModelId model, std::span<const InstanceNeeds> instances);
    // More instances of a model that is there, numbered behind those it has. Errors as add.
    Status grow(ModelId model, std::span<const InstanceNeeds> instances);
    // The instance needs nothing any more, and never runs again. REQUIRES: it is neither parked nor
    // running.
    void retire(Instance instance);
    // Forgets the model. REQUIRES: no instance of it holds anything.
    void remove(ModelId model);

    // The instance would run if its model had work. REQUIRES: it is neither parked nor running.
    void park(Instance instance);
    // It would not any more. REQUIRES: parked.
    void leave(Instance instance);
    // The model has work that no instance has looked at.
    void want(ModelId model);

    // The next to run, which now holds what it needs; nothing when nobody can.
    std::optional<Instance> next();
    // The run that next() granted is over; `ran` says whether it was one. REQUIRES: running.
    void done(Instance instance, bool ran);

    bool is_parked(Instance instance) const;
    bool is_running(Instance instance) const;
    // Priority times executions, as above.
    uint64_t passed(Instance instance) const;

    struct Use {
        std::string name;
        std::optional<int32_t> device;  // nothing: global
        uint64_t count = 0;
        uint64_t held = 0;
    };
    // Every resource that some instance needs.
    std::vector<Use> uses() const;

  private:
    // A pool of units: of a device, or global.
    using PoolKey = std::pair<std::string, std::optional<int32_t>>;
    using Needs = std::map<PoolKey, uint64_t>;
    enum class Phase : uint8_t { kAway, kParked, kRunning };
    struct State {
        Needs needs;
        uint32_t priority;
        uint64_t passed = 0;
        Phase phase = Phase::kAway;
    };
    struct Model {
        std::vector<State> instances;
        bool wanted = false;
    };
    struct Pool {
        uint64_t count = 0;
        uint64_t held = 0;
        uint64_t last_passed = 0;  // of whoever was granted units last
    };
    struct Rank {
        uint64_t passed;
        Instance instance;
        friend auto operator<=>(const Rank&, const Rank&) = default;
    };

    static std::vector<State> states_of(std::span<const InstanceNeeds> instances);
    State& state_of(Instance instance);
    const State& state_of(Instance instance) const;
    // Needs of all instances, `candidate`'s included: the most that one of them wants of each pool.
    Needs largest_needs(const std::vector<State>& candidate) const;
    Status check(const std::vector<State>& candidate) const;
    void recount();
    std::optional<uint64_t> given_count(const PoolKey& key) const;
    bool fits(const Needs& needs) const;
    void become_ready(Instance instance);
    bool is_ready(const Model& model, const State& state) const {
        return model.wanted && state.phase == Phase::kParked;
    }

    const std::vector<ResourceCount> counts_;
    std::map<ModelId, Model> models_;
    std::map<PoolKey, Pool> pools_;
    std::set<Rank> ready_;  // by rank; ties go to the model that was added first
};

}  // namespace tritonpy
