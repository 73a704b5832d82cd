// Everything the core needs to serve one version of a model, as one plain struct.
//
// The control plane reads, completes and validates `config.pbtxt` and hands the result down in
// this form; the core never parses configuration.
//
// Threads: immutable once built.
#pragma once

#include <string>
#include <vector>

#include "backend/executor.h"
#include "infer/batch_input.h"
#include "model/warmup.h"
#include "scheduler/batcher_config.h"

namespace tritonpy {

struct ModelConfig {
    ExecutorConfig executor;  // name, version, tensors, parameters
    BatcherConfig batcher;
    std::vector<InstanceSpec> instances;  // at least one that is not passive
    bool decoupled = false;
    std::vector<BatchInputSpec> batch_inputs;
    std::vector<WarmupSample> warmup;
};

}  // namespace tritonpy
