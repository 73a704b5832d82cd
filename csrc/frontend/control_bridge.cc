#include "frontend/control_bridge.h"

#include "base/check.h"
#include "base/limits.h"

namespace tritonpy {

namespace {

// An id says which loop its call belongs to: that loop's number stands above these bits.
constexpr unsigned kCountBits = 56;

constexpr size_t loop_of(uint64_t call_id) { return static_cast<size_t>(call_id >> kCountBits); }

}  // namespace

ControlCalls::ControlCalls(EventLoop& loop, ControlBridge& bridge, size_t index)
    : bridge_(bridge),
      index_(index),
      last_id_(uint64_t{index} << kCountBits),
      answers_(loop.wakeup()) {
    TRITONPY_CHECK(index < bridge.loops_.size() && bridge.loops_[index] == nullptr);
    bridge.loops_[index] = this;
    loop.add_source(*this);
}

ControlCalls::~ControlCalls() {
    TRITONPY_CHECK(receivers_.empty());
    bridge_.loops_[index_] = nullptr;
}

Result<uint64_t> ControlCalls::start(ControlEvent head, ControlReceiver& receiver) {
    if (bridge_.closed_.load(std::memory_order_relaxed)) {
        return unavailable("Server exiting");
    }
    if (bridge_.open_calls_.fetch_add(1, std::memory_order_relaxed) >= limits::kMaxControlCalls) {
        bridge_.open_calls_.fetch_sub(1, std::memory_order_relaxed);
        return unavailable("too many calls are waiting for the control plane");
    }
    uint64_t call_id = ++last_id_;
    receivers_.emplace(call_id, &receiver);
    head.call_id = call_id;
    bridge_.events_.push(std::move(head));
    return call_id;
}

void ControlCalls::send(ControlEvent event) {
    if (receivers_.contains(event.call_id)) {
        bridge_.events_.push(std::move(event));
    }
}

void ControlCalls::cancel(uint64_t call_id) {
    if (!end(call_id)) {
        return;
    }
    ControlEvent gone;
    gone.kind = ControlEvent::Kind::kGone;
    gone.call_id = call_id;
    bridge_.events_.push(std::move(gone));
}

bool ControlCalls::drain() {
    if (!answers_.take_all(taken_)) {
        return false;
    }
    for (ControlAnswer& answer : taken_) {
        auto found = receivers_.find(answer.call_id);
        if (found == receivers_.end()) {
            continue;  // cancelled meanwhile
        }
        ControlReceiver& receiver = *found->second;
        if (answer.kind == ControlAnswer::Kind::kEnd) {
            end(answer.call_id);
        }
        receiver.on_answer(std::move(answer));
    }
    taken_.clear();
    return true;
}

bool ControlCalls::arm() { return answers_.arm(); }

bool ControlCalls::end(uint64_t call_id) {
    if (receivers_.erase(call_id) == 0) {
        return false;
    }
    bridge_.open_calls_.fetch_sub(1, std::memory_order_relaxed);
    return true;
}

ControlBridge::ControlBridge() : events_(wakeup_) { events_.arm(); }

Status ControlBridge::status() const {
    if (wakeup_.ok()) {
        return {};
    }
    return unavailable("the system has no descriptors left for the control bridge");
}

std::vector<ControlEvent> ControlBridge::take_events() {
    wakeup_.acknowledge();
    std::vector<ControlEvent> taken;
    events_.take_all(taken);
    if (!events_.arm()) {
        wakeup_.signal();  // more came between the two: there is a next time at once
    }
    return taken;
}

void ControlBridge::answer(ControlAnswer answer) {
    size_t index = loop_of(answer.call_id);
    TRITONPY_CHECK(index < loops_.size() && loops_[index] != nullptr);
    loops_[index]->answers_.push(std::move(answer));
}

void ControlBridge::close() { closed_.store(true, std::memory_order_relaxed); }

}  // namespace tritonpy
