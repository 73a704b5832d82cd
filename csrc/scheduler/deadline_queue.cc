#include "scheduler/deadline_queue.h"

#include <iterator>

#include "base/check.h"
#include "scheduler/batch_rows.h"

namespace tritonpy {

void DeadlineQueue::push(std::unique_ptr<InferenceRequest> request, int64_t deadline_ns,
                         bool is_trial) {
    TRITONPY_CHECK(has_place());
    rows_ += rows_of(*request);
    trials_ += is_trial ? 1 : 0;
    entries_.emplace_hint(entries_.end(), Key{deadline_ns, next_number_++},
                          Entry{std::move(request), is_trial});
}

int64_t DeadlineQueue::rows_until(int64_t deadline_ns) const {
    int64_t rows = rows_;
    for (auto entry = entries_.rbegin();
         entry != entries_.rend() && entry->first.first > deadline_ns; ++entry) {
        rows -= rows_of(*entry->second.request);
    }
    return rows;
}

DeadlineQueue::Place DeadlineQueue::drop_cancelled(Place place,
                                                   std::vector<DroppedRequest>& dropped) {
    const Place next = std::next(place);
    dropped.push_back({take(place), cancelled("")});
    return next;
}

void DeadlineQueue::drop_all_cancelled(std::vector<DroppedRequest>& dropped) {
    for (Place place = begin(); place != end();) {
        place = place->second.request->is_cancelled() ? drop_cancelled(place, dropped)
                                                      : std::next(place);
    }
}

std::unique_ptr<InferenceRequest> DeadlineQueue::take(Place place) {
    std::unique_ptr<InferenceRequest> request = std::move(place->second.request);
    rows_ -= rows_of(*request);
    trials_ -= place->second.is_trial ? 1 : 0;
    entries_.erase(place);
    return request;
}

}  // namespace tritonpy
