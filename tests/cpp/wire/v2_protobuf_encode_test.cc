// Goal: a response becomes the bytes that every protobuf reader understands.
// Method: byte for byte what Google's own library serialises; pieces compared by address; sizes at
// the limit of a gRPC message without the memory for one.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/limits.h"
#include "wire/protobuf_reader.h"
#include "wire/wire_fixture.h"

namespace tritonpy {
namespace {

std::string to_hex(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string hex;
    for (char c : bytes) {
        auto byte = static_cast<unsigned char>(c);
        hex.push_back(kDigits[byte >> 4]);
        hex.push_back(kDigits[byte & 15]);
    }
    return hex;
}

InferenceResponse sample_response() {
    std::vector<Tensor> outputs;
    std::string_view text = "abcd";
    outputs.push_back(
        make_raw_tensor("OUT", DataType::kFp32, {1, 300}, std::as_bytes(std::span(text))));
    outputs.push_back(make_tensor<int32_t>("EMPTY", {0}, {}));
    InferenceResponse response = make_response(std::move(outputs));
    response.request->id = "id7";
    return response;
}

// All values of a length-delimited field of a message.
std::vector<std::string> fields_of(std::string_view message, uint32_t field) {
    std::vector<std::string> values;
    ProtobufReader reader(std::as_bytes(std::span(message)));
    while (reader.next()) {
        if (reader.tag() == protobuf_tag(field, WireType::kLength)) {
            values.push_back(text_of(reader.bytes()));
        } else {
            reader.skip();
        }
    }
    EXPECT_EQ(reader.failure(), nullptr);
    return values;
}

TEST(V2ProtobufEncode, writes_what_the_protobuf_library_writes) {
    InferenceResponse response = sample_response();
    response.parameters = {{"k", std::string("v")}};
    EncodedBody body;
    ASSERT_TRUE(encode_infer_protobuf(response, body).ok());
    EXPECT_EQ(to_hex(joined(body)),
              "0a016d1201331a0369643722080a016b12031a01762a100a034f55541204465033321a0301ac022a110a"
              "05454d5054591205494e5433321a01003204616263643200");
    EXPECT_EQ(body.size(), joined(body).size());
}

TEST(V2ProtobufEncode, tensor_bytes_are_borrowed) {
    InferenceResponse response = sample_response();
    EncodedBody body;
    ASSERT_TRUE(encode_infer_protobuf(response, body).ok());
    ASSERT_EQ(body.pieces().size(), 3u);
    EXPECT_EQ(body.pieces()[1].data(), response.outputs[0].data.data());
}

TEST(V2ProtobufEncode, parameters_of_every_type) {
    InferenceResponse response = make_response({});
    response.parameters = {{"b", false}, {"i", int64_t{-1}}, {"d", 1.0}, {"u", uint64_t{5}}};
    EncodedBody body;
    ASSERT_TRUE(encode_infer_protobuf(response, body).ok());
    std::vector<std::string> entries = fields_of(joined(body), 4);
    ASSERT_EQ(entries.size(), 4u);
    EXPECT_EQ(to_hex(fields_of(entries[0], 2).at(0)), "0800");
    EXPECT_EQ(to_hex(fields_of(entries[1], 2).at(0)), "10ffffffffffffffffff01");
    EXPECT_EQ(to_hex(fields_of(entries[2], 2).at(0)), "21000000000000f03f");
    EXPECT_EQ(to_hex(fields_of(entries[3], 2).at(0)), "2805");
}

TEST(V2ProtobufEncode, classification_replaces_the_tensor) {
    std::vector<Tensor> outputs;
    outputs.push_back(make_tensor<float>("OUT", {1, 3}, {1, 3, 2}));
    InferenceResponse response = make_response(std::move(outputs));
    request_output(response, "OUT", 2);
    EncodedBody body;
    ASSERT_TRUE(encode_infer_protobuf(response, body).ok());
    std::string message = joined(body);
    std::string output = fields_of(message, 5).at(0);
    EXPECT_EQ(fields_of(output, 2), std::vector<std::string>{"BYTES"});
    EXPECT_EQ(fields_of(output, 3), (std::vector<std::string>{"\x01\x02"}));
    EXPECT_EQ(fields_of(message, 6).at(0),
              std::string("\x0A\0\0\0" "3.000000:1" "\x0A\0\0\0" "2.000000:2", 28));
}

TEST(V2ProtobufEncode, strings_are_mended_to_utf8) {
    InferenceResponse response = make_response({});
    response.parameters = {{"s", std::string("a\xFF")}};
    EncodedBody body;
    ASSERT_TRUE(encode_infer_protobuf(response, body).ok());
    EXPECT_EQ(fields_of(fields_of(fields_of(joined(body), 4).at(0), 2).at(0), 3).at(0),
              "a\xEF\xBF\xBD");
}

TEST(V2ProtobufEncode, message_beyond_the_limit_is_an_error) {
    // The encoder borrows: the bytes that the tensor claims are never touched.
    Tensor huge;
    huge.name = "OUT";
    huge.data_type = DataType::kUint8;
    huge.shape = Shape{1, static_cast<int64_t>(limits::kMaxGrpcMessage)};
    std::byte byte{};
    huge.data = {&byte, limits::kMaxGrpcMessage};
    InferenceResponse response = make_response({});
    response.outputs.push_back(huge);
    for (bool stream : {false, true}) {
        EncodedBody body;
        Status status = stream ? encode_stream_infer_protobuf(response, "", body)
                               : encode_infer_protobuf(response, body);
        ASSERT_EQ(status.code(), StatusCode::kInternal);
        EXPECT_NE(status.message().find("'m'"), std::string_view::npos);
        EXPECT_EQ(body.size(), 0u);
    }
}

TEST(V2ProtobufEncode, stream_response_wraps_the_response_and_says_whether_it_is_final) {
    InferenceResponse response = sample_response();
    EncodedBody body;
    ASSERT_TRUE(encode_stream_infer_protobuf(response, "id7", body).ok());
    std::string message = joined(body);
    EXPECT_TRUE(fields_of(message, 1).empty());
    std::string inner = fields_of(message, 2).at(0);
    EXPECT_EQ(fields_of(inner, 6), (std::vector<std::string>{"abcd", ""}));
    EXPECT_EQ(fields_of(inner, 5).size(), 2u);
    std::string final_flag = fields_of(inner, 4).at(0);
    EXPECT_EQ(fields_of(final_flag, 1).at(0), "triton_final_response");
    EXPECT_EQ(to_hex(fields_of(final_flag, 2).at(0)), "0801");
}

TEST(V2ProtobufEncode, stream_error_carries_id_and_model) {
    InferenceResponse response = make_response({});
    response.status = internal_error("bad");
    EncodedBody body;
    ASSERT_TRUE(encode_stream_infer_protobuf(response, "id7", body).ok());
    EXPECT_EQ(to_hex(joined(body)),
              "0a0362616412280a016d1201331a03696437221b0a15747269746f6e5f66696e616c5f726573706f6e73"
              "6512020801");
}

TEST(V2ProtobufEncode, stream_response_without_request_or_model) {
    InferenceResponse response;
    response.status = not_found("no such model \xFF");
    response.final = false;
    EncodedBody body;
    ASSERT_TRUE(encode_stream_infer_protobuf(response, "", body).ok());
    std::string message = joined(body);
    EXPECT_EQ(fields_of(message, 1).at(0), "no such model \xEF\xBF\xBD");
    std::string inner = fields_of(message, 2).at(0);
    EXPECT_TRUE(fields_of(inner, 1).empty());
    EXPECT_EQ(to_hex(fields_of(fields_of(inner, 4).at(0), 2).at(0)), "0800");
}

TEST(V2ProtobufEncode, response_before_the_final_one_has_its_request_id_and_outputs) {
    InferenceResponse response = sample_response();
    response.request.reset();
    response.final = false;
    EncodedBody body;
    ASSERT_TRUE(encode_stream_infer_protobuf(response, "id8", body).ok());
    std::string inner = fields_of(joined(body), 2).at(0);
    EXPECT_EQ(fields_of(inner, 3), std::vector<std::string>{"id8"});
    EXPECT_EQ(fields_of(inner, 6).at(0), "abcd");
    EXPECT_EQ(to_hex(fields_of(fields_of(inner, 4).at(0), 2).at(0)), "0800");
}

TEST(V2ProtobufEncode, stream_error_without_a_model_has_text_and_id) {
    EXPECT_EQ(to_hex(encode_stream_error_protobuf("bad", "id7")), "0a0362616412051a03696437");
    EXPECT_EQ(to_hex(encode_stream_error_protobuf("bad", "")), "0a036261641200");
}

}  // namespace
}  // namespace tritonpy
