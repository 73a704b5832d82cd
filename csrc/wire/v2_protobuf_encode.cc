#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "wire/protobuf_writer.h"
#include "wire/v2_protobuf.h"
#include "wire/v2_protobuf_parameters.h"
#include "wire/wire_output.h"

namespace tritonpy {

namespace {

// Fields of ModelInferResponse.
constexpr uint32_t kModelName = 1;
constexpr uint32_t kModelVersion = 2;
constexpr uint32_t kId = 3;
constexpr uint32_t kParameters = 4;
constexpr uint32_t kOutputs = 5;
constexpr uint32_t kRawOutputContents = 6;

// Fields of InferOutputTensor.
constexpr uint32_t kTensorName = 1;
constexpr uint32_t kTensorDataType = 2;
constexpr uint32_t kTensorShape = 3;

// Fields of ModelStreamInferResponse.
constexpr uint32_t kErrorMessage = 1;
constexpr uint32_t kInferResponse = 2;

// Bytes that the fields of a response usually take.
constexpr size_t kUsualFields = 240;

void write_output(ProtobufWriter& out, const WireOutput& output) {
    const size_t tensor = out.begin_message(kOutputs);
    out.string_field_unless_empty(kTensorName, output.name());
    out.bytes_field(kTensorDataType, wire_name(output.data_type()));
    if (!output.dims().empty()) {
        const size_t shape = out.begin_message(kTensorShape);
        for (int64_t dim : output.dims()) {
            out.varint(static_cast<uint64_t>(dim));
        }
        out.end_message(shape);
    }
    out.end_message(tensor);
}

// All of a ModelInferResponse but its tensor bytes. `outputs` receives what those come from.
Status write_fields(const InferenceResponse& response, std::string_view request_id,
                    ProtobufWriter& out, std::vector<WireOutput>& outputs) {
    if (response.model) {
        out.string_field_unless_empty(kModelName, response.model->name);
        out.string_field(kModelVersion, std::to_string(response.model->version));
    }
    out.string_field_unless_empty(kId, request_id);
    for (const Parameter& parameter : response.parameters) {
        write_parameter(out, kParameters, parameter.name, parameter.value);
    }
    outputs.reserve(response.outputs.size());
    for (const Tensor& tensor : response.outputs) {
        TRITONPY_ASSIGN_OR_RETURN(WireOutput output, WireOutput::make(tensor, response));
        write_output(out, output);
        outputs.push_back(std::move(output));
    }
    return Status();
}

size_t raw_contents_size(const std::vector<WireOutput>& outputs) {
    size_t size = 0;
    for (const WireOutput& output : outputs) {
        size += 1 + varint_size(output.data().size()) + output.data().size();
    }
    return size;
}

// Appends `out` and, each behind its prefix, the tensor bytes.
void append_all(ProtobufWriter& out, std::vector<WireOutput>& outputs, EncodedBody& body) {
    body.reserve(2 * outputs.size() + 1);
    for (WireOutput& output : outputs) {
        out.length_prefix(kRawOutputContents, output.data().size());
        if (!output.data().empty()) {
            body.append_owned(out.take());
            std::move(output).append_data(body);
        }
    }
    if (!out.empty()) {
        body.append_owned(out.take());
    }
}

Status check_size(size_t size, const InferenceResponse& response) {
    if (size <= limits::kMaxGrpcMessage) {
        return Status();
    }
    std::string model = response.model ? " of model '" + response.model->name + "'" : "";
    return internal_error("response" + model + " takes " + std::to_string(size) +
                          " bytes, more than the " + std::to_string(limits::kMaxGrpcMessage) +
                          " bytes that a gRPC message may have");
}

}  // namespace

Status encode_infer_protobuf(const InferenceResponse& response, EncodedBody& body) {
    ProtobufWriter out(kUsualFields);
    std::vector<WireOutput> outputs;
    TRITONPY_RETURN_IF_ERROR(write_fields(response, response.request->id, out, outputs));
    TRITONPY_RETURN_IF_ERROR(check_size(out.size() + raw_contents_size(outputs), response));
    append_all(out, outputs, body);
    return Status();
}

Status encode_stream_infer_protobuf(const InferenceResponse& response, std::string_view request_id,
                                    EncodedBody& body) {
    ProtobufWriter inner(kUsualFields);
    std::vector<WireOutput> outputs;
    TRITONPY_RETURN_IF_ERROR(write_fields(response, request_id, inner, outputs));
    write_parameter(inner, kParameters, "triton_final_response", response.final);
    ProtobufWriter out;
    if (!response.status.ok()) {
        out.string_field(kErrorMessage, response.status.message());
    }
    size_t inner_size = inner.size() + raw_contents_size(outputs);
    out.length_prefix(kInferResponse, inner_size);
    TRITONPY_RETURN_IF_ERROR(check_size(out.size() + inner_size, response));
    out.append(inner.bytes());
    append_all(out, outputs, body);
    return Status();
}

std::string encode_stream_error_protobuf(std::string_view text, std::string_view request_id) {
    ProtobufWriter inner;
    inner.string_field_unless_empty(kId, request_id);
    ProtobufWriter out;
    out.string_field_unless_empty(kErrorMessage, text);
    out.bytes_field(kInferResponse, inner.bytes());
    return out.take();
}

}  // namespace tritonpy
