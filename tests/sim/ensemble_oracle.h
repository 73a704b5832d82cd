// What ensembles must answer, worked out the plain way: values by recursion, without rounds, runs
// or threads.
//
// Models of the simulation compute numbers: an output is a hash of the model, the inputs and the
// number of the answer. So are their quirks: how often a decoupled model answers, which output an
// answer leaves out, whether the model fails. Hence the same request always has the same result.
//
// Threads: compatible.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/ensemble_graph.h"

namespace tritonpy {

using Numbers = std::map<std::string, int64_t>;  // tensors that are there, by name

// A model that computes, or an ensemble of those.
struct SimulatedModel {
    std::string name;
    std::vector<TensorSpec> inputs;
    std::vector<TensorSpec> outputs;
    bool decoupled = false;
    std::optional<EnsembleConfig> ensemble;
};
using SimulatedModels = std::map<std::string, SimulatedModel>;

// The answers of a model that computes: its outputs, once for each; nothing when it fails.
std::optional<std::vector<Numbers>> compute(const SimulatedModel& model, const Numbers& inputs);

struct ExpectedResult {
    bool fails = false;
    std::vector<Numbers> answers;  // in no order; all that there are when it does not fail
    // The calls of models that compute: by model, and by the decoupled answers that led there.
    std::set<std::pair<std::string, std::string>> calls;
};

// What a request for `wanted` (none: all outputs) comes to.
ExpectedResult expected_result(const SimulatedModels& models, const SimulatedModel& model,
                               const Numbers& inputs, const std::vector<std::string>& wanted,
                               const std::string& path = "");

}  // namespace tritonpy
