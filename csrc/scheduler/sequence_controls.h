// What the server adds to a request of a sequence: control tensors, and the states that the
// request before has left.
//
// They go behind the client's inputs, always as many and in the same order: controls, then states.
// Flags are views of constants and states are handed on as they are, so that nothing is copied; the
// tensor of a correlation id is made once for each sequence.
//
// Threads: immutable; its functions work on what they are given.
// Owns: the constants.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/status.h"
#include "infer/request.h"
#include "memory/block_pool.h"
#include "scheduler/sequence_config.h"
#include "scheduler/sequence_slots.h"
#include "tensor/tensor.h"

namespace tritonpy {

class SequenceControls {
  public:
    // `config` and `pool` are borrowed and outlive this. REQUIRES: as lowered from a valid config.
    SequenceControls(const SequenceConfig& config, BlockPool& pool);

    // invalid_arg when the id of a request is not of the type that the model wants.
    Status check_id(const CorrelationId& id) const;

    // Adds controls and states to the next request of a sequence. A START gets initial states.
    void prepare(Sequence& sequence, InferenceRequest& request) const;
    // Takes off what prepare added, from a request that is to run again.
    void strip(InferenceRequest& request) const;
    // Keeps what the execution of a request left for its successor; nothing: all stays as it is.
    void keep_states(Sequence& sequence, std::vector<Tensor> states) const;

    // A request that is nobody's and is shaped as `prepared`: zeros, not ready.
    std::unique_ptr<InferenceRequest> make_null(const InferenceRequest& prepared) const;

  private:
    struct Flag {
        Tensor when_false;
        Tensor when_true;
    };

    Tensor allocate(std::string name, DataType type, Shape shape, size_t bytes) const;
    Tensor number(const SequenceControl& control, double value) const;
    Tensor correlation_tensor(const SequenceControl& control, const CorrelationId& id) const;
    Tensor zeros_like(const Tensor& tensor) const;
    Tensor initial_state(const SequenceState& state) const;
    Shape with_batch_dimension(const Shape& dims) const;

    const SequenceConfig& config_;
    BlockPool& pool_;
    Tensor no_id_;                        // of null requests; without a name: there is none
    std::vector<Flag> flags_;             // by control; empty tensors for the id
    std::vector<Tensor> initial_states_;  // by state
};

}  // namespace tritonpy
