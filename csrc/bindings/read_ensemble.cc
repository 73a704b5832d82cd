#include "bindings/read_ensemble.h"

#include <string>
#include <utility>

namespace py = pybind11;

namespace tritonpy {

namespace {

EnsembleStep read_step(py::handle from) {
    EnsembleStep step;
    step.model_name = from.attr("model_name").cast<std::string>();
    step.model_version = from.attr("model_version").cast<int64_t>();
    step.decoupled = from.attr("decoupled").cast<bool>();
    for (py::handle input : from.attr("inputs")) {
        step.inputs.push_back({input.attr("name").cast<std::string>(),
                               input.attr("tensor").cast<std::string>(),
                               input.attr("optional").cast<bool>(),
                               input.attr("rank").cast<size_t>()});
    }
    for (py::handle output : from.attr("outputs")) {
        step.outputs.push_back({output.attr("name").cast<std::string>(),
                                output.attr("tensor").cast<std::string>()});
    }
    return step;
}

}  // namespace

std::optional<EnsembleConfig> read_ensemble(py::handle ensemble) {
    if (ensemble.is_none()) {
        return std::nullopt;
    }
    EnsembleConfig config;
    config.max_inflight_requests = ensemble.attr("max_inflight_requests").cast<uint32_t>();
    for (py::handle step : ensemble.attr("steps")) {
        config.steps.push_back(read_step(step));
    }
    return config;
}

}  // namespace tritonpy
