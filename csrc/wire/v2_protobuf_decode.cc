#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "tensor/input_shape.h"
#include "wire/model_version.h"
#include "wire/name_set.h"
#include "wire/protobuf_reader.h"
#include "wire/shared_memory_lookup.h"
#include "wire/v2_protobuf.h"
#include "wire/v2_protobuf_contents.h"
#include "wire/v2_protobuf_parameters.h"

namespace tritonpy {

namespace {

using Bytes = std::span<const std::byte>;

// Fields of ModelInferRequest.
constexpr uint32_t kModelName = protobuf_tag(1, WireType::kLength);
constexpr uint32_t kModelVersion = protobuf_tag(2, WireType::kLength);
constexpr uint32_t kId = protobuf_tag(3, WireType::kLength);
constexpr uint32_t kParameters = protobuf_tag(4, WireType::kLength);
constexpr uint32_t kInputs = protobuf_tag(5, WireType::kLength);
constexpr uint32_t kOutputs = protobuf_tag(6, WireType::kLength);
constexpr uint32_t kRawInputContents = protobuf_tag(7, WireType::kLength);

// Fields of InferInputTensor and InferRequestedOutputTensor.
constexpr uint32_t kTensorName = protobuf_tag(1, WireType::kLength);
constexpr uint32_t kTensorDataType = protobuf_tag(2, WireType::kLength);
constexpr uint32_t kTensorDim = protobuf_tag(3, WireType::kVarint);
constexpr uint32_t kTensorDims = protobuf_tag(3, WireType::kLength);
constexpr uint32_t kTensorParameters = protobuf_tag(4, WireType::kLength);
constexpr uint32_t kTensorContents = protobuf_tag(5, WireType::kLength);
constexpr uint32_t kOutputParameters = protobuf_tag(2, WireType::kLength);

constexpr std::string_view kRegion = "shared_memory_region";
constexpr std::string_view kRegionSize = "shared_memory_byte_size";
constexpr std::string_view kRegionOffset = "shared_memory_offset";

// The message taken apart; its sub-messages are looked at when all of it has been seen.
struct RequestFields {
    std::string_view model_name;
    std::string_view model_version;
    std::string_view id;
    std::vector<Bytes> parameters;
    std::vector<Bytes> inputs;
    std::vector<Bytes> outputs;
    std::vector<Bytes> raw_input_contents;
};

// Where shared memory is asked for, on an input or an output.
struct SharedMemoryFields {
    std::optional<std::string> region;
    bool has_byte_size = false;
};

Status push_limited(std::vector<Bytes>& list, Bytes bytes, size_t limit, const char* what) {
    if (list.size() == limit) {
        return invalid_arg("request has more than " + std::to_string(limit) + " " + what);
    }
    list.push_back(bytes);
    return Status();
}

Status read_request(Bytes message, RequestFields& fields) {
    ProtobufReader reader(message);
    Status status;
    while (status.ok() && reader.next()) {
        switch (reader.tag()) {
            case kModelName:
                fields.model_name = reader.string();
                break;
            case kModelVersion:
                fields.model_version = reader.string();
                break;
            case kId:
                fields.id = reader.string();
                break;
            case kParameters:
                status = push_limited(fields.parameters, reader.bytes(), limits::kMaxParameters,
                                      "parameters");
                break;
            case kInputs:
                status = push_limited(fields.inputs, reader.bytes(),
                                      limits::kMaxTensorsPerRequest, "inputs");
                break;
            case kOutputs:
                status = push_limited(fields.outputs, reader.bytes(),
                                      limits::kMaxTensorsPerRequest, "requested outputs");
                break;
            case kRawInputContents:
                status = push_limited(fields.raw_input_contents, reader.bytes(),
                                      limits::kMaxTensorsPerRequest, "raw inputs");
                break;
            default:
                reader.skip();
        }
    }
    if (status.ok() && reader.failure() != nullptr) {
        return malformed_request(reader.failure());
    }
    return status;
}

// Takes a shared-memory parameter; false when the entry is something else.
Result<bool> take_shared_memory(const ParameterEntry& entry, const std::string& tensor_name,
                                SharedMemoryFields& fields) {
    bool is_region = entry.name == kRegion;
    if (!is_region && entry.name != kRegionSize && entry.name != kRegionOffset) {
        return false;
    }
    const ParameterValue* value = entry.value ? &*entry.value : nullptr;
    bool right_type = is_region ? std::get_if<std::string>(value) != nullptr
                                : std::get_if<int64_t>(value) != nullptr;
    if (!right_type) {
        return invalid_arg("invalid value type for '" + std::string(entry.name) +
                           "' parameter for tensor '" + tensor_name + "', expected " +
                           (is_region ? "string_param." : "int64_param."));
    }
    if (is_region) {
        fields.region = std::get<std::string>(*value);
    }
    fields.has_byte_size = fields.has_byte_size || entry.name == kRegionSize;
    return true;
}

Status check_shared_memory(const SharedMemoryFields& fields, const std::string& tensor_name) {
    auto missing = [&](std::string_view absent, std::string_view present) {
        return invalid_arg("'" + std::string(absent) + "' must be specified along with '" +
                           std::string(present) + "' parameter for tensor '" + tensor_name + "'");
    };
    if (fields.region && !fields.has_byte_size) {
        return missing(kRegionSize, kRegion);
    }
    if (!fields.region && fields.has_byte_size) {
        return missing(kRegion, kRegionSize);
    }
    return Status();
}

class RequestDecoder {
  public:
    RequestDecoder(const BufferRef& message, BlockPool& pool) : message_(message), pool_(pool) {}

