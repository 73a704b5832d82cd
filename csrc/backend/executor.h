// What runs a batch: one executor per model instance, over whatever runtime the model needs.
//
// An executor sees contiguous inputs and leaves whole-batch outputs; it knows neither queues nor
// requests' fates. Everything that instances of one model can share (a loaded session) lives in the
// factory, which is made once per model version.
//
// Threads: an executor is confined(instance): one execute at a time. A factory is confined(loader).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "infer/batch.h"
#include "memory/block_pool.h"
#include "tensor/tensor_spec.h"

namespace tritonpy {

// One instance of a group, already expanded by count and device.
struct InstanceSpec {
    std::string name;              // e.g. "mlp_0_1"
    std::string kind = "KIND_CPU";  // "KIND_CPU", "KIND_GPU" or "KIND_MODEL"
    int32_t device_id = 0;
    bool passive = false;  // created but never scheduled
};

// What an executor needs to know of its model.
struct ExecutorConfig {
    std::string model_name;
    int64_t model_version = 0;
    std::string backend;     // "onnxruntime", "identity"
    std::string model_path;  // the artefact, e.g. .../1/model.onnx; may be empty for identity
    int32_t max_batch_size = 0;
    std::vector<TensorSpec> inputs;
    std::vector<TensorSpec> outputs;
    std::map<std::string, std::string> parameters;
    std::optional<int32_t> graph_optimization_level;  // optimization.graph.level
    size_t instance_count = 1;
};

// What executors borrow from the server. All outlive every executor.
struct ExecutorContext {
    const Clock& clock;
    Log& log;
    BlockPool& pool;
    // Path of ONNX Runtime's shared library in the installed package; empty when there is none.
    std::string onnxruntime_library;
};

class Executor {
  public:
    virtual ~Executor() = default;

    // Runs batch.inputs (gathered, backend shapes, first dimension batch.rows when the model
    // batches) and fills batch.outputs, at least those that batch.wants_output names, with data
    // that their buffers keep alive. A Status fails every request of the batch with its text.
    // Blocks for as long as the model takes; never throws.
    virtual Status execute(Batch& batch) = 0;
};

class ExecutorFactory {
  public:
    virtual ~ExecutorFactory() = default;
    // A ready executor for one instance. Blocks while it loads. internal `GPU instances not
    // supported` for KIND_GPU where there is none.
    virtual Result<std::unique_ptr<Executor>> create(const InstanceSpec& instance) = 0;
};

// The one place that names every backend of the build. Blocks while shared parts load.
// invalid_arg when `config.backend` is none of them, or whatever the backend found wrong with the
// model.
Result<std::unique_ptr<ExecutorFactory>> make_executor_factory(const ExecutorConfig& config,
                                                               const ExecutorContext& context);

}  // namespace tritonpy
