// Counters of one model version: one cell per instance, summed when read.
//
// An instance writes its own cell once per batch, under a lock that only a reader ever contends
// for (about 20 ns); so counting costs no sharing between instances, and what a reader sees of a
// cell is whole. Failures are rare and may come from any thread: they have atomics of their own.
//
// What is counted, in the sense of the statistics extension: a request that ran counts once in
// success, queue and each compute_* duration; its rows count in inference_count, its batch once in
// execution_count and in the batch statistics of the batch's rows. A batch that failed counts its
// requests as failures only. A cached answer is a success that ran nothing: it counts in queue (it
// waited for 0 ns) and in cache_hit, as in Triton, and in nothing else. A request that the request
// check refused, or that named an unknown model, is its client's mistake and not counted at all.
//
// Threads: thread-safe; each Cell is written by one thread, or a few.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "infer/batch.h"
#include "infer/trace.h"
#include "model/first_responses.h"

namespace tritonpy {

// Values are the labels' order: REJECTED, CANCELED, BACKEND, OTHER.
enum class FailureReason : uint8_t {
    kRejected,  // the queue refused it
    kCanceled,  // its client left while it was queued
    kBackend,   // the executor failed, or its outputs were wrong
    kOther,
};
inline constexpr size_t kFailureReasons = 4;

struct DurationCount {
    uint64_t count = 0;
    uint64_t ns = 0;
    friend bool operator==(const DurationCount&, const DurationCount&) = default;

    void add(int64_t duration_ns);
    void add(const DurationCount& other);
};

struct BatchSizeStats {
    DurationCount compute_input;
    DurationCount compute_infer;
    DurationCount compute_output;
    friend bool operator==(const BatchSizeStats&, const BatchSizeStats&) = default;

    void add(const BatchSizeStats& other);
};

struct ModelStatsSnapshot {
    uint64_t last_inference_ms = 0;  // milliseconds since the epoch; 0: never
    uint64_t inference_count = 0;    // rows that ran
    uint64_t execution_count = 0;    // batches that ran
    DurationCount success;
    DurationCount fail;
    DurationCount queue;
    DurationCount compute_input;
    DurationCount compute_infer;
    DurationCount compute_output;
    DurationCount cache_hit;   // the time of the lookup
    DurationCount cache_miss;  // the time of the lookup and of the insertion
    std::array<uint64_t, kFailureReasons> failures_by_reason{};
    std::map<uint64_t, BatchSizeStats> batch_stats;  // by rows of the batch
    uint64_t pending = 0;                            // queued now
    FirstResponseCounts first_responses;             // of the version, not of an instance

    // Sums the counters of instances; takes the later last_inference_ms.
    void add(const ModelStatsSnapshot& other);
};

class ModelStats {
  public:
    // One instance's counters.
    class Cell {
      public:
        // A batch that ran and whose outputs are good; its rows may be more than those of its
        // requests, which are what clients sent. REQUIRES: their traces are complete.
        void count_executed(const Batch& batch);
        // The same in two parts, for executors that answer requests themselves: an execution of
        // `rows` rows, and each request that succeeded, perhaps later. Thread-safe.
        void count_execution(int64_t rows, const RequestTrace& times);
        void count_success(const InferenceRequest& request);
        // A request of an ensemble that succeeded at `now_ns`: an execution of its own, whose
        // compute times are the sums that its trace holds. Thread-safe.
        void count_ensemble(const InferenceRequest& request, int64_t now_ns);
        // A request that the response cache answered, and one that it now could answer. Both
        // thread-safe.
        void count_cache_hit(int64_t request_ns, int64_t lookup_ns);
        void count_cache_miss(int64_t lookup_and_insertion_ns);

      private:
        friend class ModelStats;
        mutable std::mutex mutex_;    // guards counters_
        ModelStatsSnapshot counters_;  // what this instance contributes
    };

    // With bounds, the time to the first response of every request that gets one is counted, too,
    // errors included.
    explicit ModelStats(std::vector<double> first_response_bounds_ms = {})
        : first_responses_(std::move(first_response_bounds_ms)) {}
    ModelStats(const ModelStats&) = delete;
    ModelStats& operator=(const ModelStats&) = delete;

    // A cell for a new instance, owned here: one that was released, or a new one.
    Cell& add_cell();
    // Its owner counts no more; what it has counted stays.
    void release_cell(Cell& cell);

    // One request that failed `duration_ns` after infer() took it.
    void count_failure(FailureReason reason, int64_t duration_ns);

    // A response is about to go to `request`. Anything but the first is not of interest.
    void count_first_response(const InferenceRequest& request, const Clock& clock);

    // `pending` is left 0: the queue knows it.
    ModelStatsSnapshot snapshot() const;

  private:
    mutable std::mutex cells_mutex_;  // guards which cells there are
    std::vector<std::unique_ptr<Cell>> cells_;
    std::vector<Cell*> released_;
    // Relaxed: counters that nothing is ordered by.
    std::array<std::atomic<uint64_t>, kFailureReasons> failures_{};
    std::atomic<uint64_t> failure_ns_{0};
    FirstResponses first_responses_;
};

}  // namespace tritonpy
