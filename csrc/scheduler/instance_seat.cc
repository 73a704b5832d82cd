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

InstanceSeat::Driver InstanceSeat::try_take(bool calls_owner) {
    std::lock_guard lock(mutex_);
    owner_wanted_ |= calls_owner && driver_ == Driver::kGuest;
    return driver_ == Driver::kNobody ? std::exchange(driver_, Driver::kGuest) : driver_;
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
        // The owner among others: it need not look for requests now, so a notify_one that meets
        // this one on its way is for them.
        parking_->notify_all();
    }
}

}  // namespace tritonpy
