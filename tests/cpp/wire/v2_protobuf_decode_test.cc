// Goal: a ModelInferRequest becomes the request it says, and a wrong one gets Triton's text.
// Method: a message that Google's own library serialised; then messages built field by field, one
// per rule, and errors as a table of message and Status.
#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "wire/protobuf_reader.h"
#include "wire/wire_fixture.h"

namespace tritonpy {
namespace {

Status error_of(const std::string& message) { return decode_protobuf(message).result.status(); }

std::string from_hex(std::string_view hex) {
    std::string bytes;
    for (size_t at = 0; at < hex.size(); at += 2) {
        bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(at, 2)), nullptr, 16)));
    }
    return bytes;
}

RequestMessage with_input(InputMessage input, std::vector<std::string> raw = {}) {
    RequestMessage message;
    message.inputs = {input.bytes()};
    message.raw = std::move(raw);
    return message;
}

RequestMessage with_parameter(std::string_view name, const std::optional<ParameterValue>& value) {
    RequestMessage message;
    message.parameters = {parameter_entry(name, value)};
    return message;
}

RequestMessage with_output_parameters(std::vector<std::string> parameters) {
    RequestMessage message;
    message.outputs = {output_message("OUT", parameters)};
    return message;
}

// Packed numbers as field `field`.
std::string packed_varints(uint32_t field, const std::vector<uint64_t>& values) {
    ProtobufWriter packed;
    for (uint64_t value : values) {
        packed.varint(value);
    }
    ProtobufWriter out;
    out.bytes_field(field, packed.bytes());
    return out.take();
}

template <typename T>
std::string packed_fixed(uint32_t field, const std::vector<T>& values) {
    ProtobufWriter out;
    out.bytes_field(field, text_of(std::as_bytes(std::span(values))));
    return out.take();
}

// The values of the one input, whose data came typed.
template <typename T>
std::vector<T> typed_values(std::string_view type, int64_t count, const std::string& contents) {
    ProtobufResult decoded = decode_protobuf(
        with_input({"IN", std::string(type), {count}, contents, {}}).bytes());
    EXPECT_TRUE(decoded.result.ok()) << decoded.result.status().message();
    return values_of<T>(decoded.result.value().request->inputs.at(0));
}

TEST(V2ProtobufDecode, reads_what_the_protobuf_library_writes) {
    ProtobufResult decoded = decode_protobuf(from_hex(
        "0a016d1201331a0369643722110a0b73657175656e63655f6964120210072a270a01411204494e54381a020202"
        "2a181216ffffffffffffffffff01027f80ffffffffffffffff012a180a01421204465033321a01022a0a320800"
        "00c03f000000c02a160a0143120542595445531a01022a074200420378797a321b0a034f555412140a0e636c61"
        "7373696669636174696f6e12021005"));
    ASSERT_TRUE(decoded.result.ok()) << decoded.result.status().message();
    const InferenceRequest& request = *decoded.result.value().request;
    EXPECT_EQ(request.model_name, "m");
    EXPECT_EQ(request.model_version, 3);
    EXPECT_EQ(request.id, "id7");
    EXPECT_EQ(std::get<uint64_t>(request.correlation_id), 7u);
    ASSERT_EQ(request.inputs.size(), 3u);
    EXPECT_EQ(request.inputs[0].shape, (Shape{2, 2}));
    EXPECT_EQ(values_of<int8_t>(request.inputs[0]), (std::vector<int8_t>{-1, 2, 127, -128}));
    EXPECT_EQ(values_of<float>(request.inputs[1]), (std::vector<float>{1.5f, -2}));
    EXPECT_EQ(strings_of(request.inputs[2]), (std::vector<std::string>{"", "xyz"}));
    ASSERT_EQ(request.outputs.size(), 1u);
    EXPECT_EQ(request.outputs[0].classification_count, 5u);
    EXPECT_FALSE(decoded.result.value().enable_empty_final_response);
}

