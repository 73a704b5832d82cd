#include "wire/v2_protobuf_parameters.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "wire/protobuf_reader.h"
#include "wire/v2_protobuf_contents.h"

namespace tritonpy {

namespace {

constexpr std::string_view kEmptyFinal = "triton_enable_empty_final_response";

// Fields of a map entry.
constexpr uint32_t kEntryKey = protobuf_tag(1, WireType::kLength);
constexpr uint32_t kEntryValue = protobuf_tag(2, WireType::kLength);

// Fields of InferParameter, a oneof: the last one counts.
constexpr uint32_t kBoolParam = protobuf_tag(1, WireType::kVarint);
constexpr uint32_t kInt64Param = protobuf_tag(2, WireType::kVarint);
constexpr uint32_t kStringParam = protobuf_tag(3, WireType::kLength);
constexpr uint32_t kDoubleParam = protobuf_tag(4, WireType::kFixed64);
constexpr uint32_t kUint64Param = protobuf_tag(5, WireType::kVarint);

const char* read_value(std::span<const std::byte> bytes, std::optional<ParameterValue>& value) {
    ProtobufReader reader(bytes);
    while (reader.next()) {
        switch (reader.tag()) {
            case kBoolParam:
                value = reader.varint() != 0;
                break;
            case kInt64Param:
                value = static_cast<int64_t>(reader.varint());
                break;
            case kStringParam:
                value = std::string(reader.string());
                break;
            case kDoubleParam:
                value = reader.fixed<double>();
                break;
            case kUint64Param:
                value = reader.varint();
                break;
            default:
                reader.skip();
        }
    }
    return reader.failure();
}

Status wrong_type(std::string_view name, std::string_view expected) {
    return invalid_arg("invalid value type for '" + std::string(name) + "' parameter, expected " +
                       std::string(expected) + ".");
}

// The value as T; null when it is another type or unset.
template <typename T>
const T* value_as(const ParameterEntry& entry) {
    return entry.value ? std::get_if<T>(&*entry.value) : nullptr;
}

Status apply_flag(const ParameterEntry& entry, uint32_t flag, InferenceRequest& request) {
    const bool* set = value_as<bool>(entry);
    if (set == nullptr) {
        return wrong_type(entry.name, "bool_param");
    }
    request.flags = *set ? request.flags | flag : request.flags & ~flag;
    return Status();
}

Status apply_sequence_id(const ParameterEntry& entry, InferenceRequest& request) {
    if (const int64_t* id = value_as<int64_t>(entry)) {
        request.correlation_id = static_cast<uint64_t>(*id);
    } else if (const std::string* text = value_as<std::string>(entry)) {
        request.correlation_id = *text;
    } else {
        return wrong_type(entry.name, "int64_param or string_param");
    }
    return Status();
}

Status apply_priority(const ParameterEntry& entry, InferenceRequest& request) {
    if (const uint64_t* priority = value_as<uint64_t>(entry)) {
        request.priority = *priority;
        return Status();
    }
    const int64_t* priority = value_as<int64_t>(entry);
    if (priority == nullptr) {
        return wrong_type(entry.name, "int64_param or uint64_param");
    }
    if (*priority < 0) {
        return invalid_arg("invalid value for 'priority', expected value >= 0.");
    }
    request.priority = static_cast<uint64_t>(*priority);
    return Status();
}

Status apply_timeout(const ParameterEntry& entry, InferenceRequest& request) {
    const int64_t* timeout = value_as<int64_t>(entry);
    if (timeout == nullptr) {
        return wrong_type(entry.name, "int64_param");
    }
    if (*timeout < 0) {
        return invalid_arg("invalid value for 'timeout', expected value >= 0.");
    }
    request.timeout_us = static_cast<uint64_t>(*timeout);
    return Status();
}

// Adds or replaces (the last of a name wins, as in every protobuf map).
Status put_custom_parameter(const ParameterEntry& entry, std::vector<Parameter>& parameters) {
    TRITONPY_RETURN_IF_ERROR(check_custom_parameter(entry));
    auto same = std::find_if(parameters.begin(), parameters.end(),
                             [&](const Parameter& old) { return old.name == entry.name; });
    if (same != parameters.end()) {
        same->value = *entry.value;
    } else {
        parameters.push_back({std::string(entry.name), *entry.value});
    }
    return Status();
}

}  // namespace

Status read_parameter(std::span<const std::byte> bytes, ParameterEntry& entry) {
    ProtobufReader reader(bytes);
    const char* failure = nullptr;
    while (failure == nullptr && reader.next()) {
        switch (reader.tag()) {
            case kEntryKey:
                entry.name = reader.string();
                break;
            case kEntryValue:
                failure = read_value(reader.bytes(), entry.value);
                break;
            default:
                reader.skip();
        }
    }
    failure = failure != nullptr ? failure : reader.failure();
    return failure != nullptr ? malformed_request(failure) : Status();
}

Status apply_request_parameter(const ParameterEntry& entry, InferenceRequest& request,
                               bool& enable_empty_final_response) {
    if (entry.name == "sequence_id") {
        return apply_sequence_id(entry, request);
    }
    if (entry.name == "sequence_start") {
        return apply_flag(entry, InferenceRequest::kSequenceStart, request);
    }
    if (entry.name == "sequence_end") {
        return apply_flag(entry, InferenceRequest::kSequenceEnd, request);
    }
    if (entry.name == "priority") {
        return apply_priority(entry, request);
    }
    if (entry.name == "timeout") {
        return apply_timeout(entry, request);
    }
    if (entry.name == kEmptyFinal) {
        const bool* enable = value_as<bool>(entry);
        enable_empty_final_response = enable != nullptr && *enable;
        return enable != nullptr ? Status() : wrong_type(entry.name, "bool_param");
    }
    if (entry.name.starts_with("triton_")) {
        return invalid_arg(
            "parameter keys starting with 'triton_' are reserved for Triton usage. Only the "
            "following keys starting with 'triton_' are allowed: " + std::string(kEmptyFinal));
    }
    return put_custom_parameter(entry, request.parameters);
}

Status check_custom_parameter(const ParameterEntry& entry) {
    return entry.value ? Status()
                       : wrong_type(entry.name, "int64_param, bool_param, or string_param");
}

void write_parameter(ProtobufWriter& out, uint32_t field, std::string_view name,
                     const ParameterValue& value) {
    const size_t entry = out.begin_message(field);
    out.string_field(1, name);
    const size_t parameter = out.begin_message(2);
    if (const bool* flag = std::get_if<bool>(&value)) {
        out.varint_field(1, *flag ? 1 : 0);
    } else if (const int64_t* number = std::get_if<int64_t>(&value)) {
        out.varint_field(2, static_cast<uint64_t>(*number));
    } else if (const std::string* text = std::get_if<std::string>(&value)) {
        out.string_field(3, *text);
    } else if (const double* floating = std::get_if<double>(&value)) {
        out.double_field(4, *floating);
    } else {
        out.varint_field(5, std::get<uint64_t>(value));
    }
    out.end_message(parameter);
    out.end_message(entry);
}

}  // namespace tritonpy
