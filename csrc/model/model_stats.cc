#include "model/model_stats.h"

#include <algorithm>
#include <chrono>

namespace tritonpy {

namespace {

// The wall clock, and not Clock: this one is told to users and decides nothing.
uint64_t milliseconds_since_epoch() {
    auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

uint64_t non_negative(int64_t ns) { return static_cast<uint64_t>(std::max<int64_t>(ns, 0)); }

// The compute times of one execution.
BatchSizeStats one_execution(const RequestTrace& trace) {
    BatchSizeStats once;
    once.compute_input.add(trace.compute_input_end_ns - trace.compute_start_ns);
    once.compute_infer.add(trace.compute_output_start_ns - trace.compute_input_end_ns);
    once.compute_output.add(trace.compute_end_ns - trace.compute_output_start_ns);
    return once;
}

}  // namespace

void DurationCount::add(int64_t duration_ns) {
    ++count;
    ns += non_negative(duration_ns);
}

void DurationCount::add(const DurationCount& other) {
    count += other.count;
    ns += other.ns;
}

void BatchSizeStats::add(const BatchSizeStats& other) {
    compute_input.add(other.compute_input);
    compute_infer.add(other.compute_infer);
    compute_output.add(other.compute_output);
}

void ModelStatsSnapshot::add(const ModelStatsSnapshot& other) {
    last_inference_ms = std::max(last_inference_ms, other.last_inference_ms);
    inference_count += other.inference_count;
    execution_count += other.execution_count;
    success.add(other.success);
    fail.add(other.fail);
    queue.add(other.queue);
    compute_input.add(other.compute_input);
    compute_infer.add(other.compute_infer);
    compute_output.add(other.compute_output);
    cache_hit.add(other.cache_hit);
    cache_miss.add(other.cache_miss);
    for (size_t reason = 0; reason < kFailureReasons; ++reason) {
        failures_by_reason[reason] += other.failures_by_reason[reason];
    }
    for (const auto& [rows, stats] : other.batch_stats) {
        batch_stats[rows].add(stats);
    }
    pending += other.pending;
}

void ModelStats::Cell::count_executed(const Batch& batch) {
    uint64_t now_ms = milliseconds_since_epoch();
    std::lock_guard lock(mutex_);
    counters_.last_inference_ms = now_ms;
    ++counters_.execution_count;
    for (const auto& request : batch.requests) {
        counters_.inference_count += non_negative(request->rows);
        const RequestTrace& trace = request->trace;
        counters_.success.add(trace.compute_end_ns - trace.request_start_ns);
        counters_.queue.add(trace.compute_start_ns - trace.queue_start_ns);
    }
    const RequestTrace& trace = batch.requests.front()->trace;  // the compute times of all
    const BatchSizeStats once = one_execution(trace);
    counters_.batch_stats[non_negative(batch.rows)].add(once);
    uint64_t requests = batch.requests.size();
    counters_.compute_input.add({requests, requests * once.compute_input.ns});
    counters_.compute_infer.add({requests, requests * once.compute_infer.ns});
    counters_.compute_output.add({requests, requests * once.compute_output.ns});
}

void ModelStats::Cell::count_execution(int64_t rows, const RequestTrace& times) {
    const BatchSizeStats once = one_execution(times);
    std::lock_guard lock(mutex_);
    ++counters_.execution_count;
    counters_.batch_stats[non_negative(rows)].add(once);
}

void ModelStats::Cell::count_success(const InferenceRequest& request) {
    uint64_t now_ms = milliseconds_since_epoch();
    const RequestTrace& trace = request.trace;
    std::lock_guard lock(mutex_);
    counters_.last_inference_ms = now_ms;
    counters_.inference_count += non_negative(request.rows);
    counters_.success.add(trace.compute_end_ns - trace.request_start_ns);
    counters_.queue.add(trace.compute_start_ns - trace.queue_start_ns);
    const BatchSizeStats once = one_execution(trace);
    counters_.compute_input.add(once.compute_input);
    counters_.compute_infer.add(once.compute_infer);
    counters_.compute_output.add(once.compute_output);
}

void ModelStats::Cell::count_ensemble(const InferenceRequest& request, int64_t now_ns) {
    const uint64_t now_ms = milliseconds_since_epoch();
    const RequestTrace& trace = request.trace;
    const BatchSizeStats sums = one_execution(trace);
    std::lock_guard lock(mutex_);
    counters_.last_inference_ms = now_ms;
    counters_.inference_count += non_negative(request.rows);
    ++counters_.execution_count;
    counters_.success.add(now_ns - trace.request_start_ns);
    counters_.queue.add(trace.compute_start_ns - trace.queue_start_ns);
    counters_.compute_input.add(sums.compute_input);
    counters_.compute_infer.add(sums.compute_infer);
    counters_.compute_output.add(sums.compute_output);
    counters_.batch_stats[non_negative(request.rows)].add(sums);
}

void ModelStats::Cell::count_cache_hit(int64_t request_ns, int64_t lookup_ns) {
    std::lock_guard lock(mutex_);
    counters_.success.add(request_ns);
    counters_.queue.add(0);
    counters_.cache_hit.add(lookup_ns);
}

void ModelStats::Cell::count_cache_miss(int64_t lookup_and_insertion_ns) {
    std::lock_guard lock(mutex_);
    counters_.cache_miss.add(lookup_and_insertion_ns);
}

ModelStats::Cell& ModelStats::add_cell() {
    std::lock_guard lock(cells_mutex_);
    if (released_.empty()) {
        return *cells_.emplace_back(std::make_unique<Cell>());
    }
    Cell& again = *released_.back();
    released_.pop_back();
    return again;
}

void ModelStats::release_cell(Cell& cell) {
    std::lock_guard lock(cells_mutex_);
    released_.push_back(&cell);
}

void ModelStats::count_failure(FailureReason reason, int64_t duration_ns) {
    failures_[static_cast<size_t>(reason)].fetch_add(1, std::memory_order_relaxed);
    failure_ns_.fetch_add(non_negative(duration_ns), std::memory_order_relaxed);
}

void ModelStats::count_first_response(const InferenceRequest& request, const Clock& clock) {
    if (first_responses_.counts_any() && !std::exchange(request.has_first_response, true)) {
        first_responses_.count(clock.now_ns() - request.trace.request_start_ns);
    }
}

ModelStatsSnapshot ModelStats::snapshot() const {
    ModelStatsSnapshot sum;
    {
        std::lock_guard cells_lock(cells_mutex_);
        for (const auto& cell : cells_) {
            std::lock_guard lock(cell->mutex_);
            sum.add(cell->counters_);
        }
    }
    for (size_t reason = 0; reason < kFailureReasons; ++reason) {
        sum.failures_by_reason[reason] = failures_[reason].load(std::memory_order_relaxed);
        sum.fail.count += sum.failures_by_reason[reason];
    }
    sum.fail.ns = failure_ns_.load(std::memory_order_relaxed);
    sum.first_responses = first_responses_.snapshot();
    return sum;
}

}  // namespace tritonpy