TEST(V2ProtobufDecode, raw_contents_are_borrowed_in_input_order) {
    RequestMessage message;
    message.inputs = {InputMessage{"A", "FP16", {2}, {}, {}}.bytes(),
                      InputMessage{"E", "FP32", {0}, {}, {}}.bytes(),
                      InputMessage{"B", "UINT8", {1}, {}, {}}.bytes()};
    message.raw = {"abcd", "", "z"};
    std::string bytes = message.bytes();
    BufferRef buffer = text_buffer(bytes);
    BlockPool pool;
    Result<DecodedGrpcInfer> decoded = decode_infer_protobuf(buffer, pool);
    ASSERT_TRUE(decoded.ok()) << decoded.status().message();
    const std::vector<Tensor>& inputs = decoded.value().request->inputs;
    EXPECT_EQ(text_of(inputs[0].data), "abcd");
    EXPECT_EQ(inputs[0].data.data(), buffer->data() + bytes.find("abcd"));
    EXPECT_TRUE(inputs[1].data.empty());
    EXPECT_EQ(text_of(inputs[2].data), "z");
    EXPECT_EQ(decoded.value().request->model_version, -1);
    EXPECT_EQ(decoded.value().version_label, "");
}

TEST(V2ProtobufDecode, a_word_for_a_version_is_left_to_whoever_knows_labels) {
    RequestMessage message;
    message.model_version = "canary";
    BlockPool pool;
    Result<DecodedGrpcInfer> decoded = decode_infer_protobuf(text_buffer(message.bytes()), pool);
    ASSERT_TRUE(decoded.ok()) << decoded.status().message();
    EXPECT_EQ(decoded.value().request->model_version, -1);
    EXPECT_EQ(decoded.value().version_label, "canary");
}

TEST(V2ProtobufDecode, typed_contents_of_every_type) {
    constexpr uint64_t kMinusOne = UINT64_MAX;
    EXPECT_EQ(typed_values<uint8_t>("BOOL", 3, packed_varints(1, {1, 0, 5})),
              (std::vector<uint8_t>{1, 0, 1}));
    EXPECT_EQ(typed_values<int8_t>("INT8", 2, packed_varints(2, {kMinusOne, 127})),
              (std::vector<int8_t>{-1, 127}));
    EXPECT_EQ(typed_values<int16_t>("INT16", 1, packed_varints(2, {kMinusOne - 1})),
              std::vector<int16_t>{-2});
    EXPECT_EQ(typed_values<int32_t>("INT32", 1, packed_varints(2, {kMinusOne})),
              std::vector<int32_t>{-1});
    EXPECT_EQ(typed_values<int64_t>("INT64", 1, packed_varints(3, {kMinusOne})),
              std::vector<int64_t>{-1});
    EXPECT_EQ(typed_values<uint8_t>("UINT8", 1, packed_varints(4, {255})),
              std::vector<uint8_t>{255});
    EXPECT_EQ(typed_values<uint16_t>("UINT16", 1, packed_varints(4, {65535})),
              std::vector<uint16_t>{65535});
    EXPECT_EQ(typed_values<uint32_t>("UINT32", 1, packed_varints(4, {UINT32_MAX})),
              std::vector<uint32_t>{UINT32_MAX});
    EXPECT_EQ(typed_values<uint64_t>("UINT64", 1, packed_varints(5, {UINT64_MAX})),
              std::vector<uint64_t>{UINT64_MAX});
    EXPECT_EQ(typed_values<float>("FP32", 2, packed_fixed<float>(6, {1.5f, INFINITY})),
              (std::vector<float>{1.5f, INFINITY}));
    EXPECT_EQ(typed_values<double>("FP64", 1, packed_fixed<double>(7, {0.1})),
              std::vector<double>{0.1});
}

TEST(V2ProtobufDecode, repeated_numbers_may_be_packed_or_not_and_come_in_pieces) {
    ProtobufWriter unpacked;
    unpacked.varint_field(3, 1);
    unpacked.varint_field(3, 2);
    std::string mixed = std::string(unpacked.bytes()) + packed_varints(3, {3, 4}) +
                        packed_varints(3, {}) + packed_varints(3, {5});
    EXPECT_EQ(typed_values<int64_t>("INT64", 5, mixed), (std::vector<int64_t>{1, 2, 3, 4, 5}));
    std::string floats = packed_fixed<float>(6, {1}) + packed_fixed<float>(6, {}) +
                         std::string("\x35\0\0\0\x40", 5) + packed_fixed<float>(6, {3});
    EXPECT_EQ(typed_values<float>("FP32", 3, floats), (std::vector<float>{1, 2, 3}));
    std::string one = packed_fixed<float>(6, {}) + packed_fixed<float>(6, {7});
    EXPECT_EQ(typed_values<float>("FP32", 1, one), std::vector<float>{7});
}

