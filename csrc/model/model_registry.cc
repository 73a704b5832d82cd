#include "model/model_registry.h"

#include <algorithm>
#include <iterator>
#include <mutex>
#include <thread>
#include <utility>

#include "base/check.h"
#include "scheduler/sequence_slots.h"

namespace tritonpy {

namespace {

std::string unknown_model(std::string_view name) {
    return "Request for unknown model: '" + std::string(name) + "'";
}

// What clients call the model of an identifier. Names have no '/': they are those of directories.
std::string_view name_of(std::string_view identifier) {
    return identifier.substr(identifier.rfind('/') + 1);  // all of it where there is none
}

}  // namespace

Result<const ModelRegistry::Entry*> ModelRegistry::entry_for(std::string_view name) const {
    if (auto entry = entries_.find(name); entry != entries_.end()) {
        return &entry->second;
    }
    auto namesakes = namesakes_.find(name);
    if (namesakes == namesakes_.end()) {
        const std::string text = unknown_model(name) + " is not found";
        return namesakes_.empty() ? not_found(text) : invalid_arg(text);
    }
    const Entry* meant = nullptr;
    size_t serving = 0;
    for (const Entry* entry : namesakes->second) {
        if (meant == nullptr || entry->serves()) {
            meant = entry;
        }
        serving += entry->serves() ? 1 : 0;
    }
    if (serving > 1) {
        return invalid_arg("There are " + std::to_string(serving) + " identifiers of model '" +
                           std::string(name) +
                           "' in global map, model namespace must be provided to resolve "
                           "ambiguity.");
    }
    return meant;
}

Result<Model*> ModelRegistry::find(std::string_view name, int64_t version) const {
    TRITONPY_ASSIGN_OR_RETURN(const Entry* entry, entry_for(name));
    if (version == -1) {
        if (entry->newest == nullptr) {
            return not_found(unknown_model(name) + " has no available versions");
        }
        if (const Rollout* rollout = entry->rollout.get()) {
            const int64_t usual = rollout->targets()[rollout->main_target()].version;
            if (Model* model = entry->ready(usual)) {
                return model;
            }
        }
        return entry->newest;
    }
    auto found = entry->versions.find(version);
    if (found == entry->versions.end()) {
        return not_found(unknown_model(name) + " version " + std::to_string(version) +
                         " is not found");
    }
    if (found->second == nullptr) {
        return unavailable(unknown_model(name) + " version " + std::to_string(version) +
                           " is not at ready state");
    }
    return found->second.get();
}

Model* ModelRegistry::Entry::ready(int64_t version) const {
    auto found = versions.find(version);
    return found == versions.end() ? nullptr : found->second.get();
}

Result<ModelRef> ModelRegistry::enter(std::string_view name, int64_t version, Caller caller,
                                      const CorrelationId* sequence) const {
    std::shared_lock lock(mutex_);
    return enter_locked(name, version, caller, sequence);
}

Result<ModelRegistry::Entered> ModelRegistry::enter(const InferenceRequest& request,
                                                    Caller caller, bool has_waited) const {
    const bool starts = (request.flags & InferenceRequest::kSequenceStart) != 0;
    const CorrelationId* sequence = starts ? nullptr : &request.correlation_id;
    int64_t version = request.model_version;
    Entered entered;
    std::shared_lock lock(mutex_);
    if (rollouts_ + demands_ > 0) {
        const Result<const Entry*> found = entry_for(request.model_name);
        const Entry* entry = found.ok() ? found.value() : nullptr;
        if (entry != nullptr && entry->demand != nullptr) {
            if (!entry->demand->is_in() && !has_waited) {
                entered.demand = entry->demand;
                return entered;
            }
            if (!has_waited) {
                entry->demand->note_use();
            }
        }
        if (entry != nullptr && entry->rollout != nullptr && caller != Caller::kShadow) {
            if (const auto target = target_of(*entry, request, sequence)) {
                entered.rollout = entry->rollout;
                entered.target = *target;
                version = entered.rollout->targets()[*target].version;
            }
        }
    }
    TRITONPY_ASSIGN_OR_RETURN(entered.model,
                              enter_locked(request.model_name, version, caller, sequence));
    return entered;
}

std::optional<size_t> ModelRegistry::target_of(const Entry& entry, const InferenceRequest& request,
                                               const CorrelationId* sequence) const {
    Rollout& rollout = *entry.rollout;
    if (request.model_version != -1) {
        return rollout.target_of(request.model_version);
    }
    const auto model_of = [&](size_t target) {
        return entry.ready(rollout.targets()[target].version);
    };
    if (sequence != nullptr && !is_none(*sequence)) {
        for (size_t target = 0; target < rollout.targets().size(); ++target) {
            if (const Model* model = model_of(target); model && model->has_sequence(*sequence)) {
                return target;
            }
        }
        if (retired_with(request.model_name, -1, *sequence) != nullptr) {
            return std::nullopt;
        }
    }
    const size_t chosen = rollout.choose(request);
    if (model_of(chosen) != nullptr) {
        return chosen;
    }
    const size_t usual = rollout.main_target();
    return model_of(usual) != nullptr ? std::optional(usual) : std::nullopt;
}

Result<ModelRef> ModelRegistry::enter_locked(std::string_view name, int64_t version,
                                             Caller caller,
                                             const CorrelationId* sequence) const {
    Result<Model*> found = find(name, version);
    if (sequence != nullptr && !retired_.empty() &&
        !(found.ok() && found.value()->has_sequence(*sequence))) {
        if (Model* before = retired_with(name, version, *sequence)) {
            if (ModelRef held(*before); held) {
                return held;
            }
        }
    }
    TRITONPY_ASSIGN_OR_RETURN(Model * model, std::move(found));
    if (refuses_clients_ && caller != Caller::kModel &&
        !(sequence != nullptr && model->has_sequence(*sequence))) {
        return ModelRef();
    }
    ModelRef held(*model);
    TRITONPY_CHECK(held || closed_);  // what is published is open until then
    return held;
}

Model* ModelRegistry::retired_with(std::string_view name, int64_t version,
                                   const CorrelationId& sequence) const {
    const auto has_it = [&](const Retired& retired) {
        const int64_t its_version = retired.model->identity()->version;
        return (retired.name == name || name_of(retired.name) == name) &&
               (version == -1 || version == its_version) && retired.model->has_sequence(sequence);
    };
    const auto found = std::find_if(retired_.begin(), retired_.end(), has_it);
    return found == retired_.end() ? nullptr : found->model.get();
}

Result<std::shared_ptr<const ModelIdentity>> ModelRegistry::identity(std::string_view name,
                                                                     int64_t version) const {
    std::shared_lock lock(mutex_);
    if (const ModelDemand* demand = out_of_memory(name)) {
        return demand->expected();
    }
    TRITONPY_ASSIGN_OR_RETURN(Model * model, find(name, version));
    return model->identity();
}

Result<int64_t> ModelRegistry::resolve_version(std::string_view name, int64_t version) const {
    std::shared_lock lock(mutex_);
    TRITONPY_ASSIGN_OR_RETURN(Model * model, find(name, version));
    return model->identity()->version;
}

const ModelDemand* ModelRegistry::out_of_memory(std::string_view name) const {
    if (demands_ == 0) {
        return nullptr;
    }
    const Result<const Entry*> entry = entry_for(name);
    const ModelDemand* demand = entry.ok() ? entry.value()->demand.get() : nullptr;
    return demand != nullptr && !demand->is_in() ? demand : nullptr;
}

Result<ModelStatsSnapshot> ModelRegistry::statistics(std::string_view name,
                                                     int64_t version) const {
    std::shared_lock lock(mutex_);
    TRITONPY_ASSIGN_OR_RETURN(Model * model, find(name, version));
    return model->statistics();
}

Status ModelRegistry::check_ready(std::string_view name, int64_t version) const {
    std::shared_lock lock(mutex_);
    return check(name, version);
}

// REQUIRES: mutex_. Ensembles nest, but not without end: the control plane loads no circles.
Status ModelRegistry::check(std::string_view name, int64_t version) const {
    if (const ModelDemand* demand = out_of_memory(name)) {
        return demand->failure();
    }
    TRITONPY_ASSIGN_OR_RETURN(Model * model, find(name, version));
    TRITONPY_RETURN_IF_ERROR(model->check_ready());
    for (const EnsembleStep& step : model->steps()) {
        if (Status ready = check(step.model_name, step.model_version); !ready.ok()) {
            return unavailable("in ensemble '" + model->identity()->name + "', " +
                               std::string(ready.message()));
        }
    }
    return Status();
}

ModelRegistry::Entry& ModelRegistry::entry_of(std::string_view name) {
    if (auto found = entries_.find(name); found != entries_.end()) {
        return found->second;
    }
    Entry& made = entries_[std::string(name)];
    if (name_of(name) != name) {
        namesakes_[std::string(name_of(name))].push_back(&made);
    }
    return made;
}

void ModelRegistry::take_out(std::string_view name, std::unique_ptr<Model>& model,
                             std::vector<Model*>& taken) {
    if (model != nullptr) {
        taken.push_back(model.get());
        retired_.push_back({std::string(name), std::move(model)});
    }
}

std::vector<Model*> ModelRegistry::publish(std::string_view name,
                                           std::vector<std::unique_ptr<Model>> models,
                                           const std::vector<int64_t>& retire) {
    std::lock_guard lock(mutex_);
    Entry& entry = entry_of(name);
    std::vector<Model*> retired;
    for (int64_t version : retire) {
        auto known = entry.versions.find(version);
        if (known != entry.versions.end()) {
            take_out(name, known->second, retired);
        }
    }
    for (std::unique_ptr<Model>& model : models) {
        TRITONPY_CHECK(model->identity()->name == name_of(name));
        if (closed_) {
            model->close();  // nobody is inside yet, so this does not block
        }
        std::unique_ptr<Model>& place = entry.versions[model->identity()->version];
        take_out(name, place, retired);
        place = std::move(model);
    }
    auto newest = std::find_if(entry.versions.rbegin(), entry.versions.rend(),
                               [](const auto& version) { return version.second != nullptr; });
    entry.newest = newest == entry.versions.rend() ? nullptr : newest->second.get();
    return retired;
}

Model* ModelRegistry::published(std::string_view name, int64_t version) const {
    std::shared_lock lock(mutex_);
    Result<Model*> found = find(name, version);
    return found.ok() ? found.value() : nullptr;
}

void ModelRegistry::discard(const std::vector<Model*>& retired) {
    std::vector<Retired> freed;  // after the lock has gone
    std::lock_guard lock(mutex_);
    auto stays = [&](const Retired& one) {
        return std::find(retired.begin(), retired.end(), one.model.get()) == retired.end();
    };
    auto first = std::stable_partition(retired_.begin(), retired_.end(), stays);
    freed.assign(std::make_move_iterator(first), std::make_move_iterator(retired_.end()));
    retired_.erase(first, retired_.end());
}

void ModelRegistry::set_rollout(std::string_view name, std::shared_ptr<Rollout> rollout) {
    std::lock_guard lock(mutex_);
    std::shared_ptr<Rollout>& place = entry_of(name).rollout;
    if (rollout != nullptr && place != nullptr) {
        rollout->continue_from(*place);
    }
    rollouts_ += rollout != nullptr ? 1 : 0;
    rollouts_ -= place != nullptr ? 1 : 0;
    place = std::move(rollout);
}

std::shared_ptr<Rollout> ModelRegistry::rollout(std::string_view name) const {
    std::shared_lock lock(mutex_);
    const Result<const Entry*> entry = entry_for(name);
    return entry.ok() ? entry.value()->rollout : nullptr;
}

void ModelRegistry::offer(std::string_view name, std::shared_ptr<ModelDemand> demand) {
    std::lock_guard lock(mutex_);
    std::shared_ptr<ModelDemand>& place = entry_of(name).demand;
    demands_ += place == nullptr ? 1 : 0;
    place = std::move(demand);
}

std::shared_ptr<ModelDemand> ModelRegistry::withdraw(std::string_view name) {
    std::lock_guard lock(mutex_);
    auto entry = entries_.find(name);
    if (entry == entries_.end() || entry->second.demand == nullptr) {
        return nullptr;
    }
    --demands_;
    return std::exchange(entry->second.demand, nullptr);
}

std::shared_ptr<ModelDemand> ModelRegistry::demand(std::string_view name) const {
    std::shared_lock lock(mutex_);
    auto entry = entries_.find(name);
    return entry == entries_.end() ? nullptr : entry->second.demand;
}

std::vector<std::shared_ptr<ModelDemand>> ModelRegistry::demands() const {
    std::vector<std::shared_ptr<ModelDemand>> all;
    std::shared_lock lock(mutex_);
    for (const auto& [name, entry] : entries_) {
        if (entry.demand != nullptr) {
            all.push_back(entry.demand);
        }
    }
    return all;
}

std::optional<std::vector<Model*>> ModelRegistry::take_out_idle(std::string_view name) {
    std::lock_guard lock(mutex_);
    Entry& entry = entry_of(name);
    const bool is_busy = std::ranges::any_of(entry.versions, [](const auto& version) {
        const Model* model = version.second.get();
        return model != nullptr &&
               (model->is_entered() || model->in_flight() > 0 || model->open_sequences() > 0);
    });
    if (is_busy) {
        return std::nullopt;
    }
    std::vector<Model*> taken;
    for (auto& [version, model] : entry.versions) {
        take_out(name, model, taken);
    }
    entry.newest = nullptr;
    return taken;
}

bool ModelRegistry::has_open_sequences(std::string_view name) const {
    std::shared_lock lock(mutex_);
    auto entry = entries_.find(name);
    return entry != entries_.end() &&
           std::ranges::any_of(entry->second.versions, [](const auto& version) {
               return version.second != nullptr && version.second->open_sequences() > 0;
           });
}

void ModelRegistry::note_unavailable(std::string_view name, const std::vector<int64_t>& versions) {
    std::lock_guard lock(mutex_);
    Entry& entry = entry_of(name);
    for (int64_t version : versions) {
        entry.versions.try_emplace(version);
    }
}

template <typename Predicate>
bool ModelRegistry::any_model(Predicate holds) const {
    for (const auto& [name, entry] : entries_) {
        for (const auto& [version, model] : entry.versions) {
            if (model != nullptr && holds(*model)) {
                return true;
            }
        }
    }
    return std::any_of(retired_.begin(), retired_.end(),
                       [&](const Retired& retired) { return holds(*retired.model); });
}

template <typename Predicate>
void ModelRegistry::wait_while_any(Predicate is_inside) const {
    const auto look = [&] {
        std::shared_lock lock(mutex_);
        return any_model(is_inside);
    };
    while (look()) {
        std::this_thread::yield();
    }
}

void ModelRegistry::refuse_clients() {
    {
        std::lock_guard lock(mutex_);
        refuses_clients_ = true;
    }
    wait_while_any([](const Model& model) { return model.is_ensemble() && model.is_entered(); });
}

void ModelRegistry::close() {
    {
        std::lock_guard lock(mutex_);
        closed_ = true;
        for (Model* model : published()) {
            model->shut();
        }
    }
    wait_while_any([](const Model& model) { return model.is_entered(); });
    std::lock_guard lock(mutex_);
    for (Model* model : published()) {
        model->close();  // nobody is inside, so this does not block
    }
}

bool ModelRegistry::has_ensemble_in_flight() const {
    std::shared_lock lock(mutex_);
    return any_model(
        [](const Model& model) { return model.is_ensemble() && model.in_flight() > 0; });
}

bool ModelRegistry::has_open_sequences() const {
    std::shared_lock lock(mutex_);
    return any_model([](const Model& model) { return model.open_sequences() > 0; });
}

std::vector<Model*> ModelRegistry::models() const {
    std::shared_lock lock(mutex_);
    return published();
}

std::vector<Model*> ModelRegistry::published() const {
    std::vector<Model*> all;
    for (const auto& [name, entry] : entries_) {
        for (const auto& [version, model] : entry.versions) {
            if (model != nullptr) {
                all.push_back(model.get());
            }
        }
    }
    return all;
}

std::vector<ModelRegistry::InFlight> ModelRegistry::in_flight() const {
    std::vector<InFlight> busy;
    auto look_at = [&busy](const Model* model) {
        uint64_t count = model == nullptr ? 0 : model->in_flight();
        if (count > 0) {
            busy.push_back({model->identity()->name, model->identity()->version, count});
        }
    };
    std::shared_lock lock(mutex_);
    for (const auto& [name, entry] : entries_) {
        for (const auto& [version, model] : entry.versions) {
            look_at(model.get());
        }
    }
    for (const Retired& retired : retired_) {
        look_at(retired.model.get());
    }
    return busy;
}

}  // namespace tritonpy
