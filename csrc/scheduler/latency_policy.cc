#include "scheduler/latency_policy.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace tritonpy {
namespace {

// Of the time that a request may wait, how much a plan gives away: in tenths.
constexpr int64_t kPlannedTenths = 9;
constexpr int64_t kEndOfTime = std::numeric_limits<int64_t>::max();

}  // namespace

LatencyPolicy::LatencyPolicy(int64_t max_rows, int64_t objective_ns)
    : max_rows_(max_rows), objective_ns_(objective_ns) {
    TRITONPY_CHECK(max_rows_ >= 1);
}

// ---- arrival

bool LatencyPolicy::admits(const Arrival& arrival, int64_t now_ns, std::span<int64_t> free_ns,
                           const BatchCosts& costs) const {
    TRITONPY_CHECK(costs.know_any() && !free_ns.empty());
    std::ranges::sort(free_ns);
    const int64_t batch_rows = std::min(max_rows_, costs.rows_within(objective_ns_ / 2));
    const int64_t batches_ahead = arrival.rows_ahead / batch_rows;
    // Instances take turns in the order in which they get free.
    const auto instances = static_cast<int64_t>(free_ns.size());
    const int64_t free_at_ns =
        std::max(now_ns, free_ns[static_cast<size_t>(batches_ahead % instances)]);
    const int64_t waits_ns =
        free_at_ns - now_ns + batches_ahead / instances * costs.cost_ns(batch_rows);
    const int64_t rows_of_batch =
        std::max(arrival.rows,
                 std::min(batch_rows, arrival.rows_ahead % batch_rows + arrival.rows));
    const int64_t may_wait_ns = arrival.deadline_ns - now_ns - costs.cost_ns(rows_of_batch);
    return waits_ns <= may_wait_ns / 10 * kPlannedTenths && may_wait_ns >= 0;
}

// ---- forming

void LatencyPolicy::reset() {
    walk_.clear();
    rows_ = 0;
}

void LatencyPolicy::offer(const Waiting& waiting) {
    TRITONPY_CHECK(wants_more());
    TRITONPY_CHECK(walk_.empty() || walk_.back().deadline_ns <= waiting.deadline_ns);
    walk_.push_back(waiting);
    rows_ += waiting.rows;
}

LatencyDecision LatencyPolicy::decide(int64_t now_ns, const BatchCosts& costs) const {
    TRITONPY_CHECK(count() > 0);
    size_t first = 0;
    while (first < count() && !is_in_time(walk_[first], now_ns, costs)) {
        ++first;
    }
    if (first == count() || !costs.know_any()) {
        return {.give_up_count = first, .run_count = first == count() ? size_t{0} : 1};
    }
    Stretch batch = grown(alone(first, costs), walk_[first].deadline_ns - now_ns, costs);
    if (batch.is_cut && !leaves_time(batch, now_ns, costs)) {
        batch = most_rows_a_second(batch, now_ns, costs);
    }
    return {.give_up_count = batch.begin, .run_count = batch.end - batch.begin};
}

// Whether it would be answered by its deadline if it ran alone and now.
bool LatencyPolicy::is_in_time(const Waiting& waiting, int64_t now_ns,
                               const BatchCosts& costs) const {
    return now_ns + (waiting.is_trial ? 0 : costs.cost_ns(waiting.rows)) <= waiting.deadline_ns;
}

LatencyPolicy::Stretch LatencyPolicy::alone(size_t index, const BatchCosts& costs) const {
    const int64_t rows = walk_[index].rows;
    return {index, index + 1, rows, costs.cost_ns(rows), false};
}

// With as many of those behind it as take no more than `time_ns` in all.
LatencyPolicy::Stretch LatencyPolicy::grown(Stretch batch, int64_t time_ns,
                                            const BatchCosts& costs) const {
    batch.is_cut = false;
    for (; batch.end < count() && !walk_[batch.begin].is_trial; ++batch.end) {
        const Waiting& next = walk_[batch.end];
        if (!next.joins || next.is_trial || next.rows > max_rows_ - batch.rows) {
            break;
        }
        const int64_t cost_ns = costs.cost_ns(batch.rows + next.rows);
        if (cost_ns > time_ns) {
            batch.is_cut = true;
            break;
        }
        batch.rows += next.rows;
        batch.cost_ns = cost_ns;
    }
    return batch;
}

// Whether the batch after this one can be as large as what waits for it.
bool LatencyPolicy::leaves_time(const Stretch& batch, int64_t now_ns,
                                const BatchCosts& costs) const {
    const Stretch next = grown(alone(batch.end, costs), kEndOfTime, costs);
    return now_ns + batch.cost_ns + next.cost_ns <= walk_[batch.end].deadline_ns;
}

// Of this batch and those that begin later. Later deadlines leave more time, so each is the one
// before without its first request, and more behind it.
LatencyPolicy::Stretch LatencyPolicy::most_rows_a_second(Stretch best, int64_t now_ns,
                                                         const BatchCosts& costs) const {
    Stretch batch = best;
    while (batch.is_cut) {
        const size_t begin = batch.begin + 1;
        if (!walk_[begin].joins || walk_[begin].is_trial) {
            break;  // others are not served by giving these up
        }
        const bool is_left = begin < batch.end;
        const int64_t rows = batch.rows - walk_[batch.begin].rows;
        batch = is_left ? Stretch{begin, batch.end, rows, costs.cost_ns(rows), false}
                        : alone(begin, costs);
        batch = grown(batch, walk_[begin].deadline_ns - now_ns, costs);
        const bool serves_more =
            static_cast<double>(batch.rows) * static_cast<double>(best.cost_ns) >
            static_cast<double>(best.rows) * static_cast<double>(batch.cost_ns);
        if (serves_more && is_in_time(walk_[begin], now_ns, costs)) {
            best = batch;
        }
    }
    return best;
}

}  // namespace tritonpy