TEST(V2ProtobufDecode, contents_given_twice_add_up) {
    ProtobufWriter input;
    input.bytes_field(1, "IN");
    input.bytes_field(2, "INT32");
    input.varint_field(3, 2);
    input.bytes_field(5, packed_varints(2, {1}));
    input.bytes_field(5, packed_varints(2, {2}));
    RequestMessage message;
    message.inputs = {input.take()};
    ProtobufResult decoded = decode_protobuf(message.bytes());
    ASSERT_TRUE(decoded.result.ok());
    EXPECT_EQ(values_of<int32_t>(decoded.result.value().request->inputs[0]),
              (std::vector<int32_t>{1, 2}));
}

TEST(V2ProtobufDecode, one_packed_float_field_is_borrowed) {
    std::string contents = packed_fixed<float>(6, {1.5f, 2.5f});
    std::string bytes = with_input({"IN", "FP32", {2}, contents, {}}).bytes();
    BufferRef buffer = text_buffer(bytes);
    BlockPool pool;
    Result<DecodedGrpcInfer> decoded = decode_infer_protobuf(buffer, pool);
    ASSERT_TRUE(decoded.ok());
    const Tensor& tensor = decoded.value().request->inputs[0];
    EXPECT_GE(tensor.data.data(), buffer->data());
    EXPECT_LT(tensor.data.data(), buffer->data() + buffer->size());
}

TEST(V2ProtobufDecode, empty_contents_are_an_empty_tensor) {
    for (std::string_view type : {"FP32", "BYTES", "FP16"}) {
        ProtobufResult decoded = decode_protobuf(
            with_input({"IN", std::string(type), {0}, "", {}}).bytes());
        ASSERT_TRUE(decoded.result.ok());
        EXPECT_TRUE(decoded.result.value().request->inputs[0].data.empty());
    }
}

TEST(V2ProtobufDecode, shape_may_be_packed) {
    InputMessage input{"IN", "UINT8", {}, {}, {}};
    RequestMessage message;
    message.inputs = {std::string(input.bytes()) + packed_varints(3, {1, 2}) +
                      packed_varints(3, {3})};
    message.raw = {"123456"};
    ProtobufResult decoded = decode_protobuf(message.bytes());
    ASSERT_TRUE(decoded.result.ok());
    EXPECT_EQ(decoded.result.value().request->inputs[0].shape, (Shape{1, 2, 3}));
}

TEST(V2ProtobufDecode, parameters) {
    RequestMessage message;
    message.parameters = {parameter_entry("sequence_id", std::string("seq")),
                          parameter_entry("sequence_start", true),
                          parameter_entry("sequence_end", true),
                          parameter_entry("priority", UINT64_MAX),
                          parameter_entry("timeout", int64_t{5}),
                          parameter_entry("triton_enable_empty_final_response", true),
                          parameter_entry("b", false),
                          parameter_entry("i", int64_t{-9}),
                          parameter_entry("s", std::string("old")),
                          parameter_entry("d", 0.5),
                          parameter_entry("u", uint64_t{1}),
                          parameter_entry("s", std::string("new"))};
    ProtobufResult decoded = decode_protobuf(message.bytes());
    ASSERT_TRUE(decoded.result.ok()) << decoded.result.status().message();
    const InferenceRequest& request = *decoded.result.value().request;
    EXPECT_EQ(std::get<std::string>(request.correlation_id), "seq");
    EXPECT_EQ(request.flags, InferenceRequest::kSequenceStart | InferenceRequest::kSequenceEnd);
    EXPECT_EQ(request.priority, UINT64_MAX);
    EXPECT_EQ(request.timeout_us, 5u);
    EXPECT_TRUE(decoded.result.value().enable_empty_final_response);
    EXPECT_EQ(request.parameters, (std::vector<Parameter>{{"b", false},
                                                          {"i", int64_t{-9}},
                                                          {"s", std::string("new")},
                                                          {"d", 0.5},
                                                          {"u", uint64_t{1}}}));
    EXPECT_EQ(decode_protobuf(with_parameter("priority", int64_t{3}).bytes())
                  .result.value().request->priority, 3u);
}

