// Requests of different length in one batch: padded to the longest, with a mask that says so.
//
// A model that is given a mask does not look at what the mask excludes, so a sentence of five words
// may run beside one of fifty. The configuration says which inputs have the length (PaddingSpec);
// they are gathered row by row, each followed by pad elements up to the longest of the batch, and
// outputs that have the length are cut back. Nothing is copied that a batch of equal lengths would
// not copy: such a batch, and a lone request, are gathered as ever, and the part of a request with
// one row is a prefix of what it was.
//
// Threads: compatible; functions of a batch. The spec is immutable.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/status.h"
#include "infer/batch.h"
#include "memory/block_pool.h"
#include "tensor/tensor.h"

namespace tritonpy {

struct PaddedInput {
    std::string name;
    std::string element;  // the bytes of what it is padded with; as large as its data type
};

struct PaddingSpec {
    size_t axis = 1;  // which dimension is the length, the batch dimension counted
    std::vector<PaddedInput> inputs;   // the mask is one of them
    std::vector<std::string> outputs;  // those whose same dimension is the length
};

// Whether the padded inputs of `request` have one length. invalid_arg that names two that do not.
// REQUIRES: it passed the request check of the model.
Status check_lengths(const PaddingSpec& spec, const InferenceRequest& request);

// As gather_inputs; requests of different length get one. REQUIRES: as there, but for the length;
// every request passed check_lengths.
Status gather_padded(const PaddingSpec& spec, Batch& batch, BlockPool& pool);

// Gives each request its own length of the outputs that were scattered to it. internal when an
// output has not the length of the batch, unavailable when there is no memory.
// REQUIRES: gather_padded and scatter_outputs returned OK for the batch.
Status cut_padding(const PaddingSpec& spec, const Batch& batch,
                   std::vector<std::vector<Tensor>>& outputs_of_request, BlockPool& pool);

}  // namespace tritonpy
