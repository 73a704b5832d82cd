#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <utility>

#include "base/limits.h"
#include "wire/name_set.h"
#include "wire/shared_memory_lookup.h"
#include "wire/v2_json.h"
#include "wire/v2_json_inputs.h"

namespace tritonpy {

namespace {

Status check_count(size_t count, size_t limit, std::string_view what) {
    if (count > limit) {
        return invalid_arg("request has " + std::to_string(count) + " " + std::string(what) +
                           ", at most " + std::to_string(limit) + " are allowed");
    }
    return Status();
}

Result<Parameter> custom_parameter(std::string_view name, JsonValue value) {
    std::optional<ParameterValue> converted;
    switch (value.kind()) {
        case JsonKind::kBool:
            converted = value.as_bool().value();
            break;
        case JsonKind::kInt:
            converted = value.as_int().value();
            break;
        case JsonKind::kUint:
            converted = value.as_uint().value();
            if (Result<int64_t> number = value.as_int(); number.ok()) {
                converted = number.value();  // as over gRPC: unsigned only where it must be
            }
            break;
        case JsonKind::kDouble:
            converted = value.as_double();
            break;
        case JsonKind::kString:
            converted = std::string(value.as_string().value());
            break;
        case JsonKind::kNull:
        case JsonKind::kArray:
        case JsonKind::kObject:
        case JsonKind::kElements:
            break;
    }
    if (converted) {
        return Parameter{std::string(name), *std::move(converted)};
    }
    return invalid_arg("parameter '" + std::string(name) +
                       "' has invalid type. It should be either 'int', 'bool', or 'string'.");
}

Status decode_sequence_id(JsonValue parameters, InferenceRequest& request) {
    if (Result<uint64_t> id = parameters.uint_member("sequence_id"); id.ok()) {
        request.correlation_id = id.value();
        return Status();
    }
    TRITONPY_ASSIGN_OR_RETURN(std::string_view id, parameters.string_member("sequence_id"));
    request.correlation_id = std::string(id);
    return Status();
}

Status decode_flag(JsonValue parameters, std::string_view name, uint32_t flag,
                   InferenceRequest& request) {
    TRITONPY_ASSIGN_OR_RETURN(bool set, parameters.bool_member(name));
    request.flags = set ? request.flags | flag : request.flags & ~flag;
    return Status();
}

Status decode_parameter(JsonValue parameters, std::string_view name, JsonValue value,
                        InferenceRequest& request) {
    if (name == "sequence_id") {
        return decode_sequence_id(parameters, request);
    }
    if (name == "sequence_start") {
        return decode_flag(parameters, name, InferenceRequest::kSequenceStart, request);
    }
    if (name == "sequence_end") {
        return decode_flag(parameters, name, InferenceRequest::kSequenceEnd, request);
    }
    if (name == "priority") {
        TRITONPY_ASSIGN_OR_RETURN(request.priority, parameters.uint_member(name));
        return Status();
    }
    if (name == "timeout") {
        TRITONPY_ASSIGN_OR_RETURN(request.timeout_us, parameters.uint_member(name));
        return Status();
    }
    if (name == "binary_data_output") {
        TRITONPY_ASSIGN_OR_RETURN(request.binary_data_output, parameters.bool_member(name));
        return Status();
    }
    if (name == "headers" || name.starts_with("triton_")) {
        return invalid_arg(
            "parameter keys starting with 'triton_' are reserved for Triton usage and should not "
            "be specified.");
    }
    TRITONPY_ASSIGN_OR_RETURN(Parameter parameter, custom_parameter(name, value));
    request.parameters.push_back(std::move(parameter));
    return Status();
}

Status decode_parameters(JsonValue root, InferenceRequest& request) {
    TRITONPY_ASSIGN_OR_RETURN(JsonValue parameters, root.object_member("parameters"));
    TRITONPY_RETURN_IF_ERROR(
        check_count(parameters.size(), limits::kMaxParameters, "parameters"));
    for (JsonCursor cursor(parameters); !cursor.done(); cursor.advance()) {
        TRITONPY_RETURN_IF_ERROR(
            decode_parameter(parameters, cursor.key(), cursor.value(), request));
    }
    return Status();
}

Status decode_output_parameters(JsonValue output, RequestedOutput& requested) {
    TRITONPY_ASSIGN_OR_RETURN(JsonValue parameters, output.object_member("parameters"));
    TRITONPY_RETURN_IF_ERROR(
        check_count(parameters.size(), limits::kMaxParameters, "parameters on an output"));
    std::optional<std::string_view> region;
    for (JsonCursor cursor(parameters); !cursor.done(); cursor.advance()) {
        std::string_view name = cursor.key();
        if (name == "classification") {
            TRITONPY_ASSIGN_OR_RETURN(uint64_t count, parameters.uint_member(name));
            requested.classification_count =
                static_cast<uint32_t>(std::min<uint64_t>(count, UINT32_MAX));
        } else if (name == "binary_data") {
            TRITONPY_ASSIGN_OR_RETURN(requested.binary_data, parameters.bool_member(name));
        } else if (name == "shared_memory_region") {
            TRITONPY_ASSIGN_OR_RETURN(region, parameters.string_member(name));
        }  // Triton reads no others, whatever their type
    }
    if (region && requested.classification_count > 0) {
        return invalid_arg("Output can't set both 'shared_memory_region' and 'classification'");
    }
    if (region && requested.binary_data) {
        return invalid_arg("Output can't set both 'shared_memory_region' and 'binary_data'");
    }
    return region ? unknown_shared_memory(*region) : Status();
}

Status decode_outputs(JsonValue root, InferenceRequest& request) {
    TRITONPY_ASSIGN_OR_RETURN(JsonValue outputs, root.array_member("outputs"));
    TRITONPY_RETURN_IF_ERROR(
        check_count(outputs.size(), limits::kMaxTensorsPerRequest, "requested outputs"));
    request.outputs.reserve(outputs.size());  // names stay where they are: `names` borrows them
    NameSet names;
    for (JsonCursor cursor(outputs); !cursor.done(); cursor.advance()) {
        JsonValue output = cursor.value();
        if (output.kind() != JsonKind::kObject) {
            return unable_to_parse("outputs",
                                   internal_error("attempt to access JSON non-object as object"));
        }
        RequestedOutput& requested = request.outputs.emplace_back();
        TRITONPY_ASSIGN_OR_RETURN(requested.name, output.string_member("name"));
        if (!names.insert(requested.name)) {
            return invalid_arg("output '" + requested.name + "' already exists in request");
        }
        if (output.find("parameters")) {
            TRITONPY_RETURN_IF_ERROR(decode_output_parameters(output, requested));
        }
    }
    return Status();
}

Status decode_document(JsonValue root, InputSource& source, InferenceRequest& request) {
    if (root.find("id")) {
        TRITONPY_ASSIGN_OR_RETURN(request.id, root.string_member("id"));
    }
    if (root.find("parameters")) {
        TRITONPY_RETURN_IF_ERROR(decode_parameters(root, request));
    }
    TRITONPY_ASSIGN_OR_RETURN(JsonValue inputs, root.array_member("inputs"));
    TRITONPY_RETURN_IF_ERROR(decode_json_inputs(inputs, source, request));
    if (root.find("outputs")) {
        TRITONPY_RETURN_IF_ERROR(decode_outputs(root, request));
    }
    return Status();
}

Status decode_json(std::string_view json, InputSource& source, InferenceRequest& request) {
    if (json.size() > source.max_input_size) {
        return invalid_arg("request JSON size of " + std::to_string(json.size()) +
                           " bytes exceeds the maximum allowed input size of " +
                           std::to_string(source.max_input_size) +
                           " bytes. Use --http-max-input-size to increase the limit.");
    }
    // One per thread, for the memory its tape has grown to; nothing of a request stays in it.
    thread_local JsonDocument document;
    Status status = document.parse(json);
    if (status.ok()) {
        status = decode_document(document.root(), source, request);
    }
    document.release_excess();
    return status;
}

}  // namespace

Result<int64_t> parse_json_length(std::string_view header) {
    int32_t length = 0;
    // from_chars takes a minus but no plus, which Triton takes too.
    const bool has_plus = header.starts_with('+') && !header.starts_with("+-");
    const char* end = header.data() + header.size();
    auto [rest, error] = std::from_chars(header.data() + (has_plus ? 1 : 0), end, length);
    if (error == std::errc::result_out_of_range) {
        return invalid_arg(
            "Unable to parse Inference-Header-Content-Length, value is out of range "
            "[ -2147483648, 2147483647 ], got: " + std::string(header));
    }
    if (error != std::errc() || rest != end) {
        return invalid_arg("Unable to parse Inference-Header-Content-Length, got: " +
                           std::string(header));
    }
    return int64_t{length};
}

Result<std::unique_ptr<InferenceRequest>> decode_infer_json(const BufferRef& body,
                                                            std::optional<int64_t> json_length,
                                                            const ModelIdentity& model,
                                                            size_t max_input_size,
                                                            BlockPool& pool) {
    if (model.decoupled) {
        return unsupported(
            "HTTP end point doesn't support models with decoupled transaction policy");
    }
    std::span<const std::byte> bytes;
    if (body) {
        bytes = {body->data(), body->size()};
    }
    if (json_length && (*json_length < 0 || static_cast<uint64_t>(*json_length) > bytes.size())) {
        return invalid_arg("inference header size should be in range (0, " +
                           std::to_string(bytes.size()) +
                           "), got: " + std::to_string(*json_length));
    }
    auto request = std::make_unique<InferenceRequest>();
    size_t json_size = json_length ? static_cast<size_t>(*json_length) : bytes.size();
    InputSource source{body,  bytes.subspan(json_size), json_length.has_value(),
                       model, max_input_size,           pool};
    if (json_length && json_size == 0) {
        request->binary_data_output = true;
        TRITONPY_RETURN_IF_ERROR(decode_raw_input(source, *request));
        return request;
    }
    std::string_view json(reinterpret_cast<const char*>(bytes.data()), json_size);
    TRITONPY_RETURN_IF_ERROR(decode_json(json, source, *request));
    return request;
}

}  // namespace tritonpy
