// What the codecs cost per inference: decoding a request and encoding its response, for FP32 [1,16]
// and for 1 MiB, as JSON, as JSON with binary tensors, and as protobuf.
//
// Bodies are made once; each iteration does what a front end does per request, and gives the
// request or the body up again.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "infer/model_identity.h"
#include "infer/response.h"
#include "memory/block_pool.h"
#include "wire/v2_json.h"
#include "wire/v2_protobuf.h"

namespace {

using namespace tritonpy;

constexpr int64_t kSmall = 16;
constexpr int64_t kLarge = (int64_t{1} << 20) / static_cast<int64_t>(sizeof(float));
constexpr size_t kMaxInputSize = size_t{64} << 20;

ModelIdentity make_model() {
    ModelIdentity model;
    model.name = "model_name";
    model.version = 1;
    model.max_batch_size = 8;
    model.inputs.push_back({"INPUT0", DataType::kFp32, {-1}, std::nullopt, false, false, {}, {}});
    model.outputs.push_back({"INPUT0", DataType::kFp32, {-1}, std::nullopt, false, false, {}, {}});
    return model;
}

BufferRef to_buffer(BlockPool& pool, const EncodedBody& body) {
    BufferRef buffer = pool.allocate(body.size()).value();
    std::byte* out = buffer->data();
    for (std::span<const std::byte> piece : body.pieces()) {
        out = std::copy(piece.begin(), piece.end(), out);
    }
    return buffer;
}

// A response of one FP32 output [1,elements], not round numbers.
struct Sample {
    explicit Sample(int64_t elements, bool binary) {
        response.model = std::make_shared<const ModelIdentity>(make_model());
        response.request = std::make_unique<InferenceRequest>();
        response.request->id = "request-1";
        response.request->binary_data_output = binary;
        for (int64_t index = 0; index < elements; ++index) {
            values.push_back(static_cast<float>(index) * 0.37f - 5.0f);
        }
        Tensor tensor;
        tensor.name = "INPUT0";
        tensor.data_type = DataType::kFp32;
        tensor.shape = Shape{1, elements};
        tensor.data = std::as_bytes(std::span(values));
        response.outputs.push_back(tensor);
    }
    std::vector<float> values;
    InferenceResponse response;
};

// The JSON request whose input is the sample's output.
std::pair<BufferRef, std::optional<int64_t>> json_request(BlockPool& pool, const Sample& sample) {
    EncodedBody body;
    TRITONPY_CHECK(encode_infer_json(sample.response, body).ok());
    BufferRef bytes = to_buffer(pool, body);
    std::string text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    constexpr std::string_view kOld = "\"outputs\":";
    constexpr std::string_view kNew = "\"inputs\":";
    text.replace(text.find(kOld), kOld.size(), kNew);
    std::optional<int64_t> json_length;
    if (body.json_length) {
        json_length = static_cast<int64_t>(*body.json_length + kNew.size() - kOld.size());
    }
    EncodedBody request;
    request.append_owned(std::move(text));
    return {to_buffer(pool, request), json_length};
}

void decode_json(benchmark::State& state, bool binary) {
    BlockPool pool;
    Sample sample(state.range(0), binary);
    auto [body, json_length] = json_request(pool, sample);
    for ([[maybe_unused]] auto iteration : state) {
        auto request =
            decode_infer_json(body, json_length, *sample.response.model, kMaxInputSize, pool);
        TRITONPY_CHECK(request.ok());
        benchmark::DoNotOptimize(request.value()->inputs.data());
    }
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(body->size()));
}

void encode_json(benchmark::State& state, bool binary) {
    Sample sample(state.range(0), binary);
    for ([[maybe_unused]] auto iteration : state) {
        EncodedBody body;
        TRITONPY_CHECK(encode_infer_json(sample.response, body).ok());
        benchmark::DoNotOptimize(body.size());
    }
}

// A message with one length-delimited field in front of what is there.
std::string with_field(char tag, const std::string& value, const std::string& before = "") {
    std::string out = before;
    out.push_back(tag);
    for (size_t size = value.size(); ; size >>= 7) {
        if (size < 0x80) {
            out.push_back(static_cast<char>(size));
            return out + value;
        }
        out.push_back(static_cast<char>(size | 0x80));
    }
}

void decode_protobuf(benchmark::State& state) {
    BlockPool pool;
    Sample sample(state.range(0), true);
    EncodedBody response;
    TRITONPY_CHECK(encode_infer_protobuf(sample.response, response).ok());
    BufferRef bytes = to_buffer(pool, response);
    // A request is a response whose tensor bytes, the last field, have number 7 instead of 6.
    std::string raw(reinterpret_cast<const char*>(sample.values.data()),
                    sample.values.size() * sizeof(float));
    std::string head(reinterpret_cast<const char*>(bytes->data()),
                     bytes->size() - with_field('\x32', raw).size());
    EncodedBody request;
    request.append_owned(with_field('\x3A', raw, head));
    BufferRef message = to_buffer(pool, request);
    for ([[maybe_unused]] auto iteration : state) {
        auto decoded = decode_infer_protobuf(message, pool);
        TRITONPY_CHECK(decoded.ok());
        benchmark::DoNotOptimize(decoded.value().request->inputs.data());
    }
}

void encode_protobuf(benchmark::State& state) {
    Sample sample(state.range(0), true);
    for ([[maybe_unused]] auto iteration : state) {
        EncodedBody body;
        TRITONPY_CHECK(encode_infer_protobuf(sample.response, body).ok());
        benchmark::DoNotOptimize(body.size());
    }
}

BENCHMARK_CAPTURE(decode_json, text, false)->Arg(kSmall)->Arg(kLarge);
BENCHMARK_CAPTURE(decode_json, binary, true)->Arg(kSmall)->Arg(kLarge);
BENCHMARK(decode_protobuf)->Arg(kSmall)->Arg(kLarge);
BENCHMARK_CAPTURE(encode_json, text, false)->Arg(kSmall)->Arg(kLarge);
BENCHMARK_CAPTURE(encode_json, binary, true)->Arg(kSmall)->Arg(kLarge);
BENCHMARK(encode_protobuf)->Arg(kSmall)->Arg(kLarge);

}  // namespace
