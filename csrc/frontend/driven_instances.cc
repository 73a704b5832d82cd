#include "frontend/driven_instances.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "model/deferred_wakes.h"

namespace tritonpy {

DrivenInstances::~DrivenInstances() {
    TRITONPY_CHECK(std::ranges::all_of(
        seats_, [](const auto& seat) { return seat->instance == nullptr; }));
}

bool DrivenInstances::watch(DrivenInstance& instance) {
    Seat& seat = free_seat();
    if (!loop_.watch(instance.answer_descriptor(), EPOLLIN, seat).ok()) {
        return false;
    }
    seat.instance = &instance;
    return true;
}

void DrivenInstances::hand_back_all() {
    for (const auto& seat : seats_) {
        if (seat->instance != nullptr) {
            vacate(*seat).hand_back();
        }
    }
}

void DrivenInstances::Seat::on_events(uint32_t /*events*/) {
    if (!instance->receive()) {
        return;
    }
    DeferredWakes wakes;
    {
        DeferredWakes::Burst burst(wakes);
        owner.vacate(*this).finish();
    }
    wakes.wake_all(&owner);
}

DrivenInstances::Seat& DrivenInstances::free_seat() {
    const auto found = std::ranges::find_if(
        seats_, [](const auto& seat) { return seat->instance == nullptr; });
    return found != seats_.end() ? **found
                                 : *seats_.emplace_back(std::make_unique<Seat>(*this));
}

DrivenInstance& DrivenInstances::vacate(Seat& seat) {
    DrivenInstance& instance = *std::exchange(seat.instance, nullptr);
    loop_.unwatch(instance.answer_descriptor(), seat);
    return instance;
}

}  // namespace tritonpy
