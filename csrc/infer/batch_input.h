// Inputs that no client sends: what a model has to know of the batch in which it finds its ragged
// inputs (`batch_input` of the configuration).
//
// Each is made once per batch from the shapes that one input, its source, has in the requests of
// the batch. For requests of shapes [1,3], [2,4] the kinds give, in the order below: [3,8]; [3,11];
// [0,3,11]; eight zeros; [[3],[4],[4]]; [3,4,4]. So counts are by request and of all its rows, and
// shapes are by row and without the batch dimension. All follow Triton's backends, which leave the
// elements of the fourth undefined.
//
// Threads: compatible; functions of a batch.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "infer/batch.h"
#include "memory/block_pool.h"
#include "tensor/data_type.h"
#include "tensor/shape.h"

namespace tritonpy {

enum class BatchInputKind : uint8_t {
    kElementCount,
    kAccumulatedElementCount,
    kAccumulatedElementCountWithZero,
    kMaxElementCountAsShape,
    kItemShape,
    kItemShapeFlatten,
};

struct BatchInputSpec {
    BatchInputKind kind = BatchInputKind::kElementCount;
    std::vector<std::string> target_names;  // the model's inputs that get it
    DataType data_type = DataType::kInt32;  // or kFp32
    std::string source_input;
};

// The shape of a batch input whose source is input `source` of every request.
// REQUIRES: at least one request; each has the input, with a dimension at least.
Shape batch_input_shape(BatchInputKind kind, const Batch& batch, size_t source);

// Its elements, row-major; none of the kind that says all with its shape and is zeros.
// REQUIRES: as batch_input_shape.
std::vector<int64_t> batch_input_values(BatchInputKind kind, const Batch& batch, size_t source);

// Appends what `specs` ask for to batch.inputs, one pool block for each. unavailable when there is
// no memory; internal when a source is not in the batch, or a value does not fit the data type.
// REQUIRES: gather_inputs returned OK.
Status add_batch_inputs(std::span<const BatchInputSpec> specs, Batch& batch, BlockPool& pool);

}  // namespace tritonpy
