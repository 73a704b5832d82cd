// The waiting requests of one model in the order in which they are to run, and when each has
// waited too long.
//
// One ordered map holds them all: by level, then those that are not delayed before those that are,
// then as they came. So a level that nobody waits at costs nothing, however many there may be, and
// a walk from the head is the order of service. A second index, by time, has those that can still
// time out; the first of it is the only one that a clock must be set for. Nodes come from a pool
// that keeps what it had at most, so that a queue in its stride allocates nothing.
//
// Nothing here knows of clocks, threads or batches.
//
// Threads: compatible. Owns: the requests.
// Invariants: 1. a request is in the queue from push until drop, take_first or expire hand it out;
//             2. within a level no request overtakes another but by the other's being delayed;
//             3. after expire(now) no timeout of the queue is at or before `now`.
// Limits: queue_size_of each level's policy, delayed requests included; limits::kMaxQueueSize in
// all.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <utility>
#include <map>
#include <set>
#include <vector>

#include "base/status.h"
#include "infer/request.h"
#include "scheduler/queue_policy.h"
#include "scheduler/scheduler.h"

namespace tritonpy {

class PriorityQueue {
    struct Position {
        uint64_t level;
        bool delayed;
        uint64_t number;  // counts up
        friend auto operator<=>(const Position&, const Position&) = default;
    };
    struct Entry {
        std::unique_ptr<InferenceRequest> request;
        int64_t expires_ns;
    };
    using Entries = std::pmr::map<Position, Entry>;

  public:
    // Where a walk is.
    using Place = Entries::iterator;

    explicit PriorityQueue(QueuePolicies policies) : policies_(std::move(policies)) {}

    // Whether the level of this priority has a place left.
    bool has_place(uint64_t priority) const;
    // REQUIRES: has_place(request->priority).
    void push(std::unique_ptr<InferenceRequest> request, int64_t now_ns);

    // Does with every request whose time has passed as its policy says: moves it behind its level,
    // or into `dropped`. One that was cancelled is dropped as such.
    void expire(int64_t now_ns, std::vector<DroppedRequest>& dropped);
    // When expire is due next; kNever.
    int64_t next_timeout_ns() const {
        return timeouts_.empty() ? kNever : timeouts_.begin()->first;
    }

    // A walk from the head; push, expire and take_first end it.
    Place begin() { return entries_.begin(); }
    Place end() { return entries_.end(); }
    // Takes a cancelled request out and goes on to the next.
    Place drop_cancelled(Place place, std::vector<DroppedRequest>& dropped);
    // Takes out every cancelled request. Looks at all of them.
    void drop_all_cancelled(std::vector<DroppedRequest>& dropped);

    // REQUIRES: size() > 0.
    std::unique_ptr<InferenceRequest> take_first() { return take(entries_.begin()); }

    size_t size() const { return entries_.size(); }

  private:
    std::unique_ptr<InferenceRequest> take(Place place);
    void delay(Place place);

    const QueuePolicies policies_;
    std::pmr::unsynchronized_pool_resource nodes_;  // before the containers, which give them back
    Entries entries_{&nodes_};
    std::pmr::set<std::pair<int64_t, Position>> timeouts_{&nodes_};
    std::pmr::map<uint64_t, size_t> size_of_level_{&nodes_};  // of levels where somebody waits
    uint64_t next_number_ = 0;
};

}  // namespace tritonpy