TEST(V2ProtobufDecode, requested_outputs_say_how_they_are_wanted) {
    ProtobufResult decoded = decode_protobuf(
        with_output_parameters({parameter_entry("classification", int64_t{1} << 40),
                                parameter_entry("x", true)}).bytes());
    ASSERT_TRUE(decoded.result.ok());
    const RequestedOutput& output = decoded.result.value().request->outputs.at(0);
    EXPECT_EQ(output.name, "OUT");
    EXPECT_EQ(output.classification_count, UINT32_MAX);
}

// Each empty occurrence used to cost 16 bytes for 2 of the message, without end.
TEST(V2ProtobufDecode, endless_contents_of_an_input_are_refused) {
    ProtobufWriter input;
    input.string_field(1, "IN");
    for (size_t i = 0; i <= limits::kMaxTensorsPerRequest; ++i) {
        input.string_field(5, "");
    }
    ProtobufWriter message;
    message.bytes_field(5, input.bytes());
    EXPECT_EQ(decode_protobuf(message.bytes()).result.status(),
              invalid_arg("request has more than 4096 contents of an input"));
}

TEST(V2ProtobufDecode, unknown_fields_and_unexpected_wire_types_are_passed_over) {
    ProtobufWriter unknown;
    unknown.varint_field(1, 5);        // model_name as a number
    unknown.varint_field(99, 5);
    unknown.double_field(100, 1.0);
    unknown.bytes_field(536870911, "x");
    unknown.varint(protobuf_tag(101, WireType::kFixed32));
    std::string bytes = unknown.take() + "abcd" + RequestMessage{}.bytes();
    ProtobufResult decoded = decode_protobuf(bytes);
    ASSERT_TRUE(decoded.result.ok()) << decoded.result.status().message();
    EXPECT_EQ(decoded.result.value().request->model_name, "m");
}

TEST(V2ProtobufDecode, last_of_a_repeated_single_field_wins) {
    RequestMessage first;
    first.model_name = "first";
    first.id = "a";
    RequestMessage second;
    second.model_name = "second";
    ProtobufResult decoded = decode_protobuf(first.bytes() + second.bytes());
    EXPECT_EQ(decoded.result.value().request->model_name, "second");
    EXPECT_EQ(decoded.result.value().request->id, "a");
}

TEST(V2ProtobufDecode, unknown_data_type_is_left_to_the_request_check) {
    ProtobufResult decoded =
        decode_protobuf(with_input({"IN", "fp32", {1}, {}, {}}, {"abcd"}).bytes());
    ASSERT_TRUE(decoded.result.ok());
    EXPECT_EQ(decoded.result.value().request->inputs[0].data_type, DataType::kInvalid);
}

struct Row {
    std::string message;
    Status status;
};

TEST(V2ProtobufDecode, parameter_errors) {
    auto wrong_type = [](std::string name, std::string expected) {
        return invalid_arg("invalid value type for '" + name + "' parameter, expected " +
                           expected + ".");
    };
    const Status reserved = invalid_arg(
        "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following "
        "keys starting with 'triton_' are allowed: triton_enable_empty_final_response");
    const Row rows[] = {
        {with_parameter("sequence_id", true).bytes(),
         wrong_type("sequence_id", "int64_param or string_param")},
        {with_parameter("sequence_start", int64_t{1}).bytes(),
         wrong_type("sequence_start", "bool_param")},
        {with_parameter("sequence_end", std::string("x")).bytes(),
         wrong_type("sequence_end", "bool_param")},
        {with_parameter("priority", true).bytes(),
         wrong_type("priority", "int64_param or uint64_param")},
        {with_parameter("priority", int64_t{-1}).bytes(),
         invalid_arg("invalid value for 'priority', expected value >= 0.")},
        {with_parameter("timeout", uint64_t{1}).bytes(), wrong_type("timeout", "int64_param")},
        {with_parameter("timeout", int64_t{-1}).bytes(),
         invalid_arg("invalid value for 'timeout', expected value >= 0.")},
        {with_parameter("triton_enable_empty_final_response", int64_t{1}).bytes(),
         wrong_type("triton_enable_empty_final_response", "bool_param")},
        {with_parameter("triton_other", true).bytes(), reserved},
        {with_parameter("x", std::nullopt).bytes(),
         wrong_type("x", "int64_param, bool_param, or string_param")},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(error_of(row.message), row.status) << error_of(row.message).message();
    }
}