    Result<DecodedGrpcInfer> decode();

  private:
    // One input taken apart.
    struct InputFields {
        Tensor tensor;
        SharedMemoryFields shared_memory;
        std::vector<Bytes> contents;  // occurrences, which add up
    };

    Status decode_parameters();
    Status decode_inputs();
    Status decode_outputs();
    Status read_input(Bytes bytes, InputFields& input);
    Status read_dims(Bytes packed, InputFields& input);
    Status append_dim(uint64_t dim, InputFields& input);
    Status fill_input(InputFields& input);
    Status read_output(Bytes bytes, RequestedOutput& output);
    Status apply_output_parameters(const std::vector<Bytes>& parameters, RequestedOutput& output);

    const BufferRef& message_;
    BlockPool& pool_;
    RequestFields fields_;
    DecodedGrpcInfer decoded_;
    size_t raw_used_ = 0;
};

Result<DecodedGrpcInfer> RequestDecoder::decode() {
    Bytes bytes;
    if (message_) {
        bytes = {message_->data(), message_->size()};
    }
    if (bytes.size() > limits::kMaxGrpcMessage) {
        return invalid_arg("request of " + std::to_string(bytes.size()) +
                           " bytes exceeds the maximum gRPC message size of " +
                           std::to_string(limits::kMaxGrpcMessage) + " bytes");
    }
    TRITONPY_RETURN_IF_ERROR(read_request(bytes, fields_));
    decoded_.request = std::make_unique<InferenceRequest>();
    InferenceRequest& request = *decoded_.request;
    request.model_name = fields_.model_name;
    request.id = fields_.id;
    if (is_version_label(fields_.model_version)) {
        decoded_.version_label = fields_.model_version;
    } else {
        TRITONPY_ASSIGN_OR_RETURN(request.model_version,
                                  parse_model_version(fields_.model_version));
    }
    TRITONPY_RETURN_IF_ERROR(decode_parameters());
    TRITONPY_RETURN_IF_ERROR(decode_inputs());
    TRITONPY_RETURN_IF_ERROR(decode_outputs());
    return std::move(decoded_);
}

Status RequestDecoder::decode_parameters() {
    for (Bytes bytes : fields_.parameters) {
        ParameterEntry entry;
        TRITONPY_RETURN_IF_ERROR(read_parameter(bytes, entry));
        TRITONPY_RETURN_IF_ERROR(apply_request_parameter(entry, *decoded_.request,
                                                         decoded_.enable_empty_final_response));
    }
    return Status();
}

Status RequestDecoder::decode_inputs() {
    std::vector<Tensor>& inputs = decoded_.request->inputs;
    inputs.reserve(fields_.inputs.size());  // names stay where they are: `names` borrows them
    NameSet names;
    for (Bytes bytes : fields_.inputs) {
        InputFields input;
        TRITONPY_RETURN_IF_ERROR(read_input(bytes, input));
        TRITONPY_RETURN_IF_ERROR(fill_input(input));
        inputs.push_back(std::move(input.tensor));
        if (!names.insert(inputs.back().name)) {
            return invalid_arg("input '" + inputs.back().name + "' already exists in request");
        }
    }
    if (raw_used_ != fields_.raw_input_contents.size()) {
        return invalid_arg("unexpected additional input data for model '" +
                           decoded_.request->model_name + "'");
    }
    return Status();
}

Status RequestDecoder::append_dim(uint64_t dim, InputFields& input) {
    input.tensor.shape.append(static_cast<int64_t>(dim));
    // At once, so that a long list of dimensions costs no memory.
    return input.tensor.shape.rank() > limits::kMaxRank
               ? check_input_shape(input.tensor.name, DataType::kInvalid,
                                   input.tensor.shape.dims())
               : Status();
}

Status RequestDecoder::read_dims(Bytes packed, InputFields& input) {
    ProtobufReader reader(packed);
    while (!reader.at_end()) {
        TRITONPY_RETURN_IF_ERROR(append_dim(reader.varint(), input));
    }
    return reader.failure() != nullptr ? malformed_request(reader.failure()) : Status();
}

Status RequestDecoder::read_input(Bytes bytes, InputFields& input) {
    ProtobufReader reader(bytes);
    Tensor& tensor = input.tensor;
    std::string_view data_type;
    std::vector<Bytes> parameters;
    Status status;
    while (status.ok() && reader.next()) {
        switch (reader.tag()) {
            case kTensorName:
                tensor.name = reader.string();
                break;
            case kTensorDataType:
                data_type = reader.string();
                break;
            case kTensorDim:
                status = append_dim(reader.varint(), input);
                break;
            case kTensorDims:
                status = read_dims(reader.bytes(), input);
                break;
            case kTensorParameters:
                status = push_limited(parameters, reader.bytes(), limits::kMaxParameters,
                                      "parameters on an input");
                break;
            case kTensorContents:
                status = push_limited(input.contents, reader.bytes(),
                                      limits::kMaxTensorsPerRequest, "contents of an input");
                break;
            default:
                reader.skip();
        }
    }
    TRITONPY_RETURN_IF_ERROR(std::move(status));
    if (reader.failure() != nullptr) {
        return malformed_request(reader.failure());
    }
    tensor.data_type = data_type_of(data_type).value_or(DataType::kInvalid);
    for (Bytes parameter : parameters) {  // others than shared memory mean nothing on an input
        ParameterEntry entry;
        TRITONPY_RETURN_IF_ERROR(read_parameter(parameter, entry));
        TRITONPY_RETURN_IF_ERROR(
            take_shared_memory(entry, tensor.name, input.shared_memory).status());
    }
    TRITONPY_RETURN_IF_ERROR(check_shared_memory(input.shared_memory, tensor.name));
    return check_input_shape(tensor.name, tensor.data_type, tensor.shape.dims());
}

// Finds the bytes of one input: shared memory, the next raw entry, or its typed contents.
Status RequestDecoder::fill_input(InputFields& input) {
    Tensor& tensor = input.tensor;
    const std::string& model_name = decoded_.request->model_name;
    bool has_contents = !input.contents.empty();
    if (input.shared_memory.region) {
        if (has_contents) {
            return invalid_arg("unexpected 'content' provided when using shared memory for input "
                               "tensor '" + tensor.name + "' for model '" + model_name + "'");
        }
        return unknown_shared_memory(*input.shared_memory.region);
    }
    const std::vector<Bytes>& raw = fields_.raw_input_contents;
    if (has_contents && !raw.empty()) {
        return invalid_arg("contents field must not be specified when using raw_input_contents "
                           "for '" + tensor.name + "' for model '" + model_name + "'");
    }
    if (has_contents) {
        return decode_contents(input.contents, message_, model_name, pool_, tensor);
    }
    if (raw_used_ == raw.size()) {
        return invalid_arg("unable to find data for input tensor '" + tensor.name +
                           "' for model '" + model_name + "' in request.");
    }
    tensor.data = raw[raw_used_++];
    if (!tensor.data.empty()) {
        tensor.buffer = message_;
    }
    return Status();
}

Status RequestDecoder::decode_outputs() {
    std::vector<RequestedOutput>& outputs = decoded_.request->outputs;
    outputs.reserve(fields_.outputs.size());  // names stay where they are: `names` borrows them
    NameSet names;
    for (Bytes bytes : fields_.outputs) {
        RequestedOutput& output = outputs.emplace_back();
        TRITONPY_RETURN_IF_ERROR(read_output(bytes, output));
        if (!names.insert(output.name)) {
            return invalid_arg("output '" + output.name + "' already exists in request");
        }
    }
    return Status();
}

Status RequestDecoder::read_output(Bytes bytes, RequestedOutput& output) {
    ProtobufReader reader(bytes);
    std::vector<Bytes> parameters;
    Status status;
    while (status.ok() && reader.next()) {
        switch (reader.tag()) {
            case kTensorName:
                output.name = reader.string();
                break;
            case kOutputParameters:
                status = push_limited(parameters, reader.bytes(), limits::kMaxParameters,
                                      "parameters on an output");
                break;
            default:
                reader.skip();
        }
    }
    TRITONPY_RETURN_IF_ERROR(std::move(status));
    if (reader.failure() != nullptr) {
        return malformed_request(reader.failure());
    }
    return apply_output_parameters(parameters, output);
}

Status RequestDecoder::apply_output_parameters(const std::vector<Bytes>& parameters,
                                               RequestedOutput& output) {
    SharedMemoryFields shared_memory;
    for (Bytes bytes : parameters) {
        ParameterEntry entry;
        TRITONPY_RETURN_IF_ERROR(read_parameter(bytes, entry));
        if (entry.name == "classification") {
            const int64_t* count = entry.value ? std::get_if<int64_t>(&*entry.value) : nullptr;
            if (count == nullptr) {
                return invalid_arg("invalid value type for 'classification' parameter, expected "
                                   "int64_param");
            }
            if (*count < 0) {
                return invalid_arg("invalid value for 'classification' parameter, expected >= 0");
            }
            output.classification_count =
                static_cast<uint32_t>(std::min<int64_t>(*count, UINT32_MAX));
            continue;
        }
        TRITONPY_ASSIGN_OR_RETURN(bool taken,
                                  take_shared_memory(entry, output.name, shared_memory));
        if (!taken) {  // means nothing on an output, but must be a parameter
            TRITONPY_RETURN_IF_ERROR(check_custom_parameter(entry));
        }
    }
    TRITONPY_RETURN_IF_ERROR(check_shared_memory(shared_memory, output.name));
    if (!shared_memory.region) {
        return Status();
    }
    if (output.classification_count > 0) {
        return invalid_arg("Output can't set both 'shared_memory_region' and 'classification'");
    }
    return unknown_shared_memory(*shared_memory.region);
}

}  // namespace

Result<DecodedGrpcInfer> decode_infer_protobuf(const BufferRef& message, BlockPool& pool) {
    return RequestDecoder(message, pool).decode();
}

std::string infer_protobuf_id(const BufferRef& message) {
    ProtobufReader reader({message->data(), message->size()});
    std::string_view id;
    while (reader.next()) {
        if (reader.tag() == kId) {
            id = reader.string();
        } else {
            reader.skip();
        }
    }
    return reader.failure() == nullptr ? std::string(id) : std::string();
}

}  // namespace tritonpy
