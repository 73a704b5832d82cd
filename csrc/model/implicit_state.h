// Implicit state: what an execution leaves in each request of its batch for the next request of the
// same sequence.
//
// Nothing is copied: a request gets its rows of the executor's output, which stay where they are
// until the last of the sequences that ran together has moved on. Whether they become the
// sequence's state is the scheduler's affair, when the request is delivered.
//
// Threads: a pure function of its arguments.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "infer/batch.h"
#include "scheduler/sequence_config.h"

namespace tritonpy {

// Fills next_states of the batch's requests, in the order of `states`, from batch.outputs, which
// keep what they have. internal, naming the state, when one is missing or is not as configured.
Status keep_states(const std::string& model_name, const std::vector<SequenceState>& states,
                   bool batching, Batch& batch);

}  // namespace tritonpy
