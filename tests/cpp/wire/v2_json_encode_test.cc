// Goal: a response becomes the JSON that Triton's clients read, key by key.
// Method: whole bodies compared as text; the pieces of binary bodies compared by address.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "wire/wire_fixture.h"

namespace tritonpy {
namespace {

std::string encoded(const InferenceResponse& response) {
    EncodedBody body;
    Status status = encode_infer_json(response, body);
    EXPECT_TRUE(status.ok()) << status.message();
    return joined(body);
}

std::string encoded_output(Tensor tensor) {
    std::vector<Tensor> outputs;
    outputs.push_back(std::move(tensor));
    return encoded(make_response(std::move(outputs)));
}

std::string body_with(std::string_view output) {
    return "{\"model_name\":\"m\",\"model_version\":\"3\",\"outputs\":[" + std::string(output) +
           "]}";
}

Status encode_error(Tensor tensor) {
    std::vector<Tensor> outputs;
    outputs.push_back(std::move(tensor));
    InferenceResponse response = make_response(std::move(outputs));
    EncodedBody body;
    Status status = encode_infer_json(response, body);
    EXPECT_EQ(body.size(), 0u);
    return status;
}

TEST(V2JsonEncode, keys_come_in_order) {
    std::vector<Tensor> outputs;
    outputs.push_back(make_tensor<float>("A", {1, 2}, {1.5f, NAN}));
    outputs.push_back(make_tensor<int32_t>("B", {0, 4}, {}));
    InferenceResponse response = make_response(std::move(outputs));
    response.request->id = "id\"1";
    response.parameters = {{"b", true}, {"s", std::string("x")}, {"i", int64_t{-3}}};
    EXPECT_EQ(encoded(response),
              "{\"id\":\"id\\\"1\",\"model_name\":\"m\",\"model_version\":\"3\",\"parameters\":"
              "{\"b\":true,\"s\":\"x\",\"i\":-3},\"outputs\":["
              "{\"name\":\"A\",\"datatype\":\"FP32\",\"shape\":[1,2],\"data\":[1.5,NaN]},"
              "{\"name\":\"B\",\"datatype\":\"INT32\",\"shape\":[0,4],\"data\":[]}]}");
}

TEST(V2JsonEncode, no_outputs_is_an_empty_list) {
    EXPECT_EQ(encoded(make_response({})), body_with(""));
}

TEST(V2JsonEncode, data_of_every_type) {
    auto output = [](std::string_view type, std::string_view shape, std::string_view data) {
        return body_with("{\"name\":\"O\",\"datatype\":\"" + std::string(type) +
                         "\",\"shape\":" + std::string(shape) + ",\"data\":[" +
                         std::string(data) + "]}");
    };
    std::vector<std::byte> flags{std::byte{1}, std::byte{0}, std::byte{2}};
    EXPECT_EQ(encoded_output(make_raw_tensor("O", DataType::kBool, {3}, flags)),
              output("BOOL", "[3]", "true,false,true"));
    EXPECT_EQ(encoded_output(make_tensor<uint8_t>("O", {1}, {255})), output("UINT8", "[1]", "255"));
    EXPECT_EQ(encoded_output(make_tensor<uint16_t>("O", {1}, {65535})),
              output("UINT16", "[1]", "65535"));
    EXPECT_EQ(encoded_output(make_tensor<uint32_t>("O", {1}, {UINT32_MAX})),
              output("UINT32", "[1]", "4294967295"));
    EXPECT_EQ(encoded_output(make_tensor<uint64_t>("O", {1}, {UINT64_MAX})),
              output("UINT64", "[1]", "18446744073709551615"));
    EXPECT_EQ(encoded_output(make_tensor<int8_t>("O", {2}, {-128, 127})),
              output("INT8", "[2]", "-128,127"));
    EXPECT_EQ(encoded_output(make_tensor<int16_t>("O", {1}, {INT16_MIN})),
              output("INT16", "[1]", "-32768"));
    EXPECT_EQ(encoded_output(make_tensor<int32_t>("O", {1}, {INT32_MIN})),
              output("INT32", "[1]", "-2147483648"));
    EXPECT_EQ(encoded_output(make_tensor<int64_t>("O", {1}, {INT64_MIN})),
              output("INT64", "[1]", "-9223372036854775808"));
    EXPECT_EQ(encoded_output(make_tensor<float>("O", {}, {0.1f})), output("FP32", "[]", "0.1"));
    EXPECT_EQ(encoded_output(make_tensor<double>("O", {2}, {INFINITY, -INFINITY})),
              output("FP64", "[2]", "Infinity,-Infinity"));
    EXPECT_EQ(encoded_output(make_string_tensor("O", {3}, {"", "\xC3\xA9\n", "b"})),
              output("BYTES", "[3]", "\"\",\"\xC3\xA9\\n\",\"b\""));
}

TEST(V2JsonEncode, types_without_json_form_are_refused) {
    for (DataType type : {DataType::kFp16, DataType::kBf16}) {
        EXPECT_EQ(encode_error(make_raw_tensor("O", type, {1}, std::vector<std::byte>(2))),
                  invalid_arg("sending " + std::string(wire_name(type)) +
                              " data via JSON is not supported. Please use the binary data format "
                              "for output O"));
    }
    EXPECT_EQ(encode_error(make_string_tensor("O", {1}, {"a\xFF"})),
              invalid_arg("sending BYTES data that is not UTF-8 via JSON is not supported. Please "
                          "use the binary data format for output O"));
}

TEST(V2JsonEncode, data_that_contradicts_its_shape_is_an_internal_error) {
    EXPECT_EQ(encode_error(make_tensor<float>("O", {3}, {1, 2})).code(), StatusCode::kInternal);
    EXPECT_EQ(encode_error(make_tensor<float>("O", {-1}, {1, 2})).code(), StatusCode::kInternal);
    EXPECT_EQ(encode_error(make_string_tensor("O", {3}, {"a"})).code(), StatusCode::kInternal);
    std::vector<std::byte> cut(3);
    EXPECT_EQ(encode_error(make_raw_tensor("O", DataType::kBytes, {1}, cut)).code(),
              StatusCode::kInternal);
    EXPECT_EQ(encode_error(make_raw_tensor("O", DataType::kInvalid, {1}, cut)).code(),
              StatusCode::kInternal);
}

TEST(V2JsonEncode, binary_outputs_follow_the_json_without_a_copy) {
    std::vector<Tensor> outputs;
    outputs.push_back(make_tensor<float>("A", {1}, {1.5f}));
    outputs.push_back(make_tensor<float>("E", {0}, {}));
    outputs.push_back(make_tensor<float>("J", {1}, {2.5f}));
    outputs.push_back(make_raw_tensor("H", DataType::kFp16, {1}, std::vector<std::byte>(2)));
    InferenceResponse response = make_response(std::move(outputs));
    response.request->binary_data_output = true;
    request_output(response, "A", 0);
    request_output(response, "E", 0, true);
    request_output(response, "J", 0, false);
    EncodedBody body;
    ASSERT_TRUE(encode_infer_json(response, body).ok());
    std::string json = body_with(
        "{\"name\":\"A\",\"datatype\":\"FP32\",\"shape\":[1],\"parameters\":{\"binary_data_size\":"
        "4}},{\"name\":\"E\",\"datatype\":\"FP32\",\"shape\":[0],\"parameters\":"
        "{\"binary_data_size\":0}},{\"name\":\"J\",\"datatype\":\"FP32\",\"shape\":[1],\"data\":"
        "[2.5]},{\"name\":\"H\",\"datatype\":\"FP16\",\"shape\":[1],\"parameters\":"
        "{\"binary_data_size\":2}}");
    ASSERT_EQ(body.json_length, json.size());
    ASSERT_EQ(body.pieces().size(), 3u);
    EXPECT_EQ(text_of(body.pieces()[0]), json);
    EXPECT_EQ(body.pieces()[1].data(), response.outputs[0].data.data());
    EXPECT_EQ(body.pieces()[2].data(), response.outputs[3].data.data());
    EXPECT_EQ(body.size(), json.size() + 6);
}

TEST(V2JsonEncode, body_without_binary_output_has_no_json_length) {
    InferenceResponse response = make_response({});
    EncodedBody body;
    ASSERT_TRUE(encode_infer_json(response, body).ok());
    EXPECT_FALSE(body.json_length.has_value());
}

TEST(V2JsonEncode, classification_replaces_the_tensor) {
    std::vector<Tensor> outputs;
    outputs.push_back(make_tensor<float>("OUT", {1, 3}, {1, 3, 2}));
    InferenceResponse response = make_response(std::move(outputs));
    request_output(response, "OUT", 2);
    EXPECT_EQ(encoded(response),
              body_with("{\"name\":\"OUT\",\"datatype\":\"BYTES\",\"shape\":[1,2],\"data\":"
                        "[\"3.000000:1\",\"2.000000:2\"]}"));
    response.request->outputs[0].binary_data = true;
    EncodedBody body;
    ASSERT_TRUE(encode_infer_json(response, body).ok());
    EXPECT_EQ(joined(body),
              body_with("{\"name\":\"OUT\",\"datatype\":\"BYTES\",\"shape\":[1,2],\"parameters\":"
                        "{\"binary_data_size\":28}}") +
                  std::string("\x0A\0\0\0" "3.000000:1" "\x0A\0\0\0" "2.000000:2", 28));
}

TEST(V2JsonEncode, classification_that_fails_fails_the_response) {
    std::vector<Tensor> outputs;
    outputs.push_back(make_string_tensor("OUT", {1}, {"a"}));
    InferenceResponse response = make_response(std::move(outputs));
    request_output(response, "OUT", 2);
    EncodedBody body;
    EXPECT_EQ(encode_infer_json(response, body),
              invalid_arg("class result not available for output due to unsupported type "
                          "'BYTES'"));
}

}  // namespace
}  // namespace tritonpy
