// What an ensemble is made of: its steps, the tensors between them, and who waits for whom.
//
// A step is a call of another model; its inputs are ensemble tensors, its outputs become some. A
// step whose model is decoupled may answer many times, and what depends on it then runs once for
// each answer. So steps and tensors live in *scopes*: the root scope exists once for a request, and
// each decoupled step opens a scope of its own, of which there is one *round* for every answer. A
// step lives in the innermost scope of its inputs; it may also read what the root scope holds.
// Configuration has made sure that its inputs come from no two different decoupled steps.
//
// Threads: immutable once built.
// Invariants: 1. steps of a scope are listed after those that their inputs come from;
//             2. every tensor belongs to one scope, and has one place in each round of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "infer/request.h"
#include "tensor/tensor_spec.h"

namespace tritonpy {

// One call of a composing model.
struct EnsembleStep {
    struct Input {
        std::string name;    // at the composing model
        std::string tensor;  // of the ensemble
        bool optional = false;
        size_t rank = 0;  // that the model expects, with the batch dimension if it has one
    };
    struct Output {
        std::string name;
        std::string tensor;
    };
    std::string model_name;
    int64_t model_version = -1;
    bool decoupled = false;  // the composing model is
    std::vector<Input> inputs;
    std::vector<Output> outputs;
};

// The ensemble's part of a model's configuration.
struct EnsembleConfig {
    std::vector<EnsembleStep> steps;
    uint32_t max_inflight_requests = 0;  // that one step has at once, over all requests; 0: any
};

struct EnsembleGraph {
    static constexpr size_t kRootScope = 0;
    static constexpr size_t kNone = static_cast<size_t>(-1);

    // Where a tensor is found: in each round of a scope, at an index.
    struct TensorPlace {
        size_t scope = kRootScope;
        size_t index = 0;
        size_t source = kNone;  // the step that makes it; none for an input of the ensemble
    };
    struct Step {
        size_t scope = kRootScope;        // whose rounds run it
        size_t opens = kNone;             // the scope of its answers, when its model is decoupled
        std::vector<TensorPlace> inputs;  // as the config lists them
        std::vector<TensorPlace> outputs;
    };
    struct Scope {
        size_t tensor_count = 0;
        std::vector<size_t> steps;  // by number; after those that their inputs come from
    };
    struct Output {
        std::string name;
        TensorPlace place;
        size_t rank = 0;  // that clients expect
    };

    EnsembleConfig config;
    std::vector<Step> steps;  // as in config
    std::vector<Scope> scopes;
    std::vector<std::string> inputs;  // names of the root scope's first tensors
    std::vector<Output> outputs;
};

// `inputs` and `outputs` are those of the ensemble, with a batch dimension when it `batches`.
// REQUIRES: a valid config: no tensor is made twice, by a step or as an input, and every output is
// made from the inputs.
EnsembleGraph make_ensemble_graph(EnsembleConfig config, const std::vector<TensorSpec>& inputs,
                                  const std::vector<TensorSpec>& outputs, bool batches);

// The part of an ensemble that one request needs, which asks for some of its outputs.
// Threads: immutable once built.
struct EnsembleDemand {
    std::vector<bool> steps;    // by number of the step
    std::vector<bool> outputs;  // by number of the output
    // The scope whose rounds make responses: the root, or that of the decoupled step that the
    // outputs come from.
    size_t scope = EnsembleGraph::kRootScope;
};

// Follows the outputs (none named: all) back to the steps that they are made by. REQUIRES: the
// names are the ensemble's.
EnsembleDemand demand_of(const EnsembleGraph& graph,
                         const std::vector<RequestedOutput>& requested);

}  // namespace tritonpy