TEST(V2ProtobufDecode, input_errors) {
    auto typed_error = [](std::string type, std::string declared) {
        return invalid_arg("unexpected explicit tensor data for input tensor 'IN' for model 'm' of "
                           "type '" + type + "', expected datatype '" + declared + "'");
    };
    RequestMessage twice;
    twice.inputs = {InputMessage{"IN", "FP32", {0}, "", {}}.bytes(),
                    InputMessage{"IN", "FP32", {0}, "", {}}.bytes()};
    RequestMessage version;
    version.model_version = "1x";
    ProtobufWriter strings;
    strings.bytes_field(8, "a");
    const Row rows[] = {
        {with_input({"IN", "FP32", {1}, {}, {}}).bytes(),
         invalid_arg("unable to find data for input tensor 'IN' for model 'm' in request.")},
        {with_input({"IN", "FP32", {1}, packed_fixed<float>(6, {1}), {}}, {"abcd"}).bytes(),
         invalid_arg("contents field must not be specified when using raw_input_contents for 'IN' "
                     "for model 'm'")},
        {with_input({"IN", "FP32", {1}, {}, {}}, {"abcd", "efgh"}).bytes(),
         invalid_arg("unexpected additional input data for model 'm'")},
        {with_input({"IN", "FP32", {1}, packed_varints(2, {1}), {}}).bytes(),
         typed_error("INT32", "FP32")},
        {with_input({"IN", "FP16", {1}, packed_fixed<float>(6, {1}), {}}).bytes(),
         typed_error("FP32", "FP16")},
        {with_input({"IN", "INT8", {1}, packed_varints(4, {1}), {}}).bytes(),
         typed_error("UINT32", "INT8")},
        {with_input({"IN", "BOOL", {1}, std::string(strings.bytes()), {}}).bytes(),
         typed_error("BYTES", "BOOL")},
        {with_input({"IN", "INT64", {2}, packed_varints(3, {1}) + packed_varints(1, {1}), {}})
             .bytes(),
         typed_error("BOOL", "INT64")},
        {twice.bytes(), invalid_arg("input 'IN' already exists in request")},
        {version.bytes(),
         invalid_arg("failed to get model version from specified version string '1x' (details: "
                     "stol), version should be an integral value > 0")},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(error_of(row.message), row.status) << error_of(row.message).message();
    }
}

TEST(V2ProtobufDecode, shape_errors) {
    const std::string prefix = "invalid shape for input 'IN': ";
    constexpr int64_t kHuge = int64_t{1} << 32;
    const Row rows[] = {
        {with_input({"IN", "FP32", {-1, 2}, {}, {}}, {""}).bytes(),
         invalid_arg(prefix + "shape [-1,2] contains one or more invalid dimensions")},
        {with_input({"IN", "FP32", {kHuge, kHuge}, {}, {}}, {""}).bytes(),
         invalid_arg(prefix + "shape [4294967296,4294967296] causes total element count to exceed "
                              "maximum size of 9223372036854775807")},
        {with_input({"IN", "FP64", {INT64_MAX}, {}, {}}, {""}).bytes(),
         invalid_arg("byte size overflow for input 'IN'")},
        {with_input({"IN", "FP32", std::vector<int64_t>(33, 1), {}, {}}, {""}).bytes(),
         invalid_arg(prefix + "it has more than 32 dimensions")},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(error_of(row.message), row.status) << error_of(row.message).message();
    }
    EXPECT_TRUE(decode_protobuf(
        with_input({"IN", "UINT8", std::vector<int64_t>(32, 1), {}, {}}, {"x"}).bytes())
        .result.ok());
}

