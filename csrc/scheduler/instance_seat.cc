#include "scheduler/instance_seat.h"

#include <utility>

namespace tritonpy {

void InstanceSeat::leave(Parking& parking) {
    std::lock_guard lock(mutex_);
    parking_ = &parking;
    driver_ = Driver::kNobody;
}

std::optional<Pull> InstanceSeat::take_back() {
    std::unique_lock lock(mutex_);
    if (driver_ == Driver::kGuest) {
        owner_wanted_ = owner_waits_ = true;
        parking_->notify_one();
        guest_left_.wait(lock, [this] { return driver_ != Driver::kGuest; });
        owner_waits_ = false;
    }
    driver_ = Driver::kOwner;
    return std::exchange(answer_, std::nullopt);
}

InstanceSeat::Driver InstanceSeat::try_take() {
    std::lock_guard lock(mutex_);
    const Driver found = driver_;
    if (found == Driver::kNobody) {
        driver_ = Driver::kGuest;
    } else if (found == Driver::kGuest) {
        owner_wanted_ = true;
    }
    return found;
}

void InstanceSeat::give_up() {
    std::lock_guard lock(mutex_);
    if (owner_wanted_) {
        call_owner({});
    } else {
        driver_ = Driver::kNobody;
    }
}

void InstanceSeat::hand_back(Pull answer) {
    std::lock_guard lock(mutex_);
    call_owner(answer);
}

void InstanceSeat::call_owner(Pull answer) {
    answer_ = answer;
    driver_ = Driver::kOwner;  // on its way; no guest comes between
    owner_wanted_ = false;
    if (owner_waits_) {
        guest_left_.notify_one();
    } else {
        parking_->notify_all();  // the owner among others
    }
}

}  // namespace tritonpy
