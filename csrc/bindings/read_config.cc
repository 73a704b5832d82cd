#include "bindings/read_config.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "bindings/python_attribute.h"
#include "bindings/read_batch_input.h"
#include "bindings/read_dynamic_batching.h"
#include "bindings/read_ensemble.h"
#include "bindings/read_limits.h"
#include "bindings/read_sequences.h"
#include "bindings/read_warmup.h"

namespace py = pybind11;

namespace tritonpy {

namespace {

TensorSpec read_tensor(py::handle tensor) {
    TensorSpec spec;
    spec.name = attribute<std::string>(tensor, "name");
    spec.data_type = data_type_attribute(tensor, spec.name);
    spec.dims = shape_attribute(tensor, "dims");
    if (!tensor.attr("reshape").is_none()) {
        spec.reshape = shape_attribute(tensor, "reshape");
    }
    spec.optional = attribute<bool>(tensor, "optional");
    spec.ragged = attribute<bool>(tensor, "allow_ragged_batch");
    spec.scatter_source = attribute<std::string>(tensor, "scatter_source");
    spec.labels = attribute<std::vector<std::string>>(tensor, "labels");
    return spec;
}

std::vector<InstanceSpec> read_instances(py::handle instances) {
    std::vector<InstanceSpec> specs;
    for (py::handle instance : instances) {
        specs.push_back({attribute<std::string>(instance, "name"),
                         attribute<std::string>(instance, "kind"),
                         attribute<int32_t>(instance, "device_id"),
                         attribute<bool>(instance, "passive"),
                         attribute<std::string>(instance, "host_policy")});
    }
    return specs;
}

std::optional<PaddingSpec> read_padding(py::handle padding) {
    if (padding.is_none()) {
        return std::nullopt;
    }
    PaddingSpec spec;
    spec.axis = attribute<size_t>(padding, "axis");
    for (auto& [name, element] :
         attribute<std::vector<std::pair<std::string, std::string>>>(padding, "inputs")) {
        spec.inputs.push_back({std::move(name), std::move(element)});
    }
    spec.outputs = attribute<std::vector<std::string>>(padding, "outputs");
    return spec;
}

}  // namespace

std::vector<TensorSpec> read_tensors(py::handle tensors) {
    std::vector<TensorSpec> specs;
    for (py::handle tensor : tensors) {
        specs.push_back(read_tensor(tensor));
    }
    return specs;
}

ModelConfig read_model_config(py::handle config) {
    ModelConfig model;
    ExecutorConfig& executor = model.executor;
    executor.model_name = attribute<std::string>(config, "name");
    executor.model_version = attribute<int64_t>(config, "version");
    executor.backend = attribute<std::string>(config, "backend");
    executor.model_path = attribute<std::string>(config, "model_path");
    executor.max_batch_size = attribute<int32_t>(config, "max_batch_size");
    executor.inputs = read_tensors(config.attr("inputs"));
    executor.outputs = read_tensors(config.attr("outputs"));
    executor.parameters = attribute<std::map<std::string, std::string>>(config, "parameters");
    executor.graph_optimization_level =
        attribute<std::optional<int32_t>>(config, "graph_level");
    executor.op_libraries = attribute<std::vector<std::string>>(config, "op_libraries");
    executor.worker = attribute<std::string>(config, "worker");
    executor.worker_timeout_s = attribute<int64_t>(config, "worker_timeout_s");
    model.instances = read_instances(config.attr("instances"));
    executor.instance_count = static_cast<size_t>(
        std::count_if(model.instances.begin(), model.instances.end(),
                      [](const InstanceSpec& instance) { return !instance.passive; }));
    model.needs = read_instance_needs(config.attr("instances"));
    model.batcher = read_batcher(config);
    read_sequences(config.attr("sequences"), model);
    model.decoupled = attribute<bool>(config, "decoupled");
    executor.decoupled = model.decoupled;
    model.batch_inputs = read_batch_inputs(config.attr("batch_inputs"));
    model.warmup = read_warmup(config.attr("warmup"));
    model.ensemble = read_ensemble(config.attr("ensemble"));
    model.split_large_requests = attribute<bool>(config, "split_large_requests");
    model.padding = read_padding(config.attr("padding"));
    model.response_cache = attribute<bool>(config, "response_cache");
    model.first_response_bounds_ms =
        attribute<std::vector<double>>(config, "first_response_bounds_ms");
    model.content_digest = attribute<std::string>(config, "content_digest");
    return model;
}

}  // namespace tritonpy
