// Goal: no bytes make a decoder read outside them, reserve memory they do not pay for, or abort.
// Method: good messages cut at every byte and with every byte changed; counts, lengths and depths
// that lie; seeded random damage. Each result is an error or a request that keeps its invariants;
// AddressSanitizer watches blocks of exactly the message's size.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/limits.h"
#include "wire/request_invariants.h"
#include "wire/wire_fixture.h"

namespace tritonpy {
namespace {

constexpr uint64_t kSeed = 4711;

const std::string kJson =
    R"({"id":"1","parameters":{"sequence_id":"s","priority":2,"x":1.5},"inputs":[)"
    R"({"name":"A","shape":[2,2],"datatype":"FP32","data":[[1,2.5],[-3e2,NaN]]},)"
    R"({"name":"B","shape":[2],"datatype":"BYTES","data":["\u00e9x",""]},)"
    R"({"name":"C","shape":[3],"datatype":"UINT8","parameters":{"binary_data_size":3}}],)"
    R"("outputs":[{"name":"O","parameters":{"classification":2,"binary_data":true}}]})";
const std::string kBinary = "xyz";

std::string good_protobuf(bool raw) {
    RequestMessage message;
    message.id = "1";
    message.model_version = "2";
    message.parameters = {parameter_entry("sequence_id", std::string("s")),
                          parameter_entry("x", 1.5)};
    std::optional<std::string> floats;
    std::optional<std::string> strings;
    if (raw) {
        message.raw = {std::string(8, 'a'), std::string("\1\0\0\0a\0\0\0\0", 9)};
    } else {
        floats = std::string("\x32\x08") + std::string(8, 'a');
        strings = std::string("\x42\x01" "a\x42\0", 5);
    }
    message.inputs = {InputMessage{"A", "FP32", {1, 2}, floats, {}}.bytes(),
                      InputMessage{"B", "BYTES", {2}, strings, {}}.bytes()};
    message.outputs = {output_message("O", {parameter_entry("classification", int64_t{2})})};
    return message.bytes();
}

// Decodes and checks what came out; whether it decoded.
bool survives_json(std::string_view body, std::optional<int64_t> json_length) {
    JsonResult decoded = decode_json(body, json_length);
    if (decoded.result.ok()) {
        check_decoded_request(*decoded.result.value());
    } else {
        EXPECT_FALSE(decoded.result.status().message().empty());
    }
    return decoded.result.ok();
}

bool survives_protobuf(std::string_view message) {
    ProtobufResult decoded = decode_protobuf(message);
    if (decoded.result.ok()) {
        check_decoded_request(*decoded.result.value().request);
    } else {
        EXPECT_FALSE(decoded.result.status().message().empty());
    }
    return decoded.result.ok();
}

TEST(HostileJson, body_cut_at_every_byte_is_an_error) {
    std::string body = kJson + kBinary;
    auto json_length = static_cast<int64_t>(kJson.size());
    ASSERT_TRUE(survives_json(body, json_length));
    for (size_t size = 0; size < body.size(); ++size) {
        EXPECT_FALSE(survives_json(body.substr(0, size), json_length)) << size;
        EXPECT_FALSE(survives_json(body.substr(0, size), std::nullopt)) << size;
    }
}

TEST(HostileJson, every_lie_about_the_json_length_is_survived) {
    std::string body = kJson + kBinary;
    for (auto length = static_cast<int64_t>(body.size()) + 2; length >= -2; --length) {
        bool right = length == static_cast<int64_t>(kJson.size());
        bool raw = length == 0;
        EXPECT_EQ(survives_json(body, length), right || raw) << length;
    }
    EXPECT_FALSE(survives_json(body, INT64_MAX));
    EXPECT_FALSE(survives_json(body, INT64_MIN));
}

TEST(HostileJson, every_byte_may_be_any_byte) {
    std::string body = kJson + kBinary;
    auto json_length = static_cast<int64_t>(kJson.size());
    for (size_t at = 0; at < body.size(); ++at) {
        for (char changed : std::string_view("\0\"\\{}[],:9- \xFF", 13)) {
            std::string damaged = body;
            damaged[at] = changed;
            survives_json(damaged, json_length);
        }
    }
}

TEST(HostileJson, random_damage) {
    std::mt19937_64 random(kSeed);
    std::string body = kJson + kBinary;
    for (int round = 0; round < 5000; ++round) {
        SCOPED_TRACE(testing::Message() << "seed " << kSeed << " round " << round);
        std::string damaged = body;
        for (size_t changes = 1 + random() % 4; changes > 0; --changes) {
            size_t at = random() % damaged.size();
            switch (random() % 3) {
                case 0:
                    damaged[at] = static_cast<char>(random());
                    break;
                case 1:
                    damaged.erase(at, 1 + random() % 8);
                    break;
                default:
                    damaged.insert(at, body.substr(random() % body.size(), random() % 16));
            }
            damaged.push_back('x');  // never empty
        }
        survives_json(damaged, static_cast<int64_t>(random() % (damaged.size() + 1)));
    }
}

TEST(HostileJson, deep_nesting_anywhere_is_refused_with_its_text) {
    const Status refused = invalid_arg("JSON nesting depth exceeds maximum allowed limit (100)");
    std::string deep(10'000, '[');
    for (const std::string& body :
         {deep, json_with_data("FP32", "[1]", deep), json_with_data("FP32", deep, "[1]"),
          "{\"parameters\":" + deep, "{\"inputs\":" + deep,
          json_with_data("FP32", "[1]", deep + "1" + std::string(10'000, ']'))}) {
        EXPECT_EQ(decode_json(body).result.status(), refused);
    }
    std::string deepest = std::string(100, '[') + "1" + std::string(100, ']');
    EXPECT_TRUE(decode_json(json_with_data("FP32", "[1]", deepest)).result.ok());
}

TEST(HostileJson, sizes_that_lie_reserve_no_memory) {
    // Within the limit that the server allows, far beyond what the text holds.
    std::string inputs;
    for (int index = 0; index < 1000; ++index) {
        inputs += index == 0 ? "" : ",";
        inputs += "{\"name\":\"" + std::to_string(index) +
                  "\",\"shape\":[8000000],\"datatype\":\"FP64\",\"data\":[1]}";
    }
    EXPECT_FALSE(survives_json("{\"inputs\":[" + inputs + "]}", std::nullopt));
}

TEST(HostileJson, counts_are_limited) {
    auto many = [](size_t count, std::string_view before, std::string_view after) {
        std::string list;
        for (size_t index = 0; index < count; ++index) {
            list += index == 0 ? "" : ",";
            list += std::string(before) + std::to_string(index) + std::string(after);
        }
        return list;
    };
    constexpr size_t kTensors = limits::kMaxTensorsPerRequest;
    auto inputs = [&](size_t count) {
        return "{\"inputs\":[" +
               many(count, "{\"name\":\"", "\",\"shape\":[0],\"datatype\":\"FP32\",\"data\":[]}") +
               "]}";
    };
    EXPECT_TRUE(survives_json(inputs(kTensors), std::nullopt));
    EXPECT_EQ(decode_json(inputs(kTensors + 1)).result.status(),
              invalid_arg("request has 4097 inputs, at most 4096 are allowed"));
    EXPECT_EQ(decode_json("{\"inputs\":[],\"outputs\":[" +
                          many(kTensors + 1, "{\"name\":\"", "\"}") + "]}").result.status(),
              invalid_arg("request has 4097 requested outputs, at most 4096 are allowed"));
    EXPECT_EQ(decode_json("{\"inputs\":[],\"parameters\":{" +
                          many(limits::kMaxParameters + 1, "\"", "\":1") + "}}").result.status(),
              invalid_arg("request has 1025 parameters, at most 1024 are allowed"));
}

TEST(HostileJson, strings_that_are_not_utf8_are_refused_everywhere) {
    for (std::string body : {R"({"id":"?","inputs":[]})", R"({"inputs":[],"parameters":{"?":1}})",
                             R"({"inputs":[],"outputs":[{"name":"?"}]})"}) {
        body[body.find('?')] = '\xFF';
        Status status = decode_json(body).result.status();
        EXPECT_EQ(status.code(), StatusCode::kInternal);
        EXPECT_NE(status.message().find("Invalid encoding in string."), std::string_view::npos);
    }
}

TEST(HostileJson, bodies_without_content) {
    EXPECT_FALSE(survives_json("", std::nullopt));
    EXPECT_TRUE(survives_json("", 0));  // a raw request of no elements
    BlockPool pool;
    EXPECT_FALSE(decode_infer_json(BufferRef(), std::nullopt, model_with(DataType::kFp32, {1}),
                                   kTestMaxInputSize, pool).ok());
}

TEST(HostileProtobuf, message_cut_at_every_byte_is_survived) {
    for (bool raw : {true, false}) {
        std::string message = good_protobuf(raw);
        ASSERT_TRUE(survives_protobuf(message));
        for (size_t size = 0; size < message.size(); ++size) {
            survives_protobuf(message.substr(0, size));
        }
        EXPECT_FALSE(survives_protobuf(message.substr(0, message.size() - 1)));
    }
}

TEST(HostileProtobuf, every_byte_may_be_any_byte) {
    for (bool raw : {true, false}) {
        std::string message = good_protobuf(raw);
        for (size_t at = 0; at < message.size(); ++at) {
            for (int changed = 0; changed < 256; ++changed) {
                std::string damaged = message;
                damaged[at] = static_cast<char>(changed);
                survives_protobuf(damaged);
            }
        }
    }
}

TEST(HostileProtobuf, random_bytes) {
    std::mt19937_64 random(kSeed);
    for (int round = 0; round < 20'000; ++round) {
        std::string message(random() % 64, '\0');
        for (char& byte : message) {
            byte = static_cast<char>(random() % 4 == 0 ? random() : random() % 64);
        }
        survives_protobuf(message);
    }
}

TEST(HostileProtobuf, counts_are_limited) {
    RequestMessage message;
    for (size_t index = 0; index <= limits::kMaxTensorsPerRequest; ++index) {
        message.outputs.push_back(output_message("O" + std::to_string(index)));
    }
    EXPECT_EQ(decode_protobuf(message.bytes()).result.status(),
              invalid_arg("request has more than 4096 requested outputs"));
    message.outputs.pop_back();
    EXPECT_TRUE(survives_protobuf(message.bytes()));
    RequestMessage parameters;
    parameters.parameters.assign(limits::kMaxParameters + 1, parameter_entry("x", true));
    EXPECT_EQ(decode_protobuf(parameters.bytes()).result.status(),
              invalid_arg("request has more than 1024 parameters"));
}

TEST(HostileProtobuf, many_empty_strings_take_little_memory) {
    constexpr size_t kCount = 1'000'000;
    std::string contents;
    for (size_t index = 0; index < kCount; ++index) {
        contents += std::string("\x42\0", 2);
    }
    RequestMessage message;
    message.inputs = {InputMessage{"A", "BYTES", {kCount}, contents, {}}.bytes()};
    ProtobufResult decoded = decode_protobuf(message.bytes());
    ASSERT_TRUE(decoded.result.ok());
    EXPECT_EQ(decoded.result.value().request->inputs[0].buffer->size(), 4 * kCount);
}

TEST(HostileProtobuf, bodies_without_content) {
    EXPECT_TRUE(survives_protobuf(""));  // every field has a default
    BlockPool pool;
    EXPECT_TRUE(decode_infer_protobuf(BufferRef(), pool).ok());
}

}  // namespace
}  // namespace tritonpy
