#include "scheduler/resource_turns.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"

namespace tritonpy {

std::vector<ResourceTurns::State> ResourceTurns::states_of(
    std::span<const InstanceNeeds> instances) {
    std::vector<State> states;
    for (const InstanceNeeds& given : instances) {
        State state{.needs = {}, .priority = std::max<uint32_t>(given.priority, 1)};
        for (const ResourceNeed& need : given.resources) {
            const auto device = need.global ? std::nullopt : std::optional(given.device);
            state.needs[{need.name, device}] += need.count;
        }
        states.push_back(std::move(state));
    }
    return states;
}

Status ResourceTurns::add(ModelId model, std::span<const InstanceNeeds> instances) {
    TRITONPY_CHECK(!models_.contains(model));
    std::vector<State> added = states_of(instances);
    TRITONPY_RETURN_IF_ERROR(check(added));
    models_.emplace(model, Model{.instances = std::move(added)});
    recount();
    return Status();
}

Status ResourceTurns::grow(ModelId model, std::span<const InstanceNeeds> instances) {
    std::vector<State> added = states_of(instances);
    TRITONPY_RETURN_IF_ERROR(check(added));
    std::ranges::move(added, std::back_inserter(models_.at(model).instances));
    recount();
    return Status();
}

void ResourceTurns::retire(Instance instance) {
    State& state = state_of(instance);
    TRITONPY_CHECK(state.phase == Phase::kAway);
    state.needs.clear();
    recount();
}

void ResourceTurns::remove(ModelId model) {
    const Model& gone = models_.at(model);
    for (size_t index = 0; index < gone.instances.size(); ++index) {
        const State& state = gone.instances[index];
        TRITONPY_CHECK(state.phase != Phase::kRunning);
        ready_.erase({state.passed, {model, index}});
    }
    models_.erase(model);
    recount();
}

Status ResourceTurns::check(const std::vector<State>& candidate) const {
    const Needs needs = largest_needs(candidate);
    for (const auto& [key, most] : needs) {
        const auto& [name, device] = key;
        const bool is_of_device = device.has_value();
        const bool has_other_kind = std::ranges::any_of(needs, [&](const auto& other) {
            return other.first.first == name && other.first.second.has_value() != is_of_device;
        });
        if (has_other_kind) {
            return invalid_arg("Resource \"" + name +
                               "\" is present as both global and device-specific resource in the "
                               "model configuration.");
        }
        const std::optional<uint64_t> given = given_count(key);
        if (given && *given < most) {
            return invalid_arg("Resource count for \"" + name + "\" is limited to " +
                               std::to_string(*given) +
                               " which will prevent scheduling of one or more model instances, "
                               "the minimum required count is " +
                               std::to_string(most));
        }
    }
    return Status();
}

ResourceTurns::Needs ResourceTurns::largest_needs(const std::vector<State>& candidate) const {
    Needs largest;
    const auto look_at = [&largest](const std::vector<State>& instances) {
        for (const State& state : instances) {
            for (const auto& [key, count] : state.needs) {
                uint64_t& most = largest[key];
                most = std::max(most, count);
            }
        }
    };
    look_at(candidate);
    for (const auto& [id, model] : models_) {
        look_at(model.instances);
    }
    return largest;
}

// The count of a device's own says more than that of all devices; the last one given counts.
std::optional<uint64_t> ResourceTurns::given_count(const PoolKey& key) const {
    std::optional<uint64_t> of_all;
    std::optional<uint64_t> of_device;
    for (const ResourceCount& given : counts_) {
        if (given.name != key.first) {
            continue;
        }
        if (!given.device || !key.second) {
            of_all = given.count;
        } else if (given.device == key.second) {
            of_device = given.count;
        }
    }
    return of_device ? of_device : of_all;
}

void ResourceTurns::recount() {
    const Needs needs = largest_needs({});
    std::erase_if(pools_, [&](const auto& pool) { return !needs.contains(pool.first); });
    for (const auto& [key, most] : needs) {
        pools_[key].count = given_count(key).value_or(most);
    }
}

void ResourceTurns::become_ready(Instance instance) {
    State& state = state_of(instance);
    for (const auto& [key, count] : state.needs) {
        state.passed = std::max(state.passed, pools_.at(key).last_passed);
    }
    ready_.insert({state.passed, instance});
}

void ResourceTurns::park(Instance instance) {
    State& state = state_of(instance);
    TRITONPY_CHECK(state.phase == Phase::kAway);
    state.phase = Phase::kParked;
    if (is_ready(models_.at(instance.model), state)) {
        become_ready(instance);
    }
}

void ResourceTurns::leave(Instance instance) {
    State& state = state_of(instance);
    TRITONPY_CHECK(state.phase == Phase::kParked);
    state.phase = Phase::kAway;
    ready_.erase({state.passed, instance});
}

void ResourceTurns::want(ModelId id) {
    Model& model = models_.at(id);
    if (model.wanted) {
        return;
    }
    model.wanted = true;
    for (size_t index = 0; index < model.instances.size(); ++index) {
        if (model.instances[index].phase == Phase::kParked) {
            become_ready({id, index});
        }
    }
}

std::optional<ResourceTurns::Instance> ResourceTurns::next() {
    std::set<PoolKey> awaited;  // what somebody who comes earlier lacks
    for (const Rank& rank : ready_) {
        State& state = state_of(rank.instance);
        const bool is_behind = std::ranges::any_of(
            state.needs, [&](const auto& need) { return awaited.contains(need.first); });
        if (!is_behind && fits(state.needs)) {
            const Instance granted = rank.instance;
            for (const auto& [key, count] : state.needs) {
                Pool& pool = pools_.at(key);
                pool.held += count;
                pool.last_passed = std::max(pool.last_passed, rank.passed);
            }
            state.phase = Phase::kRunning;
            Model& model = models_.at(granted.model);
            model.wanted = false;
            std::erase_if(ready_, [&](const Rank& other) {
                return other.instance.model == granted.model;
            });
            return granted;
        }
        for (const auto& [key, count] : state.needs) {
            awaited.insert(key);
        }
    }
    return std::nullopt;
}

bool ResourceTurns::fits(const Needs& needs) const {
    return std::ranges::all_of(needs, [this](const auto& need) {
        const Pool& pool = pools_.at(need.first);
        return pool.held + need.second <= pool.count;
    });
}

void ResourceTurns::done(Instance instance, bool ran) {
    State& state = state_of(instance);
    TRITONPY_CHECK(state.phase == Phase::kRunning);
    state.phase = Phase::kAway;
    if (ran) {
        state.passed += state.priority;
    }
    for (const auto& [key, count] : state.needs) {
        pools_.at(key).held -= count;
    }
}

ResourceTurns::State& ResourceTurns::state_of(Instance instance) {
    return models_.at(instance.model).instances.at(instance.index);
}

const ResourceTurns::State& ResourceTurns::state_of(Instance instance) const {
    return models_.at(instance.model).instances.at(instance.index);
}

bool ResourceTurns::is_parked(Instance instance) const {
    return state_of(instance).phase == Phase::kParked;
}

bool ResourceTurns::is_running(Instance instance) const {
    return state_of(instance).phase == Phase::kRunning;
}

uint64_t ResourceTurns::passed(Instance instance) const { return state_of(instance).passed; }

std::vector<ResourceTurns::Use> ResourceTurns::uses() const {
    std::vector<Use> all;
    for (const auto& [key, pool] : pools_) {
        all.push_back({key.first, key.second, pool.count, pool.held});
    }
    return all;
}

}  // namespace tritonpy
