// Fuzzes the V2 JSON codec. The first two bytes choose the model and where the JSON ends; the rest
// is the body. A request that decodes keeps its invariants, and its tensors, encoded as a response,
// either have no JSON form or decode to themselves.
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wire/request_invariants.h"
#include "wire/wire_fixture.h"

using namespace tritonpy;

namespace {

constexpr size_t kMaxInputSize = 2000;  // small, so that inputs beyond it are tried too

const std::array<ModelIdentity, 4> kModels{
    model_with(DataType::kFp32, {-1}), model_with(DataType::kBytes, {1}),
    model_with(DataType::kInt64, {2, -1}, 0), model_with(DataType::kUint8, {-1, -1})};

// Tensors have the bytes that their shape says: then they can be encoded.
bool is_whole(const Tensor& tensor) {
    if (tensor.data_type == DataType::kBytes) {
        BytesScan scan = scan_bytes(tensor.data);
        return scan.fault == BytesFault::kNone &&
               scan.element_count == tensor.shape.element_count();
    }
    return tensor.data_type != DataType::kInvalid &&
           byte_size(tensor.data_type, tensor.shape.dims()) == tensor.data.size();
}

std::string encoded(const InferenceResponse& response, Status& status,
                    std::optional<int64_t>& json_length) {
    EncodedBody body;
    status = encode_infer_json(response, body);
    json_length.reset();
    if (body.json_length) {
        json_length = static_cast<int64_t>(*body.json_length);
    }
    return joined(body);
}

// Decodes an encoded response as the request with its outputs as inputs: one key differs.
JsonResult decode_as_request(std::string text, std::optional<int64_t> json_length) {
    constexpr std::string_view kOld = "\"outputs\":";  // inside strings, quotes are escaped
    constexpr std::string_view kNew = "\"inputs\":";
    text.replace(text.find(kOld), kOld.size(), kNew);
    if (json_length) {
        *json_length -= static_cast<int64_t>(kOld.size() - kNew.size());
    }
    return decode_json(text, json_length);
}

// Sends the inputs back as outputs and reads them as inputs again, binary or as JSON: the second
// text must be the first.
void check_round_trip(InferenceResponse& response, bool binary) {
    response.request->binary_data_output = binary;
    Status status;
    std::optional<int64_t> json_length;
    std::string text = encoded(response, status, json_length);
    if (!status.ok()) {
        TRITONPY_CHECK(!binary && status.code() == StatusCode::kInvalidArg);
        return;
    }
    JsonResult decoded = decode_as_request(text, json_length);
    TRITONPY_CHECK(decoded.result.ok());
    check_decoded_request(*decoded.result.value());
    InferenceResponse again = make_response(decoded.result.value()->inputs);
    again.request->id = response.request->id;
    again.request->binary_data_output = binary;
    TRITONPY_CHECK(encoded(again, status, json_length) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) {
        return 0;
    }
    const ModelIdentity& model = kModels[data[0] % kModels.size()];
    std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
    std::optional<int64_t> json_length;
    if (data[1] != 255) {  // 255: no header; else so many bytes before the end
        json_length = static_cast<int64_t>(body.size()) - data[1];
    }
    JsonResult decoded = decode_json(body, json_length, model, kMaxInputSize);
    if (decoded.result.ok()) {
        check_decoded_request(*decoded.result.value());
        InferenceResponse response = make_response({});
        for (const Tensor& tensor : decoded.result.value()->inputs) {
            if (is_whole(tensor)) {
                response.outputs.push_back(tensor);
            }
        }
        response.request->id = decoded.result.value()->id;
        check_round_trip(response, true);
        check_round_trip(response, false);
    } else {
        TRITONPY_CHECK(is_utf8(encode_error_json(decoded.result.status().message())));
    }
    return 0;
}
