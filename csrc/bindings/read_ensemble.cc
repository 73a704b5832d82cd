#include "bindings/read_ensemble.h"

#include <string>
#include <utility>

#include "bindings/python_attribute.h"

namespace py = pybind11;

namespace tritonpy {

namespace {

EnsembleStep read_step(py::handle from) {
    EnsembleStep step;
    step.model_name = attribute<std::string>(from, "model_name");
    step.model_version = attribute<int64_t>(from, "model_version");
    step.decoupled = attribute<bool>(from, "decoupled");
    for (py::handle input : from.attr("inputs")) {
        step.inputs.push_back({attribute<std::string>(input, "name"),
                               attribute<std::string>(input, "tensor"),
                               attribute<bool>(input, "optional"),
                               attribute<size_t>(input, "rank")});
    }
    for (py::handle output : from.attr("outputs")) {
        step.outputs.push_back({attribute<std::string>(output, "name"),
                                attribute<std::string>(output, "tensor")});
    }
    return step;
}

}  // namespace

std::optional<EnsembleConfig> read_ensemble(py::handle ensemble) {
    if (ensemble.is_none()) {
        return std::nullopt;
    }
    EnsembleConfig config;
    config.max_inflight_requests = attribute<uint32_t>(ensemble, "max_inflight_requests");
    for (py::handle step : ensemble.attr("steps")) {
        config.steps.push_back(read_step(step));
    }
    return config;
}

}  // namespace tritonpy
