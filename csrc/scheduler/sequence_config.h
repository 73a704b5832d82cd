// How one model's sequences are scheduled: the `sequence_batching` of its configuration.
//
// Threads: immutable once built.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/limits.h"
#include "tensor/data_type.h"
#include "tensor/shape.h"

namespace tritonpy {

// An input that tells the model about the sequence that a request belongs to.
struct SequenceControl {
    enum class Kind : uint8_t { kStart, kReady, kEnd, kCorrelationId };
    Kind kind = Kind::kStart;
    std::string name;
    DataType data_type = DataType::kInvalid;  // INT32, FP32 or BOOL; that of the id
    // The values of a flag; of INT32 exactly, for doubles hold them.
    double when_false = 0;
    double when_true = 1;
};

// A tensor that one request of a sequence leaves for the next.
struct SequenceState {
    std::string input_name;
    std::string output_name;
    DataType data_type = DataType::kInvalid;
    Shape dims;           // without the batch dimension; -1 is any size
    Shape initial_dims;   // what the first request gets; no -1
    std::string initial;  // its bytes; empty: zeros, or empty strings
};

struct SequenceConfig {
    // Direct: a sequence has its own row of every batch of its instance. Oldest: those sequences
    // run that have waited longest.
    enum class Strategy : uint8_t { kDirect, kOldest };

    std::string model_name;
    Strategy strategy = Strategy::kDirect;
    size_t instance_count = 1;   // >= 1; each has its own slots
    int64_t max_batch_size = 0;  // rows; 0: the model has no batch dimension
    int64_t max_idle_us = 1'000'000;
    int64_t max_queue_delay_us = 0;
    double min_slot_utilization = 0;  // direct: of max_batch_size; 0: run at once
    // Oldest.
    size_t max_candidate_sequences = 1;  // slots of an instance
    std::vector<int64_t> preferred_batch_sizes;  // ascending; empty: max_batch_size
    bool preserve_ordering = false;

    // Clients send single requests; each is a sequence, which goes on as long as the model
    // reschedules it.
    bool iterative = false;

    std::vector<SequenceControl> controls;
    std::vector<SequenceState> states;

    // Test hook (TRITONSERVER_BACKLOG_DELAY_SCHEDULER): nothing runs until so many sequences wait
    // for a slot.
    size_t delay_until_backlogged = 0;

    // Slots of each instance.
    size_t slot_count() const {
        const size_t wanted = strategy == Strategy::kOldest
                                  ? max_candidate_sequences
                                  : static_cast<size_t>(max_batch_size > 0 ? max_batch_size : 1);
        return wanted < 1                                  ? 1
               : wanted > limits::kMaxSlotsPerInstance ? limits::kMaxSlotsPerInstance
                                                           : wanted;
    }
};

}  // namespace tritonpy
