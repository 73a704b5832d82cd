#include "scheduler/response_order.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

#include "base/check.h"

namespace tritonpy {

void ResponseOrder::deliver(const InferenceRequest& request,
                            std::unique_ptr<InferenceResponse> response) {
    std::unique_lock lock(mutex_);
    hold(request.order_ticket, {std::move(response), request.sink});
    if (delivering_) {
        return;  // that thread looks again before it leaves
    }
    delivering_ = true;
    for (collect_due(); !due_.empty(); collect_due()) {
        lock.unlock();
        for (Held& due : due_) {
            due.sink->deliver(std::move(due.response));
        }
        due_.clear();
        lock.lock();
    }
    delivering_ = false;
}

void ResponseOrder::hold(uint64_t ticket, Held held) {
    TRITONPY_CHECK(ticket >= due_ticket_);
    if (ticket - due_ticket_ >= held_.size()) {
        grow(ticket - due_ticket_ + 1);
    }
    Responses& earlier = held_of(ticket);
    TRITONPY_CHECK(earlier.empty() || !earlier.back().response->final);
    if (held.response->final) {
        held_count_.fetch_add(1, std::memory_order_relaxed);
    }
    earlier.push_back(std::move(held));
}

void ResponseOrder::grow(uint64_t needed) {
    std::vector<Responses> grown(std::bit_ceil(needed));
    for (uint64_t i = 0; i < held_.size(); ++i) {
        const uint64_t ticket = due_ticket_ + i;
        grown[ticket & (grown.size() - 1)] = std::move(held_of(ticket));
    }
    held_ = std::move(grown);
}

void ResponseOrder::collect_due() {
    bool ended = true;
    while (ended && !held_of(due_ticket_).empty()) {
        Responses& next = held_of(due_ticket_);
        ended = next.back().response->final;
        std::move(next.begin(), next.end(), std::back_inserter(due_));
        next.clear();  // keeps its capacity for a later ticket
        if (ended) {
            ++due_ticket_;
            held_count_.fetch_sub(1, std::memory_order_relaxed);
        }
    }
}

}  // namespace tritonpy
