// What a model runs before it is ready (`model_warmup`), so that the first client does not pay for
// what a backend does at its first execution.
//
// Each instance that is scheduled runs every sample, straight on its executor: no queue, no
// statistics, and what comes out is thrown away. A sample is `batch_size` requests of one row that
// run as one batch, `count` times. Inputs that the model's configuration does not name (the control
// tensors of sequences, say) are handed to the backend as they are; the others pass the request
// check, which brings them into the form that every executor wants. Whatever fails keeps the
// version from loading.
//
// Threads: immutable; run is called by the loader, before the instance's own thread is there.
// Owns: the samples' tensors. Borrows: what it was made with.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/executor.h"
#include "base/result.h"
#include "base/status.h"
#include "infer/batch_input.h"
#include "infer/model_identity.h"
#include "infer/request.h"
#include "tensor/data_type.h"
#include "tensor/shape.h"

namespace tritonpy {

struct WarmupInput {
    std::string name;
    DataType data_type = DataType::kInvalid;
    Shape dims;        // without the batch dimension
    std::string data;  // the bytes of one row
};

struct WarmupSample {
    std::string name;
    uint32_t batch_size = 1;  // 0: not run
    uint32_t count = 1;
    std::vector<WarmupInput> inputs;
};

class Warmup {
  public:
    // All arguments outlive it.
    Warmup(std::span<const WarmupSample> samples, const ModelIdentity& model,
           std::span<const BatchInputSpec> batch_inputs,
           std::span<const TensorSpec> sequence_inputs, const ExecutorContext& context)
        : samples_(samples),
          model_(model),
          batch_inputs_(batch_inputs),
          sequence_inputs_(sequence_inputs),
          context_(context) {}

    // Runs all samples on one instance, one after the other until one fails. Blocks for as long as
    // they take. invalid_arg `failed to run warmup sample '<sample>': <error>; `, with the error of
    // each request that failed; what the request check says of a sample, unavailable when there is
    // no memory for one. An executor that answers requests itself is open afterwards to an outlet
    // that is gone: it must be opened again before it is run again.
    Status run(std::string_view instance_name, Executor& executor) const;

  private:
    using Requests = std::vector<std::unique_ptr<InferenceRequest>>;

    Result<std::vector<Tensor>> make_inputs(const WarmupSample& sample) const;
    Result<Requests> make_requests(const WarmupSample& sample, const std::vector<Tensor>& inputs,
                                   bool only_known) const;
    std::vector<std::string> execute(Requests requests, Executor& executor) const;
    std::vector<std::string> execute_requests(Requests requests, RequestExecutor& executor) const;

    const std::span<const WarmupSample> samples_;
    const ModelIdentity& model_;
    const std::span<const BatchInputSpec> batch_inputs_;
    const std::span<const TensorSpec> sequence_inputs_;
    const ExecutorContext& context_;
};

}  // namespace tritonpy
