// The waiting requests of one model, who is due first in front.
//
// One ordered map, by deadline, then as they came. Nodes come from a pool that keeps what it had at
// most, so that a queue in its stride allocates nothing. Where all requests have the same time, a
// newcomer is the last; one with less is put in by walking past those that it overtakes.
//
// Nothing here knows of clocks, threads or batches.
//
// Threads: compatible. Owns: the requests.
// Invariants: 1. a request is in the queue from push until take or drop hand it out;
//             2. rows() is the sum of what is in the queue.
// Limits: those given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <memory_resource>
#include <utility>
#include <vector>

#include "infer/request.h"
#include "scheduler/scheduler.h"

namespace tritonpy {

class DeadlineQueue {
    struct Entry {
        std::unique_ptr<InferenceRequest> request;
        bool is_trial;  // see latency_policy.h
    };
    using Key = std::pair<int64_t, uint64_t>;  // deadline, number
    using Entries = std::pmr::map<Key, Entry>;

  public:
    // Where a walk is.
    using Place = Entries::iterator;

    explicit DeadlineQueue(size_t max_size) : max_size_(max_size) {}

    bool has_place() const { return size() < max_size_; }
    // REQUIRES: has_place().
    void push(std::unique_ptr<InferenceRequest> request, int64_t deadline_ns, bool is_trial);

    // Rows of those that are due no later. Looks at all that are due later.
    int64_t rows_until(int64_t deadline_ns) const;
    // When the first is due. REQUIRES: size() > 0.
    int64_t first_deadline_ns() const { return entries_.begin()->first.first; }

    // A walk from the head; push and take_first end it.
    Place begin() { return entries_.begin(); }
    Place end() { return entries_.end(); }
    // Takes a cancelled request out and goes on to the next.
    Place drop_cancelled(Place place, std::vector<DroppedRequest>& dropped);
    // Takes out every cancelled request. Looks at all of them.
    void drop_all_cancelled(std::vector<DroppedRequest>& dropped);

    // REQUIRES: size() > 0.
    std::unique_ptr<InferenceRequest> take_first() { return take(entries_.begin()); }

    size_t size() const { return entries_.size(); }
    int64_t rows() const { return rows_; }
    // Whether a trial waits.
    bool has_trial() const { return trials_ > 0; }

  private:
    std::unique_ptr<InferenceRequest> take(Place place);

    const size_t max_size_;
    std::pmr::unsynchronized_pool_resource nodes_;  // before the map, which gives them back
    Entries entries_{&nodes_};
    int64_t rows_ = 0;
    size_t trials_ = 0;
    uint64_t next_number_ = 0;
};

}  // namespace tritonpy
