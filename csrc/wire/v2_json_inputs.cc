#include "wire/v2_json_inputs.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "tensor/bytes_tensor.h"
#include "tensor/input_shape.h"
#include "wire/json_elements.h"
#include "wire/name_set.h"
#include "wire/shared_memory_lookup.h"

namespace tritonpy {

namespace {

constexpr std::string_view kSizeAdvice = " bytes. Use --http-max-input-size to increase the limit.";

// The fields of an input that say where its bytes are.
struct SourceFields {
    std::optional<JsonValue> data;
    std::optional<JsonValue> binary_data_size;
    std::optional<JsonValue> shared_memory_region;
};

Result<SourceFields> find_source(JsonValue input) {
    SourceFields fields;
    fields.data = input.find("data");
    if (input.find("parameters")) {
        TRITONPY_ASSIGN_OR_RETURN(JsonValue parameters, input.object_member("parameters"));
        fields.binary_data_size = parameters.find("binary_data_size");
        fields.shared_memory_region = parameters.find("shared_memory_region");
    }
    std::string set;
    set += fields.data ? " 'data'" : "";
    set += fields.binary_data_size ? " 'binary_data_size'" : "";
    set += fields.shared_memory_region ? " 'shared_memory_region'" : "";
    int count = (fields.data ? 1 : 0) + (fields.binary_data_size ? 1 : 0) +
                (fields.shared_memory_region ? 1 : 0);
    if (count == 1) {
        return fields;
    }
    return invalid_arg(
        "Input must set only one of the following fields: 'data', 'binary_data_size' in "
        "'parameters', 'shared_memory_region' in 'parameters'. But " +
        (count == 0 ? std::string("no field is set") : "set" + set));
}

Result<Shape> decode_shape(JsonValue input, std::string_view name, DataType type) {
    TRITONPY_ASSIGN_OR_RETURN(JsonValue array, input.array_member("shape"));
    std::vector<int64_t> dims;
    dims.reserve(array.size());
    for (JsonCursor cursor(array); !cursor.done(); cursor.advance()) {
        Result<uint64_t> dim = cursor.value().as_uint();
        if (!dim.ok()) {
            return unable_to_parse("shape", dim.status());
        }
        dims.push_back(static_cast<int64_t>(dim.value()));  // beyond int64: negative, refused below
    }
    TRITONPY_RETURN_IF_ERROR(check_input_shape(name, type, dims));
    return Shape(dims);
}

Status reads_no_json(std::string_view type, const std::string& name) {
    return invalid_arg("receiving " + std::string(type) +
                       " data via JSON is not supported. Please use the binary data format for "
                       "input " + name);
}

// Fills tensor.data from JSON.
Status decode_data(JsonValue input, const InputSource& source, Tensor& tensor) {
    TRITONPY_ASSIGN_OR_RETURN(JsonValue data, input.array_member("data"));
    JsonElements elements = data.as_elements();
    DataType type = tensor.data_type;
    if (type == DataType::kFp16 || type == DataType::kBf16) {
        return reads_no_json(wire_name(type), tensor.name);
    }
    if (type == DataType::kInvalid) {
        return Status();  // the request check knows what type the model expects
    }
    uint64_t expected = static_cast<uint64_t>(tensor.shape.element_count().value_or(0));
    size_t declared_size = type == DataType::kBytes ? elements_byte_size(type, elements)
                                                    : expected * size_of(type);
    if (declared_size > source.max_input_size) {
        return invalid_arg("JSON input '" + tensor.name + "' has a byte_size (" +
                           std::to_string(declared_size) +
                           " bytes) that exceeds the maximum allowed value of " +
                           std::to_string(source.max_input_size) + std::string(kSizeAdvice));
    }
    if (elements.count > expected) {
        return unable_to_parse(
            "data", internal_error("Shape does not match true shape of 'data' field"));
    }
    if (elements.count < expected) {
        return internal_error("Failed to parse 'data' field: shape does not match true shape");
    }
    if (expected == 0 && !elements.has_object) {
        return Status();
    }
    size_t size = elements_byte_size(type, elements);
    TRITONPY_ASSIGN_OR_RETURN(tensor.buffer, source.pool.allocate(size));
    std::span<std::byte> out(tensor.buffer->data(), size);
    Status converted = convert_elements(type, elements, out);
    if (!converted.ok()) {
        return unable_to_parse("data", converted);
    }
    tensor.data = out;
    return Status();
}

// Takes the next bytes of the binary part.
Status take_binary(uint64_t size, InputSource& source, Tensor& tensor) {
    if (size == 0) {
        return Status();
    }
    if (!source.has_json_length) {
        return invalid_arg(
            "must specify valid 'Infer-Header-Content-Length' in request header and "
            "'binary_data_size' when passing inputs in binary data format");
    }
    if (size > source.binary.size()) {
        return invalid_arg("unexpected size for input '" + tensor.name + "', expecting " +
                           std::to_string(size - source.binary.size()) +
                           " additional bytes for model '" + source.model.name + "'");
    }
    tensor.data = source.binary.first(size);
    tensor.buffer = source.body;
    source.binary = source.binary.subspan(size);
    return Status();
}

Result<Tensor> decode_input(JsonValue input, InputSource& source) {
    if (input.kind() != JsonKind::kObject) {
        return unable_to_parse("inputs",
                               internal_error("attempt to access JSON non-object as object"));
    }
    Tensor tensor;
    TRITONPY_ASSIGN_OR_RETURN(tensor.name, input.string_member("name"));
    TRITONPY_ASSIGN_OR_RETURN(std::string_view type, input.string_member("datatype"));
    tensor.data_type = data_type_of(type).value_or(DataType::kInvalid);
    TRITONPY_ASSIGN_OR_RETURN(tensor.shape, decode_shape(input, tensor.name, tensor.data_type));
    TRITONPY_ASSIGN_OR_RETURN(SourceFields fields, find_source(input));
    if (fields.data) {
        TRITONPY_RETURN_IF_ERROR(decode_data(input, source, tensor));
    } else if (fields.binary_data_size) {
        Result<uint64_t> size = fields.binary_data_size->as_uint();
        if (!size.ok()) {
            return unable_to_parse("binary_data_size", size.status());
        }
        TRITONPY_RETURN_IF_ERROR(take_binary(size.value(), source, tensor));
    } else {
        Result<std::string_view> region = fields.shared_memory_region->as_string();
        if (!region.ok()) {
            return unable_to_parse("shared_memory_region", region.status());
        }
        return unknown_shared_memory(region.value());
    }
    return tensor;
}

// The shape of a raw input of `size` bytes: the model's dims with one row, and the one dimension
// that varies taking what is left.
Result<Shape> deduce_shape(const TensorSpec& spec, size_t size, bool batching) {
    Shape shape = batching ? Shape{1} : Shape{};
    std::optional<size_t> variable;
    uint64_t fixed = 1;
    for (int64_t dim : spec.dims.dims()) {
        if (dim >= 0) {
            // A config's dims may multiply to more than a body can have: the check will refuse.
            if (__builtin_mul_overflow(fixed, static_cast<uint64_t>(dim), &fixed)) {
                fixed = std::numeric_limits<uint64_t>::max();
            }
        } else if (variable) {
            return invalid_arg("The shape of the raw input '" + spec.name +
                               "' can not be deduced because there are more than one "
                               "variable-sized dimension");
        } else {
            variable = shape.rank();
        }
        shape.append(dim);
    }
    if (variable) {
        size_t elements = size / size_of(spec.data_type);
        shape.set(*variable, fixed == 0 ? 0 : static_cast<int64_t>(elements / fixed));
    }
    return shape;
}

// A raw BYTES input is one element: its length goes before it.
Status prefix_length(InputSource& source, Tensor& tensor) {
    if (source.binary.size() > std::numeric_limits<uint32_t>::max()) {
        return invalid_arg("raw input '" + tensor.name + "' is longer than one BYTES element");
    }
    std::string_view element(reinterpret_cast<const char*>(source.binary.data()),
                             source.binary.size());
    TRITONPY_ASSIGN_OR_RETURN(tensor.buffer,
                              source.pool.allocate(kBytesLengthSize + element.size()));
    write_bytes_element(tensor.buffer->data(), element);
    tensor.data = {tensor.buffer->data(), tensor.buffer->size()};
    return Status();
}

}  // namespace

Status decode_json_inputs(JsonValue inputs, InputSource& source, InferenceRequest& request) {
    if (inputs.size() > limits::kMaxTensorsPerRequest) {
        return invalid_arg("request has " + std::to_string(inputs.size()) +
                           " inputs, at most " + std::to_string(limits::kMaxTensorsPerRequest) +
                           " are allowed");
    }
    request.inputs.reserve(inputs.size());  // names stay where they are: `names` borrows them
    NameSet names;
    for (JsonCursor cursor(inputs); !cursor.done(); cursor.advance()) {
        TRITONPY_ASSIGN_OR_RETURN(Tensor tensor, decode_input(cursor.value(), source));
        request.inputs.push_back(std::move(tensor));
        if (!names.insert(request.inputs.back().name)) {
            return invalid_arg("input '" + request.inputs.back().name +
                               "' already exists in request");
        }
    }
    if (!source.binary.empty()) {
        return invalid_arg("unexpected additional input data for model '" + source.model.name +
                           "'");
    }
    return Status();
}

Status decode_raw_input(InputSource& source, InferenceRequest& request) {
    const ModelIdentity& model = source.model;
    if (model.inputs.size() != 1) {
        return invalid_arg("Raw request must only have 1 input (found 1) to be deduced but got " +
                           std::to_string(model.inputs.size()) + " inputs in '" + model.name +
                           "' model configuration");
    }
    const TensorSpec& spec = model.inputs.front();
    size_t size = source.binary.size();
    if (size > source.max_input_size) {
        return invalid_arg("Raw input has a byte_size (" + std::to_string(size) +
                           " bytes) that exceeds the maximum allowed value of " +
                           std::to_string(source.max_input_size) + std::string(kSizeAdvice));
    }
    Tensor& tensor = request.inputs.emplace_back();
    tensor.name = spec.name;
    tensor.data_type = spec.data_type;
    bool batching = model.max_batch_size > 0;
    if (spec.data_type == DataType::kBytes) {
        if (spec.dims != Shape{1}) {
            return invalid_arg("For BYTE datatype raw input '" + spec.name +
                               "', the model must have input shape [1]");
        }
        tensor.shape = batching ? Shape{1, 1} : Shape{1};
        return prefix_length(source, tensor);
    }
    TRITONPY_ASSIGN_OR_RETURN(tensor.shape, deduce_shape(spec, size, batching));
    tensor.data = source.binary;
    tensor.buffer = size > 0 ? source.body : BufferRef();
    return Status();
}

}  // namespace tritonpy
