// InferParameter maps: named values on a request, a tensor or a response.
//
// Threads: compatible; pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "base/status.h"
#include "infer/parameter.h"
#include "infer/request.h"
#include "wire/protobuf_writer.h"

namespace tritonpy {

// One entry of a parameter map as it came.
struct ParameterEntry {
    std::string_view name;
    std::optional<ParameterValue> value;  // unset: the client chose none of the value fields
};

// Reads one map entry. invalid_arg for malformed bytes.
Status read_parameter(std::span<const std::byte> bytes, ParameterEntry& entry);

// Applies a parameter of a ModelInferRequest: Triton's own set fields of the request, others are
// appended. `enable_empty_final_response` belongs to the caller. invalid_arg, with Triton's texts,
// for values of the wrong type and for reserved names.
Status apply_request_parameter(const ParameterEntry& entry, InferenceRequest& request,
                               bool& enable_empty_final_response);

// invalid_arg for a custom parameter without a value.
Status check_custom_parameter(const ParameterEntry& entry);

// Appends one map entry as field `field`.
void write_parameter(ProtobufWriter& out, uint32_t field, std::string_view name,
                     const ParameterValue& value);

}  // namespace tritonpy
