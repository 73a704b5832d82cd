#include "scheduler/response_order.h"

#include <bit>
#include <utility>

#include "base/check.h"

namespace tritonpy {

void ResponseOrder::deliver(std::unique_ptr<InferenceResponse> response) {
    std::unique_lock lock(mutex_);
    hold(std::move(response));
    if (delivering_) {
        return;  // that thread looks again before it leaves
    }
    delivering_ = true;
    for (collect_due(); !due_.empty(); collect_due()) {
        lock.unlock();
        for (std::unique_ptr<InferenceResponse>& due : due_) {
            ResponseSink& sink = *due->request->sink;
            sink.deliver(std::move(due));
        }
        due_.clear();
        lock.lock();
    }
    delivering_ = false;
}

void ResponseOrder::hold(std::unique_ptr<InferenceResponse> response) {
    const uint64_t ticket = response->request->order_ticket;
    TRITONPY_CHECK(ticket >= due_ticket_);
    if (ticket - due_ticket_ >= held_.size()) {
        grow(ticket - due_ticket_ + 1);
    }
    std::unique_ptr<InferenceResponse>& place = held_[ticket & (held_.size() - 1)];
    TRITONPY_CHECK(place == nullptr);
    place = std::move(response);
    held_count_.fetch_add(1, std::memory_order_relaxed);
}

void ResponseOrder::grow(uint64_t needed) {
    Responses grown(std::bit_ceil(needed));
    for (uint64_t i = 0; i < held_.size(); ++i) {
        const uint64_t ticket = due_ticket_ + i;
        grown[ticket & (grown.size() - 1)] = std::move(held_[ticket & (held_.size() - 1)]);
    }
    held_ = std::move(grown);
}

void ResponseOrder::collect_due() {
    while (std::unique_ptr<InferenceResponse>& next = held_[due_ticket_ & (held_.size() - 1)]) {
        due_.push_back(std::move(next));
        ++due_ticket_;
        held_count_.fetch_sub(1, std::memory_order_relaxed);
    }
}

}  // namespace tritonpy
