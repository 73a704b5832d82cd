#include "scheduler/sequence_controls.h"

#include <cstring>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"
#include "tensor/bytes_tensor.h"

namespace tritonpy {
namespace {

using Kind = SequenceControl::Kind;

bool has_flag(const InferenceRequest& request, Kind kind) {
    switch (kind) {
        case Kind::kStart: return (request.flags & InferenceRequest::kSequenceStart) != 0;
        case Kind::kEnd: return (request.flags & InferenceRequest::kSequenceEnd) != 0;
        default: return true;  // ready
    }
}

template <typename T>
void write_number(const Tensor& tensor, T value) {
    std::memcpy(tensor.buffer->data(), &value, sizeof(value));
}

}  // namespace

SequenceControls::SequenceControls(const SequenceConfig& config, BlockPool& pool)
    : config_(config), pool_(pool) {
    for (const SequenceControl& control : config.controls) {
        if (control.kind == Kind::kCorrelationId) {
            flags_.emplace_back();
            const bool is_text = control.data_type == DataType::kBytes;
            no_id_ = correlation_tensor(
                control, is_text ? CorrelationId(std::string()) : CorrelationId(uint64_t{0}));
        } else {
            flags_.push_back({number(control, control.when_false),
                              number(control, control.when_true)});
        }
    }
    for (const SequenceState& state : config.states) {
        initial_states_.push_back(initial_state(state));
    }
}

// ---- tensors

Shape SequenceControls::with_batch_dimension(const Shape& dims) const {
    if (config_.max_batch_size < 1) {
        return dims;
    }
    Shape shape{1};
    for (int64_t dim : dims.dims()) {
        shape.append(dim);
    }
    return shape;
}

// All zeros.
Tensor SequenceControls::allocate(std::string name, DataType type, Shape shape,
                                  size_t bytes) const {
    Result<BufferRef> buffer = pool_.allocate(bytes);
    TRITONPY_CHECK(buffer.ok());  // as little as any other object that is made here
    std::byte* data = buffer.value()->data();
    std::memset(data, 0, bytes);
    return {std::move(name), type, std::move(shape), {data, bytes}, std::move(buffer).value()};
}

Tensor SequenceControls::number(const SequenceControl& control, double value) const {
    Tensor tensor = allocate(control.name, control.data_type, with_batch_dimension({1}),
                             size_of(control.data_type));
    switch (control.data_type) {
        case DataType::kBool: write_number(tensor, static_cast<uint8_t>(value != 0)); break;
        case DataType::kInt32: write_number(tensor, static_cast<int32_t>(value)); break;
        default: write_number(tensor, static_cast<float>(value)); break;
    }
    return tensor;
}

// Narrow integer types get the id's low bits, as in Triton.
Tensor SequenceControls::correlation_tensor(const SequenceControl& control,
                                            const CorrelationId& id) const {
    const Shape shape = with_batch_dimension({1});
    if (const auto* text = std::get_if<std::string>(&id)) {
        std::vector<std::byte> element;
        append_bytes_element(element, *text);
        Tensor tensor = allocate(control.name, control.data_type, shape, element.size());
        std::memcpy(tensor.buffer->data(), element.data(), element.size());
        return tensor;
    }
    const size_t size = size_of(control.data_type);
    Tensor tensor = allocate(control.name, control.data_type, shape, size);
    std::memcpy(tensor.buffer->data(), &std::get<uint64_t>(id), size);  // little-endian
    return tensor;
}

// Zero bytes are as many zeros, or as many empty strings.
Tensor SequenceControls::zeros_like(const Tensor& tensor) const {
    const bool is_text = tensor.data_type == DataType::kBytes;
    const auto elements = static_cast<size_t>(tensor.shape.element_count().value_or(0));
    return allocate(tensor.name, tensor.data_type, tensor.shape,
                    is_text ? elements * kBytesLengthSize : tensor.data.size());
}

Tensor SequenceControls::initial_state(const SequenceState& state) const {
    Tensor tensor{state.input_name, state.data_type, with_batch_dimension(state.initial_dims),
                  {}, {}};
    const auto elements = static_cast<size_t>(tensor.shape.element_count().value_or(0));
    const bool is_text = tensor.data_type == DataType::kBytes;
    const size_t zeros = elements * (is_text ? kBytesLengthSize : size_of(state.data_type));
    tensor = allocate(state.input_name, state.data_type, tensor.shape,
                      state.initial.empty() ? zeros : state.initial.size());
    std::memcpy(tensor.buffer->data(), state.initial.data(), state.initial.size());
    return tensor;
}

// ---- requests

Status SequenceControls::check_id(const CorrelationId& id) const {
    const bool is_text = std::holds_alternative<std::string>(id);
    for (const SequenceControl& control : config_.controls) {
        if (control.kind == Kind::kCorrelationId &&
            is_text != (control.data_type == DataType::kBytes)) {
            return invalid_arg("sequence batching control '" + control.name +
                               "' data-type is '" + (is_text ? "BYTES" : "UINT64") +
                               "', but model '" + config_.model_name + "' expects '" +
                               std::string(wire_name(control.data_type)) + "'");
        }
    }
    return Status();
}

void SequenceControls::prepare(Sequence& sequence, InferenceRequest& request) const {
    if ((request.flags & InferenceRequest::kSequenceStart) != 0) {
        sequence.states.clear();
    }
    std::vector<Tensor>& inputs = request.inputs;
    inputs.reserve(inputs.size() + config_.controls.size() + config_.states.size());
    for (size_t index = 0; index < flags_.size(); ++index) {
        const SequenceControl& control = config_.controls[index];
        if (control.kind != Kind::kCorrelationId) {
            inputs.push_back(has_flag(request, control.kind) ? flags_[index].when_true
                                                             : flags_[index].when_false);
            continue;
        }
        if (!sequence.correlation.buffer) {
            sequence.correlation = correlation_tensor(control, sequence.id);
        }
        inputs.push_back(sequence.correlation);
    }
    const std::vector<Tensor>& states =
        sequence.states.empty() ? initial_states_ : sequence.states;
    inputs.insert(inputs.end(), states.begin(), states.end());
    sequence.prepared = true;
}

void SequenceControls::strip(InferenceRequest& request) const {
    request.inputs.resize(request.inputs.size() - flags_.size() - initial_states_.size());
}

void SequenceControls::keep_states(Sequence& sequence, std::vector<Tensor> states) const {
    if (states.empty()) {
        return;
    }
    sequence.states = std::move(states);
    TRITONPY_CHECK(sequence.states.size() == config_.states.size());
    for (size_t index = 0; index < sequence.states.size(); ++index) {
        sequence.states[index].name = config_.states[index].input_name;
    }
}

std::unique_ptr<InferenceRequest> SequenceControls::make_null(
    const InferenceRequest& prepared) const {
    auto null = std::make_unique<InferenceRequest>();
    null->is_null = true;
    null->model_name = prepared.model_name;
    null->model_version = prepared.model_version;
    null->outputs = prepared.outputs;  // it wants no more than the others
    null->trace = prepared.trace;
    const size_t first_control =
        prepared.inputs.size() - flags_.size() - initial_states_.size();
    for (size_t index = 0; index < prepared.inputs.size(); ++index) {
        if (index < first_control || index >= first_control + flags_.size()) {
            null->inputs.push_back(zeros_like(prepared.inputs[index]));
        } else if (Kind kind = config_.controls[index - first_control].kind;
                   kind == Kind::kCorrelationId) {
            null->inputs.push_back(no_id_);
        } else {
            null->inputs.push_back(flags_[index - first_control].when_false);
        }
    }
    return null;
}

}  // namespace tritonpy
