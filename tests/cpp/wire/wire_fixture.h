// What the codec tests share: models, bodies, protobuf messages, and decoding them.
//
// Every body lies in a heap block of exactly its size, so that AddressSanitizer sees one byte too
// many.
//
// Threads: compatible; functions only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "infer/model_identity.h"
#include "infer/response.h"
#include "memory/block_pool.h"
#include "support/request_builder.h"
#include "wire/encoded_body.h"
#include "wire/protobuf_writer.h"
#include "wire/v2_json.h"
#include "wire/v2_protobuf.h"

namespace tritonpy {

inline constexpr size_t kTestMaxInputSize = size_t{64} << 20;

inline BufferRef text_buffer(std::string_view text) {
    return make_buffer(std::as_bytes(std::span(text)));
}

inline std::string text_of(std::span<const std::byte> bytes) {
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// A model "m", version 3, with inputs IN and OUT of the given kind.
inline ModelIdentity model_with(DataType type, Shape dims, int32_t max_batch_size = 8) {
    ModelIdentity model;
    model.name.assign(1, 'm');  // g++ 12 warns of a copy onto itself that does not happen
    model.version = 3;
    model.max_batch_size = max_batch_size;
    model.inputs.push_back({"IN", type, dims, std::nullopt, false, false, {}, {}});
    model.outputs.push_back({"OUT", type, std::move(dims), std::nullopt, false, false, {}, {}});
    return model;
}

// A decoded request with the pool that its tensors may lie in.
template <typename Decoded>
struct PooledResult {
    std::unique_ptr<BlockPool> pool;
    Result<Decoded> result;
};
using JsonResult = PooledResult<std::unique_ptr<InferenceRequest>>;
using ProtobufResult = PooledResult<DecodedGrpcInfer>;

inline JsonResult decode_json(std::string_view body,
                              std::optional<int64_t> json_length = std::nullopt,
                              const ModelIdentity& model = model_with(DataType::kFp32, {-1}),
                              size_t max_input_size = kTestMaxInputSize) {
    auto pool = std::make_unique<BlockPool>();
    auto result =
        decode_infer_json(text_buffer(body), json_length, model, max_input_size, *pool);
    return {std::move(pool), std::move(result)};
}

// A JSON body with binary parts behind it.
inline JsonResult decode_binary(std::string_view json, std::string_view binary,
                                const ModelIdentity& model = model_with(DataType::kFp32, {-1})) {
    return decode_json(std::string(json) + std::string(binary),
                       static_cast<int64_t>(json.size()), model);
}

// {"inputs":[{"name":"IN","shape":...,"datatype":...,"data":...}]}
inline std::string json_with_data(std::string_view type, std::string_view shape,
                                  std::string_view data) {
    return "{\"inputs\":[{\"name\":\"IN\",\"shape\":" + std::string(shape) + ",\"datatype\":\"" +
           std::string(type) + "\",\"data\":" + std::string(data) + "}]}";
}

inline ProtobufResult decode_protobuf(std::string_view message) {
    auto pool = std::make_unique<BlockPool>();
    auto result = decode_infer_protobuf(text_buffer(message), *pool);
    return {std::move(pool), std::move(result)};
}

// One InferInputTensor.
struct InputMessage {
    std::string name = "IN";
    std::string data_type = "FP32";
    std::vector<int64_t> shape;
    std::optional<std::string> contents;  // a serialised InferTensorContents
    std::vector<std::string> parameters;  // serialised map entries

    std::string bytes() const {
        ProtobufWriter out;
        out.string_field_unless_empty(1, name);
        out.string_field_unless_empty(2, data_type);
        for (int64_t dim : shape) {
            out.varint_field(3, static_cast<uint64_t>(dim));
        }
        for (const std::string& parameter : parameters) {
            out.bytes_field(4, parameter);
        }
        if (contents) {
            out.bytes_field(5, *contents);
        }
        return out.take();
    }
};

// One ModelInferRequest for model "m".
struct RequestMessage {
    std::string model_name = "m";
    std::string model_version;
    std::string id;
    std::vector<std::string> parameters;
    std::vector<std::string> inputs;
    std::vector<std::string> outputs;
    std::vector<std::string> raw;

    std::string bytes() const {
        ProtobufWriter out;
        out.string_field_unless_empty(1, model_name);
        out.string_field_unless_empty(2, model_version);
        out.string_field_unless_empty(3, id);
        const std::pair<uint32_t, const std::vector<std::string>*> lists[] = {
            {4, &parameters}, {5, &inputs}, {6, &outputs}, {7, &raw}};
        for (const auto& [field, list] : lists) {
            for (const std::string& element : *list) {
                out.bytes_field(field, element);
            }
        }
        return out.take();
    }
};

// A serialised map entry whose InferParameter holds `value`; none for no value.
inline std::string parameter_entry(std::string_view name,
                                   const std::optional<ParameterValue>& value) {
    ProtobufWriter parameter;
    if (value) {
        if (const bool* flag = std::get_if<bool>(&*value)) {
            parameter.varint_field(1, *flag ? 1 : 0);
        } else if (const int64_t* number = std::get_if<int64_t>(&*value)) {
            parameter.varint_field(2, static_cast<uint64_t>(*number));
        } else if (const std::string* text = std::get_if<std::string>(&*value)) {
            parameter.bytes_field(3, *text);
        } else if (const double* floating = std::get_if<double>(&*value)) {
            parameter.double_field(4, *floating);
        } else {
            parameter.varint_field(5, std::get<uint64_t>(*value));
        }
    }
    ProtobufWriter entry;
    entry.string_field(1, name);
    entry.bytes_field(2, parameter.bytes());
    return entry.take();
}

// A serialised InferRequestedOutputTensor.
inline std::string output_message(std::string_view name,
                                  const std::vector<std::string>& parameters = {}) {
    ProtobufWriter out;
    out.string_field_unless_empty(1, name);
    for (const std::string& parameter : parameters) {
        out.bytes_field(2, parameter);
    }
    return out.take();
}

// A final response of model "m" version 3 to a request without an id.
inline InferenceResponse make_response(std::vector<Tensor> outputs,
                                       ModelIdentity model = model_with(DataType::kFp32, {-1})) {
    InferenceResponse response;
    response.model = std::make_shared<const ModelIdentity>(std::move(model));
    response.outputs = std::move(outputs);
    response.request = std::make_unique<InferenceRequest>();
    return response;
}

inline void request_output(InferenceResponse& response, std::string name,
                           uint32_t classification_count,
                           std::optional<bool> binary_data = std::nullopt) {
    response.request->outputs.push_back(
        {std::move(name), classification_count, binary_data});
}

inline std::string joined(const EncodedBody& body) {
    std::string bytes;
    for (std::span<const std::byte> piece : body.pieces()) {
        bytes += text_of(piece);
    }
    return bytes;
}

}  // namespace tritonpy
