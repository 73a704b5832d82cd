#include "model/instance_set.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace tritonpy {

void InstanceSet::add(std::vector<std::unique_ptr<ModelInstance>> instances) {
    std::lock_guard lock(mutex_);
    std::ranges::move(instances, std::back_inserter(instances_));
}

std::vector<std::unique_ptr<ModelInstance>> InstanceSet::take_out(
    const std::vector<const ModelInstance*>& leaving) {
    std::lock_guard lock(mutex_);
    const auto first = std::stable_partition(
        instances_.begin(), instances_.end(), [&](const auto& instance) {
            return std::ranges::find(leaving, instance.get()) == leaving.end();
        });
    std::vector<std::unique_ptr<ModelInstance>> taken(std::make_move_iterator(first),
                                                      std::make_move_iterator(instances_.end()));
    instances_.erase(first, instances_.end());
    return taken;
}

ModelInstance* InstanceSet::take_seat(bool& all_driven) const {
    std::shared_lock lock(mutex_);
    all_driven = true;
    for (const bool calls_owner : {false, true}) {
        if (!all_driven) {
            break;  // there is a thread to wake
        }
        for (const auto& instance : instances_) {
            const InstanceSeat::Driver driver = instance->seat().try_take(calls_owner);
            if (driver == InstanceSeat::Driver::kNobody) {
                return instance.get();
            }
            all_driven = all_driven && driver == InstanceSeat::Driver::kGuest;
        }
    }
    return nullptr;
}

bool InstanceSet::any_healthy() const {
    std::shared_lock lock(mutex_);
    return std::ranges::any_of(instances_,
                               [](const auto& instance) { return instance->healthy(); });
}

bool InstanceSet::any_hopeful() const {
    std::shared_lock lock(mutex_);
    return std::ranges::any_of(instances_,
                               [](const auto& instance) { return instance->hopeful(); });
}

Status InstanceSet::check_ready() const {
    std::shared_lock lock(mutex_);
    for (const auto& instance : instances_) {
        if (!instance->healthy()) {
            return unavailable("Stub process '" + instance->name() + "' is not healthy.");
        }
    }
    return Status();
}

}  // namespace tritonpy
