#include "base/timer_wheel.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace tritonpy {

void Timer::cancel() {
    if (wheel_ != nullptr) {
        wheel_->unlink(*this);
        wheel_ = nullptr;
    }
}

TimerWheel::TimerWheel(int64_t now_ns) : tick_(now_ns / kTickNs) { TRITONPY_CHECK(now_ns >= 0); }

TimerWheel::~TimerWheel() {
    for (Timer* first : lists_) {
        for (; first != nullptr; first = first->next_) {
            first->wheel_ = nullptr;
        }
    }
}

void TimerWheel::arm(Timer& timer, int64_t due_ns) {
    if (timer.wheel_ != nullptr) {
        TRITONPY_CHECK(timer.wheel_ == this);
        unlink(timer);
    }
    timer.wheel_ = this;
    timer.due_ns_ = due_ns;
    place(timer);
}

std::optional<int64_t> TimerWheel::next_look_ns() const {
    if (lists_[kDue] != nullptr) {
        return tick_ * kTickNs;
    }
    if (levels_ == 0) {
        return std::nullopt;
    }
    const int64_t tick = next_slot().tick;
    return tick > INT64_MAX / kTickNs ? INT64_MAX : tick * kTickNs;
}

void TimerWheel::advance(int64_t now_ns) {
    TRITONPY_CHECK(lists_[kDue] == nullptr);  // a handler does not call advance
    const int64_t tick = std::max(now_ns / kTickNs, tick_);
    if (levels_ != 0 && next_slot().tick <= tick) {
        collect_due(tick);
    }
    tick_ = tick;
    while (Timer* timer = lists_[kDue]) {
        timer->cancel();
        timer->handler_.on_timer(*timer);
    }
}

// Into the slot of its due tick, rounded up, on the lowest level whose turn holds it: where the
// due tick and the present one first differ, seen from above. Slots behind the present one are
// therefore never used, and no wheel wraps around.
void TimerWheel::place(Timer& timer) {
    int64_t due = timer.due_ns_ <= 0 ? 0 : (timer.due_ns_ - 1) / kTickNs + 1;
    due = std::max(due, tick_);
    const uint64_t differing = static_cast<uint64_t>(due ^ tick_) | (kSlots - 1);
    const size_t level = (static_cast<size_t>(std::bit_width(differing)) - 1) / kSlotBits;
    const size_t slot = static_cast<size_t>(due >> (level * kSlotBits)) & (kSlots - 1);
    push(timer, level * kSlots + slot);
    occupied_[level] |= uint64_t{1} << slot;
    levels_ |= 1u << level;
}

void TimerWheel::push(Timer& timer, size_t list) {
    Timer*& first = lists_[list];
    timer.list_ = list;
    timer.previous_ = nullptr;
    timer.next_ = first;
    if (first != nullptr) {
        first->previous_ = &timer;
    }
    first = &timer;
}

void TimerWheel::unlink(Timer& timer) {
    if (timer.next_ != nullptr) {
        timer.next_->previous_ = timer.previous_;
    }
    if (timer.previous_ != nullptr) {
        timer.previous_->next_ = timer.next_;
        return;
    }
    lists_[timer.list_] = timer.next_;
    if (timer.next_ == nullptr && timer.list_ != kDue) {
        const size_t level = timer.list_ / kSlots;
        occupied_[level] &= ~(uint64_t{1} << (timer.list_ % kSlots));
        if (occupied_[level] == 0) {
            levels_ &= ~(1u << level);
        }
    }
}

// Everything due up to `tick` goes into the due list, so that what handlers arm while it is fired
// is not among it. The list is filled from the back: its last timer is kept at hand.
void TimerWheel::collect_due(int64_t tick) {
    Timer* last = nullptr;
    while (levels_ != 0) {
        const Next next = next_slot();
        if (next.tick > tick) {
            break;
        }
        tick_ = next.tick;
        const size_t list = next.level * kSlots + next.slot;
        while (Timer* timer = lists_[list]) {
            unlink(*timer);
            if (next.level != 0) {
                place(*timer);
                continue;
            }
            timer->list_ = kDue;
            timer->previous_ = last;
            timer->next_ = nullptr;
            (last == nullptr ? lists_[kDue] : last->next_) = timer;
            last = timer;
        }
    }
}

TimerWheel::Next TimerWheel::next_slot() const {
    const size_t level = static_cast<size_t>(std::countr_zero(levels_));
    const size_t slot = static_cast<size_t>(std::countr_zero(occupied_[level]));
    const size_t shift = level * kSlotBits;
    const int64_t turn = tick_ >> (shift + kSlotBits) << (shift + kSlotBits);
    return {level, slot, turn | static_cast<int64_t>(slot) << shift};
}

}  // namespace tritonpy
