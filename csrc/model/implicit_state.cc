#include "model/implicit_state.h"

#include <algorithm>
#include <utility>

#include "tensor/reshape.h"

namespace tritonpy {
namespace {

Status fault(const std::string& model_name, const SequenceState& state, const std::string& what) {
    return internal_error("unexpected state '" + state.output_name + "' of model '" + model_name +
                          "': " + what);
}

Status keep_state(const std::string& model_name, const SequenceState& state, bool batching,
                  Batch& batch) {
    auto output = std::find_if(batch.outputs.begin(), batch.outputs.end(),
                               [&](const Tensor& one) { return one.name == state.output_name; });
    if (output == batch.outputs.end()) {
        return fault(model_name, state, "the model did not produce it");
    }
    if (output->data_type != state.data_type) {
        return fault(model_name, state,
                     "expected datatype " + std::string(wire_name(state.data_type)) +
                         ", but got " + std::string(wire_name(output->data_type)));
    }
    if (!fits(output->shape, batching ? 1 : 0, state.dims)) {
        return fault(model_name, state,
                     "expected shape " + state.dims.to_string() +
                         (batching ? " after the batch dimension" : "") + ", but got " +
                         output->shape.to_string());
    }
    std::vector<Tensor> parts;
    parts.reserve(batch.requests.size());
    TRITONPY_RETURN_IF_ERROR(scatter_one(batch, batching, *output, parts));
    for (size_t index = 0; index < parts.size(); ++index) {
        batch.requests[index]->next_states.push_back(std::move(parts[index]));
    }
    return Status();
}

}  // namespace

Status keep_states(const std::string& model_name, const std::vector<SequenceState>& states,
                   bool batching, Batch& batch) {
    for (const SequenceState& state : states) {
        TRITONPY_RETURN_IF_ERROR(keep_state(model_name, state, batching, batch));
    }
    return Status();
}

}  // namespace tritonpy
