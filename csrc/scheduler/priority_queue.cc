#include "scheduler/priority_queue.h"

#include "base/check.h"
#include "base/limits.h"

namespace tritonpy {

bool PriorityQueue::has_place(uint64_t priority) const {
    const uint64_t level = policies_.level_of(priority);
    const auto waiting = size_of_level_.find(level);
    return size() < limits::kMaxQueueSize &&
           (waiting == size_of_level_.end() ||
            waiting->second < queue_size_of(policies_.of_level(level)));
}

void PriorityQueue::push(std::unique_ptr<InferenceRequest> request, int64_t now_ns) {
    TRITONPY_CHECK(has_place(request->priority));
    const uint64_t level = policies_.level_of(request->priority);
    const int64_t expires_ns =
        expiry_ns(policies_.of_level(level), request->timeout_us, now_ns);
    const Position position{level, false, next_number_++};
    entries_.emplace_hint(entries_.end(), position, Entry{std::move(request), expires_ns});
    ++size_of_level_[level];
    if (expires_ns != kNever) {
        timeouts_.emplace_hint(timeouts_.end(), expires_ns, position);
    }
}

void PriorityQueue::expire(int64_t now_ns, std::vector<DroppedRequest>& dropped) {
    while (next_timeout_ns() <= now_ns) {
        const Place place = entries_.find(timeouts_.begin()->second);
        const QueuePolicy& policy = policies_.of_level(place->first.level);
        if (place->second.request->is_cancelled()) {
            drop_cancelled(place, dropped);
        } else if (policy.timeout_action == QueuePolicy::TimeoutAction::kDelay) {
            delay(place);
        } else {
            dropped.push_back({take(place), unavailable("Request timeout expired")});
        }
    }
}

PriorityQueue::Place PriorityQueue::drop_cancelled(Place place,
                                                   std::vector<DroppedRequest>& dropped) {
    const Place next = std::next(place);
    dropped.push_back({take(place), cancelled("")});
    return next;
}

void PriorityQueue::drop_all_cancelled(std::vector<DroppedRequest>& dropped) {
    for (Place place = begin(); place != end();) {
        place = place->second.request->is_cancelled() ? drop_cancelled(place, dropped)
                                                      : std::next(place);
    }
}

std::unique_ptr<InferenceRequest> PriorityQueue::take(Place place) {
    const auto& [position, entry] = *place;
    if (entry.expires_ns != kNever) {
        timeouts_.erase({entry.expires_ns, position});
    }
    const auto waiting = size_of_level_.find(position.level);
    if (--waiting->second == 0) {
        size_of_level_.erase(waiting);
    }
    std::unique_ptr<InferenceRequest> request = std::move(place->second.request);
    entries_.erase(place);
    return request;
}

// It keeps its place in the level's limit, and nothing can time it out any more.
void PriorityQueue::delay(Place place) {
    timeouts_.erase({place->second.expires_ns, place->first});
    Entries::node_type node = entries_.extract(place);
    node.key().delayed = true;
    node.key().number = next_number_++;
    node.mapped().expires_ns = kNever;
    entries_.insert(std::move(node));
}

}  // namespace tritonpy
