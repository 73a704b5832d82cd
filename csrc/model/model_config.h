// Everything the core needs to serve one version of a model, as one plain struct.
//
// The control plane reads, completes and validates `config.pbtxt` and hands the result down in
// this form; the core never parses configuration.
//
// Threads: immutable once built.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backend/executor.h"
#include "infer/batch_input.h"
#include "infer/padding.h"
#include "model/warmup.h"
#include "scheduler/batcher_config.h"
#include "scheduler/ensemble_graph.h"
#include "scheduler/resource_turns.h"
#include "scheduler/sequence_config.h"

namespace tritonpy {

struct ModelConfig {
    ExecutorConfig executor;  // name, version, tensors, parameters
    BatcherConfig batcher;
    std::optional<SequenceConfig> sequences;  // given: these are how it is scheduled
    // At least one that is not passive; none for an ensemble.
    std::vector<InstanceSpec> instances;
    std::vector<InstanceNeeds> needs;  // of those that are not passive; empty: nothing at all
    bool decoupled = false;
    std::vector<BatchInputSpec> batch_inputs;
    std::vector<WarmupSample> warmup;
    std::optional<EnsembleConfig> ensemble;  // set: no backend, but steps
    bool split_large_requests = false;  // run what is too large in parts; see SplitRequest
    std::optional<PaddingSpec> padding{};  // given: requests of different length run together
    // Of the histogram of times to the first response, ascending; empty: there is none.
    std::vector<double> first_response_bounds_ms{};
    bool response_cache = false;  // answers may be repeated, where the server has a cache
    // Of what it was loaded from; for caches that several servers share.
    std::string content_digest{};
};

}  // namespace tritonpy
