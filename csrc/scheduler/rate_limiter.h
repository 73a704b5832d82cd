// Makes instances of all models wait for the resources that they share: `--rate-limit
// execution_count`. Whose turn it is, `ResourceTurns` decides; this is where threads wait for it.
//
// An instance asks when its model has work and before it takes any of it, so that the batch forms
// when the instance may run and not before. It holds its units from then until `release`.
//
// A model that runs and meanwhile asks another one that needs the same units waits for itself: as
// in Triton, that is for whoever writes the configs to avoid.
//
// Threads: thread-safe. Owns: the books. Borrows: the log.
// Invariants: those of resource_turns.h.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "scheduler/resource_turns.h"

namespace tritonpy {

class RateLimiter {
  public:
    using ModelId = ResourceTurns::ModelId;
    using Instance = ResourceTurns::Instance;
    static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

    RateLimiter(std::vector<ResourceCount> counts, Log& log);
    RateLimiter(const RateLimiter&) = delete;
    RateLimiter& operator=(const RateLimiter&) = delete;

    // Enters a model. Errors as ResourceTurns::add.
    Result<ModelId> add(std::span<const InstanceNeeds> instances);
    // More instances of a model, numbered behind those it has. Errors as add.
    Status grow(ModelId model, std::span<const InstanceNeeds> instances);
    // REQUIRES: no instance of it waits or holds anything.
    void remove(ModelId model);

    // The model has work that nobody has looked at. Does not block.
    void want(ModelId model);
    // Whoever waits for this model looks around. What was read of `epoch` before is then outdated.
    void wake_all(ModelId model);
    uint64_t epoch(ModelId model) const;

    // The instance is to leave: it waits no longer, and looks around. Does not block.
    void send_away(Instance instance);
    bool is_sent_away(Instance instance) const;
    // It has left, and needs nothing any more. REQUIRES: it neither waits nor holds anything.
    void retire(Instance instance);

    // Blocks until the model has work and the instance may run: true, and it holds what it needs.
    // False: until `deadline_ns` of the steady clock has passed, `epoch` is outdated, or the
    // instance is sent away.
    bool acquire(Instance instance, int64_t deadline_ns, uint64_t epoch);
    // The same without waiting, as if the model had work.
    bool try_acquire(Instance instance);
    // `ran`: it took a batch and ran it.
    void release(Instance instance, bool ran);
    // Nothing where it holds nothing.
    void release_if_held(Instance instance);

    std::vector<ResourceTurns::Use> uses() const;

  private:
    // One instance's place to sleep.
    struct Waiter {
        std::condition_variable changed;
        bool granted = false;
        bool is_sent_away = false;
    };
    struct Model {
        std::vector<std::unique_ptr<Waiter>> waiters;
        uint64_t epoch = 0;
    };

    // All REQUIRE mutex_.
    Waiter& waiter_of(Instance instance) const {
        return *models_.at(instance.model).waiters.at(instance.index);
    }
    void add_waiters(ModelId model, size_t count);
    void grant();
    void log_uses() const;

    Log& log_;
    mutable std::mutex mutex_;  // guards what follows
    ResourceTurns turns_;
    std::map<ModelId, Model> models_;
    ModelId last_id_ = 0;
};

}  // namespace tritonpy
