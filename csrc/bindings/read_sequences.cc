#include "bindings/read_sequences.h"

#include <string>
#include <utility>
#include <vector>

#include "bindings/python_attribute.h"

namespace py = pybind11;

namespace tritonpy {

namespace {

SequenceControl::Kind kind_of(const std::string& name) {
    using Kind = SequenceControl::Kind;
    return name == "CONTROL_SEQUENCE_START"   ? Kind::kStart
           : name == "CONTROL_SEQUENCE_READY" ? Kind::kReady
           : name == "CONTROL_SEQUENCE_END"   ? Kind::kEnd
                                              : Kind::kCorrelationId;
}

SequenceControl read_control(py::handle control) {
    auto name = attribute<std::string>(control, "name");
    const DataType data_type = data_type_attribute(control, name);
    return {kind_of(attribute<std::string>(control, "kind")), std::move(name), data_type,
            attribute<double>(control, "when_false"), attribute<double>(control, "when_true")};
}

SequenceState read_state(py::handle state) {
    auto input_name = attribute<std::string>(state, "input_name");
    const DataType data_type = data_type_attribute(state, input_name);
    return {std::move(input_name),
            attribute<std::string>(state, "output_name"),
            data_type,
            shape_attribute(state, "dims"),
            shape_attribute(state, "initial_dims"),
            std::string(attribute<py::bytes>(state, "initial"))};
}

TensorSpec input_of(const std::string& name, DataType type, const Shape& dims) {
    TensorSpec spec;
    spec.name = name;
    spec.data_type = type;
    spec.dims = dims;
    return spec;
}

}  // namespace

void read_sequences(py::handle sequences, ModelConfig& model) {
    if (sequences.is_none()) {
        return;
    }
    SequenceConfig config;
    config.strategy = attribute<bool>(sequences, "oldest") ? SequenceConfig::Strategy::kOldest
                                                           : SequenceConfig::Strategy::kDirect;
    config.max_idle_us = attribute<int64_t>(sequences, "max_idle_us");
    config.max_queue_delay_us = attribute<int64_t>(sequences, "max_queue_delay_us");
    config.min_slot_utilization = attribute<double>(sequences, "min_slot_utilization");
    config.max_candidate_sequences = attribute<size_t>(sequences, "max_candidate_sequences");
    config.preferred_batch_sizes =
        attribute<std::vector<int64_t>>(sequences, "preferred_batch_sizes");
    config.preserve_ordering = attribute<bool>(sequences, "preserve_ordering");
    config.iterative = attribute<bool>(sequences, "iterative");
    config.delay_until_backlogged = attribute<size_t>(sequences, "delay_until_backlogged");
    ExecutorConfig& executor = model.executor;
    for (py::handle entry : sequences.attr("controls")) {
        const SequenceControl& control =
            config.controls.emplace_back(read_control(entry));
        executor.sequence_inputs.push_back(input_of(control.name, control.data_type, {1}));
    }
    for (py::handle entry : sequences.attr("states")) {
        const SequenceState& state = config.states.emplace_back(read_state(entry));
        executor.sequence_inputs.push_back(
            input_of(state.input_name, state.data_type, state.dims));
        executor.state_outputs.push_back(state.output_name);
    }
    model.sequences = std::move(config);
}

}  // namespace tritonpy
