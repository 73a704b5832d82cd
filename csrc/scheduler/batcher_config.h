// How one model's requests are queued and batched: the scheduler's part of the model configuration.
//
// Threads: immutable once built.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "scheduler/queue_policy.h"

namespace tritonpy {

struct BatcherConfig {
    // False: each request runs alone, first come first served (Triton's default scheduler).
    bool dynamic_batching = false;
    int64_t max_batch_size = 1;  // rows; >= 1
    // Ascending, each in [1, max_batch_size]; normalisation makes it {max_batch_size} when the
    // config gives none.
    std::vector<int64_t> preferred_batch_sizes;
    int64_t max_queue_delay_us = 0;
    bool preserve_ordering = false;
    // Every two requests of the model may share a batch: it has no variable dimensions (but the
    // batch dimension, and those of ragged inputs) and no optional inputs. Then shapes are not
    // compared, and an instance that waits for a batch to fill is left asleep until enough rows are
    // queued.
    bool uniform_requests = false;
    // Who waits where, how long and with how many others.
    QueuePolicies queue;
    // > 0: requests are answered within so long, or refused; nothing waits for a delay.
    int64_t latency_objective_us = 0;
    size_t instance_count = 1;  // that pull
    // Test hook (TRITONSERVER_DELAY_SCHEDULER): a dynamic batcher holds its first batch until so
    // many requests wait. Not where there is a latency objective.
    size_t delay_until_queued = 0;
};

}  // namespace tritonpy