TEST(V2ProtobufDecode, shared_memory_errors) {
    const std::string region = parameter_entry("shared_memory_region", std::string("r"));
    const std::string size = parameter_entry("shared_memory_byte_size", int64_t{4});
    const std::string offset = parameter_entry("shared_memory_offset", int64_t{0});
    auto input = [](std::vector<std::string> parameters,
                    std::optional<std::string> contents = std::nullopt) {
        return with_input({"IN", "FP32", {1}, std::move(contents), std::move(parameters)}).bytes();
    };
    const std::string classification = parameter_entry("classification", int64_t{1});
    const Row rows[] = {
        {input({region, size, offset}), not_found("Unable to find shared memory region: 'r'")},
        {input({region, size}, packed_fixed<float>(6, {1})),
         invalid_arg("unexpected 'content' provided when using shared memory for input tensor 'IN' "
                     "for model 'm'")},
        {input({region}), invalid_arg("'shared_memory_byte_size' must be specified along with "
                                      "'shared_memory_region' parameter for tensor 'IN'")},
        {input({size}), invalid_arg("'shared_memory_region' must be specified along with "
                                    "'shared_memory_byte_size' parameter for tensor 'IN'")},
        {input({parameter_entry("shared_memory_region", true)}),
         invalid_arg("invalid value type for 'shared_memory_region' parameter for tensor 'IN', "
                     "expected string_param.")},
        {input({region, parameter_entry("shared_memory_byte_size", std::nullopt)}),
         invalid_arg("invalid value type for 'shared_memory_byte_size' parameter for tensor 'IN', "
                     "expected int64_param.")},
        {with_output_parameters({region, size}).bytes(),
         not_found("Unable to find shared memory region: 'r'")},
        {with_output_parameters({region}).bytes(),
         invalid_arg("'shared_memory_byte_size' must be specified along with "
                     "'shared_memory_region' parameter for tensor 'OUT'")},
        {with_output_parameters({region, size, classification}).bytes(),
         invalid_arg("Output can't set both 'shared_memory_region' and 'classification'")},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(error_of(row.message), row.status) << error_of(row.message).message();
    }
}

TEST(V2ProtobufDecode, output_errors) {
    RequestMessage twice;
    twice.outputs = {output_message("OUTPUT0"), output_message("OUTPUT0")};
    const Row rows[] = {
        {twice.bytes(), invalid_arg("output 'OUTPUT0' already exists in request")},
        {with_output_parameters({parameter_entry("classification", uint64_t{1})}).bytes(),
         invalid_arg("invalid value type for 'classification' parameter, expected int64_param")},
        {with_output_parameters({parameter_entry("classification", int64_t{-1})}).bytes(),
         invalid_arg("invalid value for 'classification' parameter, expected >= 0")},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(error_of(row.message), row.status) << error_of(row.message).message();
    }
}

TEST(V2ProtobufDecode, malformed_bytes_are_named) {
    auto malformed = [](std::string why) {
        return invalid_arg("failed to parse ModelInferRequest: " + why);
    };
    const std::string ten_ff(10, '\xFF');
    const std::string long_varint = "\x1A\x0C" + std::string(11, '\x80') + "\x01";
    const Row rows[] = {
        {"\x07", malformed("invalid field number")},
        {std::string("\0", 1), malformed("invalid field number")},
        {"\x80", malformed("invalid varint")},
        {ten_ff + ten_ff, malformed("invalid varint")},
        {"\x0A\x05" "abc", malformed("a field is longer than the message")},
        {"\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", malformed("a field is longer than the "
                                                                   "message")},
        {"\x0A\x01\xFF", malformed("a string field is not UTF-8")},
        {"\x1B\x1C", malformed("invalid wire type")},  // a group
        {"\x1E", malformed("invalid wire type")},
        {"\x1D\x01", malformed("truncated number")},
        {"\x19\x01", malformed("truncated number")},
        {with_input({"IN", "FP32", {1}, "\x32\x03" "abc", {}}).bytes(),
         malformed("packed numbers are cut short")},
        {with_input({"IN", "INT64", {1}, "\x1A\x01\x80", {}}).bytes(),
         malformed("packed numbers are cut short")},
        {with_input({"IN", "INT64", {1}, "\x1A\x02\x01\x80", {}}).bytes(),
         malformed("packed numbers are cut short")},
        {with_input({"IN", "INT64", {1}, long_varint, {}}).bytes(), malformed("invalid varint")},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(error_of(row.message), row.status) << error_of(row.message).message();
    }
}

TEST(V2ProtobufDecode, id_is_found_in_a_request_that_is_refused) {
    RequestMessage message;
    message.model_version = "none";
    message.id = "id7";
    message.inputs = {"\xFF"};
    EXPECT_EQ(infer_protobuf_id(text_buffer(message.bytes())), "id7");
    EXPECT_EQ(infer_protobuf_id(text_buffer(message.bytes() + "\xFF")), "");
    EXPECT_EQ(infer_protobuf_id(text_buffer("")), "");
}

}  // namespace
}  // namespace tritonpy
