// Executors that do what a test says, and configurations of models that use them.
//
// Threads: compatible; a scripted function is called by every instance that uses it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/executor.h"
#include "model/model.h"
#include "model/model_config.h"
#include "tensor/tensor_spec.h"

namespace tritonpy {

using ExecuteFunction = std::function<Status(Batch& batch)>;

class ScriptedExecutor final : public Executor {
  public:
    explicit ScriptedExecutor(ExecuteFunction execute) : execute_(std::move(execute)) {}
    Status execute(Batch& batch) override { return execute_(batch); }

  private:
    const ExecuteFunction execute_;
};

class ScriptedFactory final : public ExecutorFactory {
  public:
    explicit ScriptedFactory(ExecuteFunction execute) : execute_(std::move(execute)) {}
    Result<std::unique_ptr<Executor>> create(const InstanceSpec& instance) override {
        if (instance.kind == "KIND_GPU") {
            return internal_error("GPU instances not supported");
        }
        return std::unique_ptr<Executor>(std::make_unique<ScriptedExecutor>(execute_));
    }

  private:
    const ExecuteFunction execute_;
};

// For ServerOptions::make_factory: every instance of every model runs `execute`.
inline ExecutorFactoryMaker scripted(ExecuteFunction execute) {
    return [execute = std::move(execute)](const ExecutorConfig&, const ExecutorContext&)
               -> Result<std::unique_ptr<ExecutorFactory>> {
        return std::unique_ptr<ExecutorFactory>(std::make_unique<ScriptedFactory>(execute));
    };
}

// Gives every input INPUT<x> back as OUTPUT<x>, sharing its bytes.
inline Status echo(Batch& batch) {
    for (const Tensor& input : batch.inputs) {
        Tensor& output = batch.outputs.emplace_back(input);
        output.name = "OUTPUT" + input.name.substr(5);
    }
    return Status();
}

inline TensorSpec make_spec(std::string name, DataType type, Shape dims) {
    TensorSpec spec;
    spec.name = std::move(name);
    spec.data_type = type;
    spec.dims = std::move(dims);
    return spec;
}

// A model that batches dynamically without delay: FP32 INPUT0 [1] to OUTPUT0 [1].
inline ModelConfig make_config(std::string name = "model", int64_t version = 1,
                               int32_t max_batch_size = 8, size_t instances = 1) {
    ModelConfig config;
    config.executor.model_name = name;
    config.executor.model_version = version;
    config.executor.max_batch_size = max_batch_size;
    config.executor.inputs = {make_spec("INPUT0", DataType::kFp32, {1})};
    config.executor.outputs = {make_spec("OUTPUT0", DataType::kFp32, {1})};
    config.executor.instance_count = instances;
    config.batcher.dynamic_batching = max_batch_size > 0;
    config.batcher.max_batch_size = max_batch_size > 0 ? max_batch_size : 1;
    config.batcher.preferred_batch_sizes = {config.batcher.max_batch_size};
    for (size_t index = 0; index < instances; ++index) {
        InstanceSpec instance;
        instance.name = name + "_0_" + std::to_string(index);
        config.instances.push_back(std::move(instance));
    }
    return config;
}

}  // namespace tritonpy
