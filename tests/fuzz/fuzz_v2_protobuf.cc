// Fuzzes the V2 protobuf codec. A request that decodes keeps its invariants; its tensors, encoded
// as a response and renamed to a request, decode to themselves.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "wire/protobuf_reader.h"
#include "wire/request_invariants.h"
#include "wire/wire_fixture.h"

using namespace tritonpy;

namespace {

// A ModelInferResponse as the ModelInferRequest with its outputs as inputs: one field number
// differs.
std::string request_of(std::string_view response) {
    ProtobufWriter out;
    ProtobufReader reader(std::as_bytes(std::span(response)));
    while (reader.next()) {
        uint32_t field = reader.tag() >> 3;
        TRITONPY_CHECK((reader.tag() & 7) == static_cast<uint32_t>(WireType::kLength));
        out.bytes_field(field == 6 ? 7 : field, text_of(reader.bytes()));
    }
    TRITONPY_CHECK(reader.failure() == nullptr);
    return out.take();
}

void check_round_trip(const InferenceRequest& request) {
    InferenceResponse response = make_response(request.inputs);
    response.request->id = request.id;
    response.parameters = request.parameters;
    EncodedBody body;
    TRITONPY_CHECK(encode_infer_protobuf(response, body).ok());
    ProtobufResult decoded = decode_protobuf(request_of(joined(body)));
    TRITONPY_CHECK(decoded.result.ok());
    const InferenceRequest& again = *decoded.result.value().request;
    TRITONPY_CHECK(again.id == request.id);
    TRITONPY_CHECK(again.parameters.size() == request.parameters.size());
    TRITONPY_CHECK(again.inputs.size() == request.inputs.size());
    for (size_t index = 0; index < again.inputs.size(); ++index) {
        TRITONPY_CHECK(again.inputs[index].name == request.inputs[index].name);
        TRITONPY_CHECK(again.inputs[index].data_type == request.inputs[index].data_type);
        TRITONPY_CHECK(again.inputs[index].shape == request.inputs[index].shape);
        TRITONPY_CHECK(text_of(again.inputs[index].data) == text_of(request.inputs[index].data));
    }
    EncodedBody stream_body;
    TRITONPY_CHECK(encode_stream_infer_protobuf(response, request.id, stream_body).ok());
    TRITONPY_CHECK(stream_body.size() > body.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view message(reinterpret_cast<const char*>(data), size);
    ProtobufResult decoded = decode_protobuf(message);
    if (decoded.result.ok()) {
        check_decoded_request(*decoded.result.value().request);
        check_round_trip(*decoded.result.value().request);
    } else {
        TRITONPY_CHECK(!decoded.result.status().message().empty());
    }
    return 0;
}
