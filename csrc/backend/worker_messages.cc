#include "backend/worker_messages.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "backend/message_flags.h"
#include "backend/message_header.h"
#include "backend/message_parameters.h"
#include "base/check.h"
#include "base/limits.h"

namespace tritonpy {

namespace {


Status malformed(std::string_view message, std::string_view what) {
    return internal_error("malformed " + std::string(message) + " message of a worker: " +
                          std::string(what));
}

template <typename Tensors>
void copy_tensors(const Tensors& tensors, BlockLayout& layout, std::byte* block) {
    for (const Tensor& tensor : tensors) {
        uint64_t offset = layout.place(tensor.data.size());
        if (!tensor.data.empty()) {
            std::memcpy(block + offset, tensor.data.data(), tensor.data.size());
        }
    }
}

size_t index_of(const std::vector<TensorSpec>& specs, std::string_view name, size_t guess) {
    if (guess < specs.size() && specs[guess].name == name) {
        return guess;
    }
    auto found = std::find_if(specs.begin(), specs.end(),
                              [name](const TensorSpec& spec) { return spec.name == name; });
    TRITONPY_CHECK(found != specs.end());  // the request check knows all names
    return static_cast<size_t>(found - specs.begin());
}

void write_inputs(MessageWriter& out, const InferenceRequest& request,
                  const std::vector<TensorSpec>& specs, BlockLayout& layout) {
    size_t next = 0;
    for (const Tensor& input : request.inputs) {
        next = index_of(specs, input.name, next);
        out.number(static_cast<uint16_t>(next++));
        out.number(static_cast<uint16_t>(input.shape.rank()));
        out.number(layout.place(input.data.size()));
        out.number(static_cast<uint64_t>(input.data.size()));
        out.dims(input.shape.dims());
    }
}

// What few requests have, behind its size: they cost the others nothing.
void write_extras(MessageWriter& out, const InferenceRequest& request) {
    const auto* correlation = std::get_if<std::string>(&request.correlation_id);
    const size_t start = out.size();
    out.number(uint32_t{0});
    if (request.id.empty() && correlation == nullptr && request.parameters.empty()) {
        return;
    }
    out.text(request.id);
    out.text(correlation != nullptr ? std::string_view(*correlation) : std::string_view());
    out.number(static_cast<uint32_t>(request.parameters.size()));
    write_parameters(out, request.parameters);
    out.overwrite(start, static_cast<uint32_t>(out.size() - start - sizeof(uint32_t)));
}

void write_request(MessageWriter& out, const InferenceRequest& request, OpenRequestKey key,
                   const std::vector<TensorSpec>& inputs, const std::vector<TensorSpec>& outputs,
                   BlockLayout& layout) {
    const auto* number = std::get_if<uint64_t>(&request.correlation_id);
    out.number(key.key);
    out.number(number != nullptr ? *number : uint64_t{0});
    out.number(request.timeout_us);
    out.number(request.priority);
    out.number(request.flags);
    out.number(key.cancel_index);
    out.number(static_cast<uint16_t>(request.inputs.size()));
    out.number(request.outputs.empty() ? kAllOutputs
                                       : static_cast<uint16_t>(request.outputs.size()));
    out.number(number != nullptr ? uint32_t{0} : kCorrelationIsText);
    write_extras(out, request);
    write_inputs(out, request, inputs, layout);
    for (const RequestedOutput& output : request.outputs) {
        out.number(static_cast<uint16_t>(index_of(outputs, output.name, 0)));
    }
}

// ---- reading

Shape read_shape(MessageReader& in, size_t rank) {
    Shape shape;
    for (size_t index = 0; index < rank && in.ok(); ++index) {
        shape.append(in.number<int64_t>());
    }
    return shape;
}

// The data type and the rank of a tensor.
bool read_type(MessageReader& in, WorkerTensor& tensor, size_t& rank) {
    auto type = in.number<uint8_t>();
    rank = in.number<uint8_t>();
    tensor.data_type = static_cast<DataType>(type);
    return in.ok() && type != 0 && type <= static_cast<uint8_t>(DataType::kBf16) &&
           rank <= limits::kMaxRank;
}

void read_place(MessageReader& in, size_t rank, WorkerTensor& tensor) {
    tensor.is_named_back = (in.number<uint32_t>() & kNamedBack) != 0;
    tensor.offset = in.number<uint64_t>();
    tensor.size = in.number<uint64_t>();
    tensor.shape = read_shape(in, rank);
}

// The error that a code and a text say.
Status read_error(uint8_t code, std::string_view text) {
    StatusCode known = code <= static_cast<uint8_t>(StatusCode::kCancelled)
                           ? static_cast<StatusCode>(code)
                           : StatusCode::kInternal;
    return Status(known, std::string(text));
}

Status read_parameters_of(MessageReader& in, std::string_view message, size_t count,
                          std::vector<Parameter>& out) {
    Result<std::vector<Parameter>> parameters = read_parameters(in, count);
    if (!parameters.ok()) {
        return malformed(message, parameters.status().message());
    }
    out = std::move(parameters).value();
    return Status();
}

Result<WorkerTensor> read_output(MessageReader& in, std::string_view message,
                                 const std::vector<TensorSpec>& specs, uint64_t base) {
    auto index = in.number<uint16_t>();
    WorkerTensor tensor;
    if (!in.ok() || index >= specs.size()) {
        return malformed(message, "the model has no output " + std::to_string(index));
    }
    tensor.name = specs[index].name;
    size_t rank = 0;
    if (!read_type(in, tensor, rank)) {
        return malformed(message, "output '" + tensor.name + "' has no data type, or a wrong rank");
    }
    read_place(in, rank, tensor);
    // Where that leads to is checked where it is looked up.
    tensor.offset += tensor.is_named_back ? 0 : base;
    return tensor;
}

Result<WorkerResponse> read_response(MessageReader& in, std::string_view message,
                                     const std::vector<TensorSpec>& specs) {
    WorkerResponse response;
    bool has_error = in.number<uint8_t>() != 0;
    auto code = in.number<uint8_t>();
    size_t count = in.number<uint16_t>();
    size_t parameter_count = in.number<uint32_t>();
    response.block = in.number<uint64_t>();
    auto base = in.number<uint64_t>();
    if (has_error) {
        response.error = read_error(code, in.text());
    }
    TRITONPY_RETURN_IF_ERROR(
        read_parameters_of(in, message, parameter_count, response.parameters));
    if (count > limits::kMaxTensorsPerRequest) {
        return malformed(message, std::to_string(count) + " outputs");
    }
    for (size_t index = 0; index < count; ++index) {
        TRITONPY_ASSIGN_OR_RETURN(WorkerTensor tensor, read_output(in, message, specs, base));
        response.outputs.push_back(std::move(tensor));
    }
    return response;
}

Result<WorkerTensor> read_input(MessageReader& in) {
    WorkerTensor tensor;
    tensor.name = in.text();
    size_t rank = 0;
    if (!read_type(in, tensor, rank)) {
        return malformed("INFER", "input '" + tensor.name + "' has no data type, or a wrong rank");
    }
    in.skip(2);
    read_place(in, rank, tensor);
    return tensor;
}

Result<WorkerAnswer> read_answer(MessageReader& in, std::string_view message,
                                 const std::vector<TensorSpec>& specs) {
    WorkerAnswer answer;
    auto kind = in.number<uint8_t>();
    in.skip(3);
    if (!in.ok() || kind > static_cast<uint8_t>(WorkerAnswer::Kind::kRescheduled)) {
        return malformed(message, "an answer of kind " + std::to_string(kind));
    }
    answer.kind = static_cast<WorkerAnswer::Kind>(kind);
    if (answer.kind == WorkerAnswer::Kind::kFinal) {
        TRITONPY_ASSIGN_OR_RETURN(answer.response, read_response(in, message, specs));
    }
    return answer;
}

}  // namespace

uint64_t inputs_size(std::span<const std::unique_ptr<InferenceRequest>> requests) {
    BlockLayout layout;
    for (const auto& request : requests) {
        for (const Tensor& input : request->inputs) {
            layout.place(input.data.size());
        }
    }
    return layout.size();
}

void copy_inputs(std::span<const std::unique_ptr<InferenceRequest>> requests, std::byte* block) {
    BlockLayout layout;
    for (const auto& request : requests) {
        copy_tensors(request->inputs, layout, block);
    }
}

void encode_execute(std::span<const std::unique_ptr<InferenceRequest>> requests,
                    std::span<const OpenRequestKey> keys, const std::vector<TensorSpec>& inputs,
                    const std::vector<TensorSpec>& outputs, BlockPlace block, Bytes& out) {
    TRITONPY_CHECK(keys.size() == requests.size());
    out.clear();
    Envelope message(out, WorkerMessageKind::kExecute);
    message.writer.number(block.offset);
    message.writer.number(block.arena_size);
    message.writer.number(static_cast<uint32_t>(requests.size()));
    BlockLayout layout;
    for (size_t index = 0; index < requests.size(); ++index) {
        write_request(message.writer, *requests[index], keys[index], inputs, outputs, layout);
    }
    message.finish();
}

uint64_t outputs_size(const InferenceResponse& response) {
    BlockLayout layout;
    for (const Tensor& output : response.outputs) {
        layout.place(output.data.size());
    }
    return layout.size();
}

void copy_outputs(const InferenceResponse& response, std::byte* block) {
    BlockLayout layout;
    copy_tensors(response.outputs, layout, block);
}

void encode_answer(AnswerKey key, const InferenceResponse& response, BlockPlace block,
                   Bytes& out) {
    const bool has_error = !response.status.ok();
    Envelope message(out, WorkerMessageKind::kAnswer);
    MessageWriter& writer = message.writer;
    writer.number(key.call);
    writer.number(key.charge);
    writer.number(response.final ? kFinalFlag : uint32_t{0});
    writer.number(static_cast<uint8_t>(has_error));
    writer.number(has_error ? static_cast<uint8_t>(response.status.code()) : uint8_t{0});
    writer.number(static_cast<uint16_t>(response.outputs.size()));
    writer.number(block.offset);
    writer.number(block.arena_size);
    writer.number(static_cast<uint32_t>(response.parameters.list().size()));
    writer.text(response.status.message());
    write_parameters(writer, response.parameters.list());
    BlockLayout layout;
    for (const Tensor& output : response.outputs) {
        writer.text(output.name);
        writer.number(static_cast<uint8_t>(output.data_type));
        writer.number(static_cast<uint8_t>(output.shape.rank()));
        writer.number(uint16_t{0});
        writer.number(uint32_t{0});
        writer.number(layout.place(output.data.size()));
        writer.number(static_cast<uint64_t>(output.data.size()));
        writer.dims(output.shape.dims());
    }
    message.finish();
}

Result<ExecutedMessage> decode_executed(std::span<const std::byte> body,
                                        const std::vector<TensorSpec>& outputs) {
    MessageReader in(body);
    ExecutedMessage message;
    auto outcome = in.number<uint8_t>();
    auto code = in.number<uint8_t>();
    in.skip(2);
    size_t count = in.number<uint32_t>();
    message.arena_size = in.number<uint64_t>();
    if (outcome != 0) {
        message.failure = read_error(code, in.text());
    } else {
        if (count > limits::kMaxOpenRequests) {
            return malformed("EXECUTED", std::to_string(count) + " answers");
        }
        for (size_t index = 0; index < count && in.ok(); ++index) {
            TRITONPY_ASSIGN_OR_RETURN(WorkerAnswer answer, read_answer(in, "EXECUTED", outputs));
            message.answers.push_back(std::move(answer));
        }
    }
    if (!in.at_good_end()) {
        return malformed("EXECUTED", "its length is wrong");
    }
    return message;
}

Result<ResponseMessage> decode_response(std::span<const std::byte> body,
                                        const std::vector<TensorSpec>& outputs) {
    MessageReader in(body);
    ResponseMessage message;
    message.key = in.number<uint64_t>();
    message.arena_size = in.number<uint64_t>();
    message.final = (in.number<uint32_t>() & kFinalFlag) != 0;
    TRITONPY_ASSIGN_OR_RETURN(WorkerAnswer answer, read_answer(in, "RESPONSE", outputs));
    if (answer.kind == WorkerAnswer::Kind::kFinal) {
        message.response = std::move(answer.response);
    }
    message.reschedules = answer.kind == WorkerAnswer::Kind::kRescheduled;
    if (!in.at_good_end()) {
        return malformed("RESPONSE", "its length is wrong");
    }
    return message;
}

Result<InferMessage> decode_infer(std::span<const std::byte> body) {
    MessageReader in(body);
    InferMessage message;
    message.request = std::make_unique<InferenceRequest>();
    InferenceRequest& request = *message.request;
    message.call = in.number<uint64_t>();
    auto correlation_number = in.number<uint64_t>();
    request.timeout_us = in.number<uint64_t>();
    request.priority = in.number<uint64_t>();
    request.flags = in.number<uint32_t>();
    auto call_flags = in.number<uint32_t>();
    message.decoupled_allowed = (call_flags & kDecoupledAllowed) != 0;
    request.model_version = in.number<int64_t>();
    auto correlation_kind = in.number<uint8_t>();
    in.skip(3);
    message.arena_size = in.number<uint64_t>();
    request.model_name = in.text();
    request.id = in.text();
    std::string_view correlation_text = in.text();
    if (correlation_kind == kCorrelationIsText) {
        request.correlation_id = std::string(correlation_text);
    } else {
        request.correlation_id = correlation_number;
    }
    if ((call_flags & kVersionIsLabel) != 0) {
        message.version_label = in.text();
        if (request.model_version != -1) {
            return malformed("INFER", "it names a version twice");
        }
    }
    size_t input_count = in.number<uint16_t>();
    size_t output_count = in.number<uint16_t>();
    output_count = output_count == kAllOutputs ? 0 : output_count;
    size_t parameter_count = in.number<uint32_t>();
    message.block = in.number<uint64_t>();
    if (input_count > limits::kMaxTensorsPerRequest ||
        output_count > limits::kMaxTensorsPerRequest) {
        return malformed("INFER", "too many tensors");
    }
    TRITONPY_RETURN_IF_ERROR(
        read_parameters_of(in, "INFER", parameter_count, request.parameters));
    for (size_t index = 0; index < input_count; ++index) {
        TRITONPY_ASSIGN_OR_RETURN(WorkerTensor tensor, read_input(in));
        message.inputs.push_back(std::move(tensor));
    }
    for (size_t index = 0; index < output_count && in.ok(); ++index) {
        request.outputs.emplace_back().name = in.text();
    }
    if (!in.at_good_end()) {
        return malformed("INFER", "its length is wrong");
    }
    return message;
}

Result<uint64_t> decode_cancel(std::span<const std::byte> body) {
    MessageReader in(body);
    auto call = in.number<uint64_t>();
    if (!in.at_good_end()) {
        return malformed("CANCEL", "its length is wrong");
    }
    return call;
}

Result<ReadMessage> decode_read(std::span<const std::byte> body) {
    MessageReader in(body);
    ReadMessage message;
    message.call = in.number<uint64_t>();
    message.charge = in.number<uint64_t>();
    if (!in.at_good_end()) {
        return malformed("READ", "its length is wrong");
    }
    return message;
}

}  // namespace tritonpy
