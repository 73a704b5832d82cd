// Goal: a V2 JSON body becomes the request it says, and a wrong one gets Triton's text and code.
// Method: one body per rule of the protocol; errors as a table of body and Status.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "wire/wire_fixture.h"

namespace tritonpy {
namespace {

Status error_of(std::string_view body, std::optional<int64_t> json_length = std::nullopt) {
    return decode_json(body, json_length).result.status();
}

// The only input of a body that must decode.
struct OnlyInput {
    explicit OnlyInput(JsonResult decoded) : decoded_(std::move(decoded)) {
        EXPECT_TRUE(decoded_.result.ok()) << decoded_.result.status().message();
    }
    const Tensor& tensor() const { return decoded_.result.value()->inputs.at(0); }

  private:
    JsonResult decoded_;
};

template <typename T>
std::vector<T> data_values(std::string_view type, std::string_view shape, std::string_view data) {
    return values_of<T>(OnlyInput(decode_json(json_with_data(type, shape, data))).tensor());
}

std::string with_parameters(std::string_view parameters) {
    return "{\"parameters\":" + std::string(parameters) + ",\"inputs\":[]}";
}

std::string with_outputs(std::string_view outputs) {
    return "{\"inputs\":[],\"outputs\":" + std::string(outputs) + "}";
}

TEST(V2JsonDecode, data_of_every_type) {
    EXPECT_EQ(data_values<uint8_t>("BOOL", "[3]", "[true,false,true]"),
              (std::vector<uint8_t>{1, 0, 1}));
    EXPECT_EQ(data_values<uint8_t>("UINT8", "[2]", "[0,255]"), (std::vector<uint8_t>{0, 255}));
    EXPECT_EQ(data_values<uint16_t>("UINT16", "[1]", "[65535]"), std::vector<uint16_t>{65535});
    EXPECT_EQ(data_values<uint32_t>("UINT32", "[1]", "[4294967295]"),
              std::vector<uint32_t>{UINT32_MAX});
    EXPECT_EQ(data_values<uint64_t>("UINT64", "[2]", "[18446744073709551615,-0]"),
              (std::vector<uint64_t>{UINT64_MAX, 0}));
    EXPECT_EQ(data_values<int8_t>("INT8", "[2]", "[-128,127]"), (std::vector<int8_t>{-128, 127}));
    EXPECT_EQ(data_values<int16_t>("INT16", "[1]", "[-32768]"), std::vector<int16_t>{-32768});
    EXPECT_EQ(data_values<int32_t>("INT32", "[1]", "[-2147483648]"),
              std::vector<int32_t>{INT32_MIN});
    EXPECT_EQ(data_values<int64_t>("INT64", "[2]", "[-9223372036854775808,9223372036854775807]"),
              (std::vector<int64_t>{INT64_MIN, INT64_MAX}));
    EXPECT_EQ(data_values<float>("FP32", "[5]", "[1,-2.5,1e3,0.1,-0]"),
              (std::vector<float>{1, -2.5f, 1000, 0.1f, -0.0f}));
    EXPECT_EQ(data_values<double>("FP64", "[3]", "[0.1,5e-324,1.7976931348623157e308]"),
              (std::vector<double>{0.1, 5e-324, std::numeric_limits<double>::max()}));
    OnlyInput strings(decode_json(json_with_data("BYTES", "[3]", R"(["","a\u0000b","\u00e9"])")));
    EXPECT_EQ(strings_of(strings.tensor()),
              (std::vector<std::string>{"", std::string("a\0b", 3), "\xC3\xA9"}));
}

TEST(V2JsonDecode, floats_are_rounded_once) {
    // 1 + 2^-24 + 2^-60: through a double it would round to 1, correctly it is the next float up.
    EXPECT_EQ(data_values<float>("FP32", "[1]", "[1.0000000596046447753906251]"),
              std::vector<float>{std::nextafterf(1.0f, 2.0f)});
}

TEST(V2JsonDecode, numbers_beyond_a_float_become_infinite_or_zero) {
    EXPECT_EQ(data_values<float>("FP32", "[4]", "[1e39,-1e39,1e-60,1e-320]"),
              (std::vector<float>{INFINITY, -INFINITY, 0, 0}));
    std::vector<double> tiny = data_values<double>("FP64", "[2]", "[1e-400,-1e-400]");
    EXPECT_EQ(tiny, (std::vector<double>{0, 0}));
    EXPECT_TRUE(std::signbit(tiny[1]));
}

TEST(V2JsonDecode, nan_and_infinity_are_read) {
    std::vector<float> values =
        data_values<float>("FP32", "[6]", "[NaN,-NaN,Infinity,-Infinity,Inf, -Inf ]");
    EXPECT_TRUE(std::isnan(values[0]));
    EXPECT_TRUE(std::isnan(values[1]));
    EXPECT_EQ(std::vector<float>(values.begin() + 2, values.end()),
              (std::vector<float>{INFINITY, -INFINITY, INFINITY, -INFINITY}));
}

TEST(V2JsonDecode, integers_too_large_for_a_narrow_type_are_cut) {
    EXPECT_EQ(data_values<uint8_t>("UINT8", "[1]", "[257]"), std::vector<uint8_t>{1});
    EXPECT_EQ(data_values<int32_t>("INT32", "[1]", "[4294967297]"), std::vector<int32_t>{1});
}

TEST(V2JsonDecode, data_may_be_nested_at_will) {
    std::vector<int32_t> expected{1, 2, 3, 4};
    for (std::string_view data : {"[1,2,3,4]", "[[1,2],[3,4]]", "[[[1]],[[2,3]], 4 ]",
                                  " [ [ 1 ,\t2 ] ,\n[ 3 , 4 ] , [ ] ] "}) {
        EXPECT_EQ(data_values<int32_t>("INT32", "[2,2]", data), expected) << data;
    }
}

TEST(V2JsonDecode, scalars_and_empty_tensors) {
    OnlyInput scalar(decode_json(json_with_data("FP32", "[]", "[5]")));
    EXPECT_EQ(scalar.tensor().shape.rank(), 0u);
    EXPECT_EQ(values_of<float>(scalar.tensor()), std::vector<float>{5});
    for (std::string_view type : {"FP32", "BYTES", "BOOL"}) {
        OnlyInput empty(decode_json(json_with_data(type, "[2,0,4]", "[[],[]]")));
        EXPECT_TRUE(empty.tensor().data.empty());
        EXPECT_EQ(empty.tensor().shape, (Shape{2, 0, 4}));
    }
}

TEST(V2JsonDecode, keys_may_come_in_any_order) {
    OnlyInput input(decode_json(
        R"({"unknown":[{}],"inputs":[{"data":[1.5],"datatype":"FP32","shape":[1],"name":"IN"}]})"));
    EXPECT_EQ(values_of<float>(input.tensor()), std::vector<float>{1.5f});
}

TEST(V2JsonDecode, request_fields_and_parameters) {
    JsonResult decoded = decode_json(with_parameters(
        R"({"sequence_id":7,"sequence_start":true,"sequence_end":true,"priority":3,)"
        R"("timeout":1000,"binary_data_output":true,"i":-4,"u":18446744073709551615,"b":false,)"
        R"("d":0.25,"s":"x"})"));
    ASSERT_TRUE(decoded.result.ok());
    const InferenceRequest& request = *decoded.result.value();
    EXPECT_EQ(std::get<uint64_t>(request.correlation_id), 7u);
    EXPECT_EQ(request.flags, InferenceRequest::kSequenceStart | InferenceRequest::kSequenceEnd);
    EXPECT_EQ(request.priority, 3u);
    EXPECT_EQ(request.timeout_us, 1000u);
    EXPECT_TRUE(request.binary_data_output);
    EXPECT_EQ(request.parameters,
              (std::vector<Parameter>{{"i", int64_t{-4}},
                                      {"u", UINT64_MAX},
                                      {"b", false},
                                      {"d", 0.25},
                                      {"s", std::string("x")}}));
    JsonResult named =
        decode_json(R"({"id":"abc","parameters":{"sequence_id":"seq","n":1},"inputs":[]})");
    EXPECT_EQ(named.result.value()->id, "abc");
    EXPECT_EQ(std::get<std::string>(named.result.value()->correlation_id), "seq");
    EXPECT_EQ(named.result.value()->parameters,
              (std::vector<Parameter>{{"n", int64_t{1}}}));
}

TEST(V2JsonDecode, requested_outputs) {
    JsonResult decoded = decode_json(with_outputs(
        R"([{"name":"A"},{"name":"B","parameters":{"binary_data":true,"x":1,"y":null}},)"
        R"({"name":"C","parameters":{"classification":5,"binary_data":false}},)"
        R"({"name":"D","parameters":{"classification":99999999999}}])"));
    ASSERT_TRUE(decoded.result.ok()) << decoded.result.status().message();
    const std::vector<RequestedOutput>& outputs = decoded.result.value()->outputs;
    ASSERT_EQ(outputs.size(), 4u);
    EXPECT_EQ(outputs[0].name, "A");
    EXPECT_FALSE(outputs[0].binary_data.has_value());
    EXPECT_EQ(outputs[1].binary_data, true);
    EXPECT_EQ(outputs[2].classification_count, 5u);
    EXPECT_EQ(outputs[2].binary_data, false);
    EXPECT_EQ(outputs[3].classification_count, UINT32_MAX);
}

TEST(V2JsonDecode, binary_inputs_borrow_the_body_in_order) {
    std::string json =
        R"({"inputs":[{"name":"A","shape":[2],"datatype":"UINT8","parameters":)"
        R"({"binary_data_size":2}},{"name":"J","shape":[1],"datatype":"INT8","data":[9]},)"
        R"({"name":"E","shape":[0],"datatype":"FP32","parameters":{"binary_data_size":0}},)"
        R"({"name":"B","shape":[1],"datatype":"UINT16","parameters":{"binary_data_size":2}}]})";
    BlockPool pool;
    BufferRef body = text_buffer(json + "\x01\x02\x03\x04");
    auto result = decode_infer_json(body, static_cast<int64_t>(json.size()),
                                    model_with(DataType::kFp32, {1}), kTestMaxInputSize, pool);
    ASSERT_TRUE(result.ok()) << result.status().message();
    const std::vector<Tensor>& inputs = result.value()->inputs;
    ASSERT_EQ(inputs.size(), 4u);
    EXPECT_EQ(inputs[0].data.data(), body->data() + json.size());
    EXPECT_EQ(values_of<uint8_t>(inputs[0]), (std::vector<uint8_t>{1, 2}));
    EXPECT_EQ(values_of<int8_t>(inputs[1]), std::vector<int8_t>{9});
    EXPECT_TRUE(inputs[2].data.empty());
    EXPECT_EQ(values_of<uint16_t>(inputs[3]), std::vector<uint16_t>{0x0403});
}

TEST(V2JsonDecode, body_stays_alive_through_its_tensors) {
    OnlyInput input(decode_binary(
        R"({"inputs":[{"name":"A","shape":[2],"datatype":"FP16","parameters":)"
        R"({"binary_data_size":4}}]})", "abcd"));
    EXPECT_EQ(text_of(input.tensor().data), "abcd");
}

TEST(V2JsonDecode, raw_request_takes_its_shape_from_the_model) {
    auto raw_shape = [](DataType type, const Shape& dims, int32_t max_batch_size,
                        std::string_view body) {
        OnlyInput input(decode_json(body, 0, model_with(type, dims, max_batch_size)));
        EXPECT_EQ(text_of(input.tensor().data), body);
        EXPECT_EQ(input.tensor().name, "IN");
        return input.tensor().shape;
    };
    EXPECT_EQ(raw_shape(DataType::kFp32, {-1}, 8, "abcdefgh"), (Shape{1, 2}));
    EXPECT_EQ(raw_shape(DataType::kFp32, {-1}, 0, "abcdefgh"), (Shape{2}));
    EXPECT_EQ(raw_shape(DataType::kUint8, {2, -1, 2}, 0, "abcdefgh"), (Shape{2, 2, 2}));
    EXPECT_EQ(raw_shape(DataType::kUint8, {0, -1}, 0, ""), (Shape{0, 0}));
    EXPECT_EQ(raw_shape(DataType::kFp32, {16}, 8, "abcd"), (Shape{1, 16}));  // refused later
    JsonResult decoded = decode_json("abcd", 0);
    EXPECT_TRUE(decoded.result.value()->binary_data_output);
    EXPECT_TRUE(decoded.result.value()->outputs.empty());
}

TEST(V2JsonDecode, raw_bytes_request_gets_its_length_prefixed) {
    OnlyInput input(decode_json("hello", 0, model_with(DataType::kBytes, {1})));
    EXPECT_EQ(input.tensor().shape, (Shape{1, 1}));
    EXPECT_EQ(strings_of(input.tensor()), std::vector<std::string>{"hello"});
    OnlyInput empty(decode_json("", 0, model_with(DataType::kBytes, {1}, 0)));
    EXPECT_EQ(strings_of(empty.tensor()), std::vector<std::string>{""});
    EXPECT_EQ(decode_json("x", 0, model_with(DataType::kBytes, {-1})).result.status(),
              invalid_arg("For BYTE datatype raw input 'IN', the model must have input shape [1]"));
}

TEST(V2JsonDecode, raw_request_errors) {
    EXPECT_EQ(decode_json("abcd", 0, model_with(DataType::kFp32, {-1, -1})).result.status(),
              invalid_arg("The shape of the raw input 'IN' can not be deduced because there are "
                          "more than one variable-sized dimension"));
    ModelIdentity two = model_with(DataType::kFp32, {1});
    two.inputs.push_back(two.inputs[0]);
    two.inputs.push_back(two.inputs[0]);
    EXPECT_EQ(decode_json("abcd", 0, two).result.status(),
              invalid_arg("Raw request must only have 1 input (found 1) to be deduced but got 3 "
                          "inputs in 'm' model configuration"));
    EXPECT_EQ(decode_json("abcdefgh", 0, model_with(DataType::kFp32, {2}), 7).result.status(),
              invalid_arg("Raw input has a byte_size (8 bytes) that exceeds the maximum allowed "
                          "value of 7 bytes. Use --http-max-input-size to increase the limit."));
}

TEST(V2JsonDecode, decoupled_model_is_unsupported) {
    ModelIdentity model = model_with(DataType::kFp32, {1});
    model.decoupled = true;
    EXPECT_EQ(decode_json("{}", std::nullopt, model).result.status(),
              unsupported("HTTP end point doesn't support models with decoupled transaction "
                          "policy"));
}

TEST(V2JsonDecode, header_length_texts) {
    EXPECT_EQ(parse_json_length("0").value(), 0);
    EXPECT_EQ(parse_json_length("2147483647").value(), 2147483647);
    EXPECT_EQ(parse_json_length("-5").value(), -5);
    EXPECT_EQ(parse_json_length("+5").value(), 5);
    for (std::string text : {"", "x", "1x", " 1", "1.5", "+", "+-5", "++5"}) {
        EXPECT_EQ(parse_json_length(text).status(),
                  invalid_arg("Unable to parse Inference-Header-Content-Length, got: " + text));
    }
    for (std::string text : {"2147483648", "-2147483649", "99999999999999999999"}) {
        EXPECT_EQ(parse_json_length(text).status(),
                  invalid_arg("Unable to parse Inference-Header-Content-Length, value is out of "
                              "range [ -2147483648, 2147483647 ], got: " + text));
    }
    EXPECT_EQ(error_of("{}", 3),
              invalid_arg("inference header size should be in range (0, 2), got: 3"));
    EXPECT_EQ(error_of("{}", -1),
              invalid_arg("inference header size should be in range (0, 2), got: -1"));
}

TEST(V2JsonDecode, sizes_are_limited_by_max_input_size) {
    std::string body = json_with_data("INT8", "[2]", "[1,2]");
    ModelIdentity model = model_with(DataType::kInt8, {-1});
    EXPECT_TRUE(decode_json(body, std::nullopt, model, body.size()).result.ok());
    EXPECT_EQ(decode_json(body, std::nullopt, model, body.size() - 1).result.status(),
              invalid_arg("request JSON size of " + std::to_string(body.size()) +
                          " bytes exceeds the maximum allowed input size of " +
                          std::to_string(body.size() - 1) +
                          " bytes. Use --http-max-input-size to increase the limit."));
    std::string expanding = json_with_data("FP64", "[16]", "[1,2]");
    EXPECT_EQ(decode_json(expanding, std::nullopt, model, 100).result.status(),
              invalid_arg("JSON input 'IN' has a byte_size (128 bytes) that exceeds the maximum "
                          "allowed value of 100 bytes. Use --http-max-input-size to increase the "
                          "limit."));
}

struct Row {
    std::string body;
    Status status;
};

TEST(V2JsonDecode, input_errors) {
    const std::string unknown = "attempt to access non-existing object member '";
    const std::string only_one =
        "Input must set only one of the following fields: 'data', 'binary_data_size' in "
        "'parameters', 'shared_memory_region' in 'parameters'. But ";
    auto input = [](std::string_view fields) {
        return "{\"inputs\":[{" + std::string(fields) + "}]}";
    };
    auto sourced = [&](std::string_view source) {
        return input(R"("name":"IN","shape":[1],"datatype":"FP32")" + std::string(source));
    };
    const Row rows[] = {
        {"{}", internal_error("Unable to parse 'inputs': " + unknown + "inputs'")},
        {"[]", internal_error("Unable to parse 'inputs': " + unknown + "inputs'")},
        {R"({"inputs":{}})", internal_error("Unable to parse 'inputs': attempt to access JSON "
                                            "non-array as array")},
        {R"({"inputs":[1]})", internal_error("Unable to parse 'inputs': attempt to access JSON "
                                             "non-object as object")},
        {input(""), internal_error("Unable to parse 'name': " + unknown + "name'")},
        {input(R"("name":5)"), internal_error("Unable to parse 'name': attempt to access JSON "
                                              "non-string as string")},
        {input(R"("name":"IN")"), internal_error("Unable to parse 'datatype': " + unknown +
                                                 "datatype'")},
        {input(R"("name":"IN","datatype":"FP32")"),
         internal_error("Unable to parse 'shape': " + unknown + "shape'")},
        {input(R"("name":"IN","datatype":"FP32","shape":[-1],"data":[1])"),
         internal_error("Unable to parse 'shape': attempt to access JSON non-unsigned-integer as "
                        "unsigned-integer")},
        {input(R"("name":"IN","datatype":"FP32","shape":[1.0],"data":[1])"),
         internal_error("Unable to parse 'shape': attempt to access JSON non-unsigned-integer as "
                        "unsigned-integer")},
        {sourced(""), invalid_arg(only_one + "no field is set")},
        {sourced(R"(,"parameters":{})"), invalid_arg(only_one + "no field is set")},
        {sourced(R"(,"data":[1],"parameters":{"binary_data_size":4})"),
         invalid_arg(only_one + "set 'data' 'binary_data_size'")},
        {sourced(R"(,"parameters":{"shared_memory_region":"r","binary_data_size":4})"),
         invalid_arg(only_one + "set 'binary_data_size' 'shared_memory_region'")},
        {sourced(R"(,"parameters":{"shared_memory_region":"r"})"),
         not_found("Unable to find shared memory region: 'r'")},
        {sourced(R"(,"parameters":{"shared_memory_region":5})"),
         internal_error("Unable to parse 'shared_memory_region': attempt to access JSON "
                        "non-string as string")},
        {sourced(R"(,"parameters":7)"), internal_error("Unable to parse 'parameters': attempt to "
                                                       "access JSON non-object as object")},
        {sourced(R"(,"parameters":{"binary_data_size":-4})"),
         internal_error("Unable to parse 'binary_data_size': attempt to access JSON "
                        "non-unsigned-integer as unsigned-integer")},
        {sourced(R"(,"parameters":{"binary_data_size":4})"),
         invalid_arg("must specify valid 'Infer-Header-Content-Length' in request header and "
                     "'binary_data_size' when passing inputs in binary data format")},
        {sourced(R"(,"data":1)"), internal_error("Unable to parse 'data': attempt to access JSON "
                                                 "non-array as array")},
        {R"({"inputs":[{"name":"IN","shape":[0],"datatype":"FP32","data":[]},)"
         R"({"name":"IN","shape":[0],"datatype":"FP32","data":[]}]})",
         invalid_arg("input 'IN' already exists in request")},
        {R"({"id":7,"inputs":[]})", internal_error("Unable to parse 'id': attempt to access JSON "
                                                   "non-string as string")},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(error_of(row.body), row.status) << row.body << error_of(row.body).message();
    }
}

TEST(V2JsonDecode, data_errors) {
    auto access = [](std::string what) {
        return internal_error("Unable to parse 'data': attempt to access JSON non-" + what +
                              " as " + what);
    };
    const std::string json_not_supported =
        " data via JSON is not supported. Please use the binary data format for input IN";
    const Row rows[] = {
        {json_with_data("BOOL", "[1]", "[1]"), access("boolean")},
        {json_with_data("UINT8", "[1]", "[-1]"), access("unsigned-integer")},
        {json_with_data("UINT64", "[1]", "[1.0]"), access("unsigned-integer")},
        {json_with_data("UINT64", "[1]", "[18446744073709551616]"), access("unsigned-integer")},
        {json_with_data("UINT32", "[1]", "[true]"), access("unsigned-integer")},
        {json_with_data("INT8", "[1]", "[1e2]"), access("signed-integer")},
        {json_with_data("INT64", "[1]", "[9223372036854775808]"), access("signed-integer")},
        {json_with_data("INT64", "[1]", "[NaN]"), access("signed-integer")},
        {json_with_data("INT32", "[2]", "[1,null]"), access("signed-integer")},
        {json_with_data("FP32", "[1]", "[\"1\"]"), access("number")},
        {json_with_data("FP64", "[1]", "[false]"), access("number")},
        {json_with_data("FP64", "[1]", "[[{\"a\":1}]]"), access("number")},
        {json_with_data("FP64", "[0]", "[{}]"), access("number")},
        {json_with_data("BYTES", "[1]", "[1]"), access("string")},
        {json_with_data("BYTES", "[2]", "[\"a\",null]"), access("string")},
        {json_with_data("BYTES", "[1]", "[{\"a\":\"b\"}]"), access("string")},
        {json_with_data("FP16", "[1]", "[1]"), invalid_arg("receiving FP16" + json_not_supported)},
        {json_with_data("BF16", "[1]", "[1]"), invalid_arg("receiving BF16" + json_not_supported)},
        {json_with_data("FP32", "[2]", "[1,2,3]"),
         internal_error("Unable to parse 'data': Shape does not match true shape of 'data' field")},
        {json_with_data("FP32", "[2]", "[1]"),
         internal_error("Failed to parse 'data' field: shape does not match true shape")},
        {json_with_data("BYTES", "[9999999999]", "[\"a\"]"),
         internal_error("Failed to parse 'data' field: shape does not match true shape")},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(error_of(row.body), row.status) << row.body << error_of(row.body).message();
    }
}

TEST(V2JsonDecode, shape_errors) {
    const std::string prefix = "invalid shape for input 'IN': shape ";
    EXPECT_EQ(error_of(json_with_data("FP32", "[18446744073709551615]", "[1]")),
              invalid_arg(prefix + "[-1] contains one or more invalid dimensions"));
    EXPECT_EQ(error_of(json_with_data("FP32", "[4294967296,4294967296]", "[1]")),
              invalid_arg(prefix + "[4294967296,4294967296] causes total element count to exceed "
                                   "maximum size of 9223372036854775807"));
    EXPECT_EQ(error_of(json_with_data("FP64", "[9223372036854775807]", "[1]")),
              invalid_arg("byte size overflow for input 'IN'"));
    std::string ones = "[1";
    for (int rank = 1; rank < 32; ++rank) {
        ones += ",1";
    }
    EXPECT_TRUE(error_of(json_with_data("FP32", ones + "]", "[1]")).ok());
    EXPECT_EQ(error_of(json_with_data("FP32", ones + ",1]", "[1]")),
              invalid_arg("invalid shape for input 'IN': it has more than 32 dimensions"));
}

TEST(V2JsonDecode, binary_size_errors) {
    std::string json = R"({"inputs":[{"name":"IN","shape":[2],"datatype":"FP32","parameters":)"
                       R"({"binary_data_size":8}}]})";
    EXPECT_TRUE(decode_binary(json, "12345678").result.ok());
    EXPECT_EQ(decode_binary(json, "12345").result.status(),
              invalid_arg("unexpected size for input 'IN', expecting 3 additional bytes for model "
                          "'m'"));
    EXPECT_EQ(decode_binary(json, "123456789").result.status(),
              invalid_arg("unexpected additional input data for model 'm'"));
    std::string huge = R"({"inputs":[{"name":"IN","shape":[2],"datatype":"FP32","parameters":)"
                       R"({"binary_data_size":18446744073709551615}}]})";
    EXPECT_EQ(decode_binary(huge, "12345678").result.status(),
              invalid_arg("unexpected size for input 'IN', expecting 18446744073709551607 "
                          "additional bytes for model 'm'"));
}

TEST(V2JsonDecode, parameter_errors) {
    const Status reserved =
        invalid_arg("parameter keys starting with 'triton_' are reserved for Triton usage and "
                    "should not be specified.");
    auto wrong_type = [](std::string key, std::string what) {
        return internal_error("Unable to parse '" + key + "': attempt to access JSON non-" + what +
                              " as " + what);
    };
    auto invalid = [](std::string key) {
        return invalid_arg("parameter '" + key + "' has invalid type. It should be either 'int', "
                           "'bool', or 'string'.");
    };
    const Row rows[] = {
        {with_parameters("5"), wrong_type("parameters", "object")},
        {with_parameters(R"({"triton_x":1})"), reserved},
        {with_parameters(R"({"headers":1})"), reserved},
        {with_parameters(R"({"x":null})"), invalid("x")},
        {with_parameters(R"({"x":[1]})"), invalid("x")},
        {with_parameters(R"({"x":{}})"), invalid("x")},
        {with_parameters(R"({"sequence_id":-1})"), wrong_type("sequence_id", "string")},
        {with_parameters(R"({"sequence_start":1})"), wrong_type("sequence_start", "boolean")},
        {with_parameters(R"({"sequence_end":"x"})"), wrong_type("sequence_end", "boolean")},
        {with_parameters(R"({"priority":-1})"), wrong_type("priority", "unsigned-integer")},
        {with_parameters(R"({"timeout":1.5})"), wrong_type("timeout", "unsigned-integer")},
        {with_parameters(R"({"binary_data_output":0})"),
         wrong_type("binary_data_output", "boolean")},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(error_of(row.body), row.status) << row.body << error_of(row.body).message();
    }
}

TEST(V2JsonDecode, output_errors) {
    const Row rows[] = {
        {with_outputs("{}"), internal_error("Unable to parse 'outputs': attempt to access JSON "
                                            "non-array as array")},
        {with_outputs("[5]"), internal_error("Unable to parse 'outputs': attempt to access JSON "
                                             "non-object as object")},
        {with_outputs("[{}]"), internal_error("Unable to parse 'name': attempt to access "
                                              "non-existing object member 'name'")},
        {with_outputs(R"([{"name":"A"},{"name":"A"}])"),
         invalid_arg("output 'A' already exists in request")},
        {with_outputs(R"([{"name":"A","parameters":{"classification":-1}}])"),
         internal_error("Unable to parse 'classification': attempt to access JSON "
                        "non-unsigned-integer as unsigned-integer")},
        {with_outputs(R"([{"name":"A","parameters":{"binary_data":1}}])"),
         internal_error("Unable to parse 'binary_data': attempt to access JSON non-boolean as "
                        "boolean")},
        {with_outputs(R"([{"name":"A","parameters":{"shared_memory_region":"r"}}])"),
         not_found("Unable to find shared memory region: 'r'")},
        {with_outputs(R"([{"name":"A","parameters":{"shared_memory_region":"r",)"
                      R"("classification":1}}])"),
         invalid_arg("Output can't set both 'shared_memory_region' and 'classification'")},
        {with_outputs(R"([{"name":"A","parameters":{"binary_data":true,)"
                      R"("shared_memory_region":"r"}}])"),
         invalid_arg("Output can't set both 'shared_memory_region' and 'binary_data'")},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(error_of(row.body), row.status) << row.body << error_of(row.body).message();
    }
}

TEST(V2JsonDecode, unknown_data_type_is_left_to_the_request_check) {
    OnlyInput json(decode_json(json_with_data("FLOAT", "[1]", "[1]")));
    EXPECT_EQ(json.tensor().data_type, DataType::kInvalid);
    OnlyInput binary(decode_binary(
        R"({"inputs":[{"name":"A","shape":[1],"datatype":"fp32","parameters":)"
        R"({"binary_data_size":4}}]})", "abcd"));
    EXPECT_EQ(binary.tensor().data_type, DataType::kInvalid);
}

}  // namespace
}  // namespace tritonpy
