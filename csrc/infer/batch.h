// Requests that run together: their inputs gathered into contiguous tensors, and the outputs
// scattered back to them as slices.
//
// Gather copies nothing for a batch of one: the executor reads the receive buffer. Scatter copies
// nothing ever: each response borrows its rows. BYTES rows are found by walking their lengths once.
// Ragged inputs are gathered as one dimension of elements, also for a batch of one: what the model
// sees may not depend on how many requests there are. Outputs with a scatter source come apart by
// the shape that this input has in each request.
//
// Threads: confined(instance). Owns: the requests until scatter or take_requests.
// Invariants: 1. all requests have the same inputs in the same order (the request check sorts them
//                into config order) with equal row shapes, but for ragged ones
//                (may_share_batch);
//             2. rows == the sum of the requests' rows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "infer/request.h"
#include "infer/response.h"
#include "memory/block_pool.h"
#include "tensor/tensor.h"
#include "tensor/tensor_spec.h"

namespace tritonpy {

struct Batch {
    std::vector<std::unique_ptr<InferenceRequest>> requests;
    int64_t rows = 0;
    std::vector<Tensor> inputs;   // filled by gather_inputs; backend shapes
    std::vector<Tensor> outputs;  // filled by the executor; whole-batch tensors
    // Parameters that the executor puts on every response of the batch.
    SharedParameters response_parameters;

    void add(std::unique_ptr<InferenceRequest> request) {
        rows += request->rows;
        requests.push_back(std::move(request));
    }
    // Back to empty, keeping capacity.
    void clear();
    // Whether any request wants the output (no request list = all outputs).
    bool wants_output(std::string_view name) const;
};

// Whether two requests of one model may be in one batch: the same inputs, equal dimensions after
// the first where they are not ragged. REQUIRES: both passed the request check of a batching model.
bool may_share_batch(const InferenceRequest& a, const InferenceRequest& b);

// Where an input of that name is among the request's, and so of every request of its batch; nothing
// when it has none.
std::optional<size_t> find_input(const InferenceRequest& request, std::string_view name);

// What a gather says that could not get the memory for an input. REQUIRES: the batch has a request.
Status unable_to_gather(const Batch& batch, const std::string& input, const Status& why);

// Fills batch.inputs. One request: its own bytes, no copy. Several: one pool block each, rows in
// request order. unavailable when there is no memory; then batch.inputs are not to be used.
// REQUIRES: the invariants above, at least one request; several only of a model that batches.
Status gather_inputs(Batch& batch, BlockPool& pool);

// Splits batch.outputs along dimension 0 into one output list per request, in request order,
// leaving out what a request did not ask for. With `batching` false there is exactly one request
// and it gets the tensors whole. An output whose spec in `specs` has a scatter source is split by
// that instead, and gets the shape that clients see. batch.outputs keep their references until
// batch.clear(). internal when an output's first dimension is not batch.rows, its elements are not
// those that its scatter source asks for, or its bytes or BYTES elements are not those that its
// shape says; the text names model and output, and the lists are not to be used.
// REQUIRES: the invariants above, at least one request.
Status scatter_outputs(Batch& batch, bool batching,
                       std::vector<std::vector<Tensor>>& outputs_of_request,
                       std::span<const TensorSpec> specs = {});

// One output cut up as scatter_outputs does it, a part for each request, whoever wants it.
Status scatter_one(const Batch& batch, bool batching, const Tensor& output,
                   std::vector<Tensor>& parts);

}  // namespace tritonpy
