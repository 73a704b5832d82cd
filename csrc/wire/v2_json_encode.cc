#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "tensor/bytes_tensor.h"
#include "wire/json_writer.h"
#include "wire/v2_json.h"
#include "wire/wire_output.h"

namespace tritonpy {

namespace {

Status wrong_size(const WireOutput& output) {
    return internal_error("output '" + output.name() + "' has " +
                          std::to_string(output.data().size()) + " bytes, not those of shape " +
                          to_string(output.dims()) + " of " +
                          std::string(wire_name(output.data_type())));
}

void write_element(JsonWriter& json, float value) { json.real(value); }
void write_element(JsonWriter& json, double value) { json.real(value); }
void write_element(JsonWriter& json, int64_t value) { json.integer(value); }
void write_element(JsonWriter& json, uint64_t value) { json.natural(value); }

// Writes elements of type T, which reach the writer as W.
template <typename T, typename W = T>
void write_elements(JsonWriter& json, std::span<const std::byte> data) {
    for (size_t at = 0; at < data.size(); at += sizeof(T)) {
        if (at > 0) {
            json.raw(",");
        }
        T value;
        std::memcpy(&value, data.data() + at, sizeof(T));
        write_element(json, static_cast<W>(value));
    }
}

// A byte as BOOL: models may say true with any bit set.
void write_booleans(JsonWriter& json, std::span<const std::byte> data) {
    for (size_t at = 0; at < data.size(); ++at) {
        if (at > 0) {
            json.raw(",");
        }
        json.boolean(data[at] != std::byte{0});
    }
}

Status write_strings(JsonWriter& json, const WireOutput& output) {
    BytesScan scan = scan_bytes(output.data());
    if (scan.fault != BytesFault::kNone || scan.element_count != element_count(output.dims())) {
        return wrong_size(output);
    }
    BytesReader reader(output.data());
    for (bool first = true; !reader.at_end(); first = false) {
        if (!first) {
            json.raw(",");
        }
        if (!json.string(reader.next())) {
            return invalid_arg("sending BYTES data that is not UTF-8 via JSON is not supported. "
                               "Please use the binary data format for output " +
                               output.name());
        }
    }
    return Status();
}

Status write_numbers(JsonWriter& json, const WireOutput& output) {
    std::span<const std::byte> data = output.data();
    switch (output.data_type()) {
        case DataType::kBool:
            write_booleans(json, data);
            return Status();
        case DataType::kUint8:
            write_elements<uint8_t, uint64_t>(json, data);
            return Status();
        case DataType::kUint16:
            write_elements<uint16_t, uint64_t>(json, data);
            return Status();
        case DataType::kUint32:
            write_elements<uint32_t, uint64_t>(json, data);
            return Status();
        case DataType::kUint64:
            write_elements<uint64_t>(json, data);
            return Status();
        case DataType::kInt8:
            write_elements<int8_t, int64_t>(json, data);
            return Status();
        case DataType::kInt16:
            write_elements<int16_t, int64_t>(json, data);
            return Status();
        case DataType::kInt32:
            write_elements<int32_t, int64_t>(json, data);
            return Status();
        case DataType::kInt64:
            write_elements<int64_t>(json, data);
            return Status();
        case DataType::kFp32:
            write_elements<float>(json, data);
            return Status();
        case DataType::kFp64:
            write_elements<double>(json, data);
            return Status();
        case DataType::kFp16:
        case DataType::kBf16:
        case DataType::kBytes:
        case DataType::kInvalid:
            break;
    }
    return internal_error("output '" + output.name() + "' has no valid data type");
}

Status write_data(JsonWriter& json, const WireOutput& output) {
    json.raw(",\"data\":[");
    DataType type = output.data_type();
    if (type == DataType::kFp16 || type == DataType::kBf16) {
        return invalid_arg("sending " + std::string(wire_name(type)) +
                           " data via JSON is not supported. Please use the binary data format "
                           "for output " + output.name());
    }
    if (type == DataType::kBytes) {
        TRITONPY_RETURN_IF_ERROR(write_strings(json, output));
    } else {
        if (byte_size(type, output.dims()) != output.data().size()) {
            return wrong_size(output);
        }
        TRITONPY_RETURN_IF_ERROR(write_numbers(json, output));
    }
    json.raw("]");
    return Status();
}

// Writes one element of "outputs"; when its data follows the JSON, it is added to `binary_outputs`.
Status write_output(JsonWriter& json, WireOutput output, bool binary_by_default,
                    std::vector<WireOutput>& binary_outputs) {
    json.raw("{\"name\":");
    json.lenient_string(output.name());
    json.raw(",\"datatype\":\"");
    json.raw(wire_name(output.data_type()));
    json.raw("\",\"shape\":");
    json.dims(output.dims());
    if (output.binary_data(binary_by_default)) {
        json.raw(",\"parameters\":{\"binary_data_size\":");
        json.natural(output.data().size());
        json.raw("}");
        binary_outputs.push_back(std::move(output));
    } else {
        TRITONPY_RETURN_IF_ERROR(write_data(json, output));
    }
    json.raw("}");
    return Status();
}

void write_head(JsonWriter& json, const InferenceResponse& response) {
    json.raw("{");
    if (!response.request->id.empty()) {
        json.raw("\"id\":");
        json.lenient_string(response.request->id);
        json.raw(",");
    }
    json.raw("\"model_name\":");
    json.lenient_string(response.model->name);
    json.raw(",\"model_version\":\"");
    json.integer(response.model->version);
    json.raw("\"");
    if (!response.parameters.empty()) {
        const char* separator = ",\"parameters\":{";
        for (const Parameter& parameter : response.parameters) {
            json.raw(separator);
            json.lenient_string(parameter.name);
            json.raw(":");
            json.parameter_value(parameter.value);
            separator = ",";
        }
        json.raw("}");
    }
}

}  // namespace

Status encode_infer_json(const InferenceResponse& response, EncodedBody& body) {
    constexpr size_t kUsualText = 256;
    JsonWriter json(kUsualText);
    std::vector<WireOutput> binary_outputs;
    write_head(json, response);
    json.raw(",\"outputs\":[");
    bool first = true;
    for (const Tensor& tensor : response.outputs) {
        if (!first) {
            json.raw(",");
        }
        first = false;
        TRITONPY_ASSIGN_OR_RETURN(WireOutput output, WireOutput::make(tensor, response));
        TRITONPY_RETURN_IF_ERROR(write_output(json, std::move(output),
                                              response.request->binary_data_output,
                                              binary_outputs));
    }
    json.raw("]}");
    if (!binary_outputs.empty()) {
        body.json_length = json.size();
    }
    body.append_owned(json.take());
    for (WireOutput& output : binary_outputs) {
        std::move(output).append_data(body);
    }
    return Status();
}

std::string encode_error_json(std::string_view text) {
    JsonWriter json;
    json.raw("{\"error\":");
    json.lenient_string(text);
    json.raw("}");
    return json.take();
}

}  // namespace tritonpy
