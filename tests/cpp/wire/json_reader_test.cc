// Goal: a document reads back as written, tensor data stays in the text, and no text can hurt.
// Method: documents of every value; tables of texts that are no JSON with the exact error; depth
// and size at and just past their limits.
#include "wire/json_reader.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "base/limits.h"

namespace tritonpy {
namespace {

std::string error_of(std::string_view text) {
    JsonDocument document;
    Status status = document.parse(text);
    return status.ok() ? "" : std::string(status.message());
}

std::string nested(size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
}

TEST(JsonReader, values_of_every_kind_read_back) {
    JsonDocument document;
    ASSERT_TRUE(document
                    .parse(R"( {"n":null,"t":true,"f":false,"i":-5,"u":18446744073709551615,)"
                           R"("d":0.1,"s":"a\u00e9\n","a":[1,[2],{}],"o":{"k":"v"},"e":1e400000} )")
                    .ok() == false);  // the last number is too large for a double
    ASSERT_TRUE(document
                    .parse(R"( {"n":null,"t":true,"f":false,"i":-5,"u":18446744073709551615,)"
                           R"("d":0.1,"s":"a\u00e9\n","a":[1,[2],{}],"o":{"k":"v"}} )")
                    .ok());
    JsonValue root = document.root();
    EXPECT_EQ(root.size(), 9u);
    EXPECT_EQ(root.find("n")->kind(), JsonKind::kNull);
    EXPECT_TRUE(root.bool_member("t").value());
    EXPECT_FALSE(root.bool_member("f").value());
    EXPECT_EQ(root.find("i")->as_int().value(), -5);
    EXPECT_EQ(root.uint_member("u").value(), UINT64_MAX);
    EXPECT_EQ(root.find("d")->as_double(), 0.1);
    EXPECT_EQ(root.string_member("s").value(), "a\xC3\xA9\n");
    EXPECT_EQ(root.array_member("a").value().size(), 3u);
    EXPECT_EQ(root.object_member("o").value().string_member("k").value(), "v");
    EXPECT_FALSE(root.find("missing"));
}

TEST(JsonReader, cursor_walks_containers_past_nested_ones) {
    JsonDocument document;
    ASSERT_TRUE(document.parse(R"([[1,2,[3]],{"a":[4]},5])").ok());
    std::vector<JsonKind> kinds;
    for (JsonCursor cursor(document.root()); !cursor.done(); cursor.advance()) {
        kinds.push_back(cursor.value().kind());
    }
    EXPECT_EQ(kinds, (std::vector{JsonKind::kArray, JsonKind::kObject, JsonKind::kUint}));
    ASSERT_TRUE(document.parse(R"({"x":{"y":1},"z":[2],"w":3})").ok());
    std::string keys;
    for (JsonCursor cursor(document.root()); !cursor.done(); cursor.advance()) {
        keys += cursor.key();
    }
    EXPECT_EQ(keys, "xzw");
}

TEST(JsonReader, doubles_are_exact) {
    JsonDocument document;
    for (double value : {0.1, 123456789.123456789, 2.2250738585072014e-308, 5e-324,
                         1.7976931348623157e308, -9007199254740993.0, 3.0e-5}) {
        char text[40];
        std::snprintf(text, sizeof(text), "[%.17g ]", value);
        ASSERT_TRUE(document.parse(text).ok()) << text;
        JsonValue read = JsonCursor(document.root()).value();
        if (read.kind() == JsonKind::kDouble) {
            EXPECT_EQ(read.as_double(), value) << text;
        }
    }
    ASSERT_TRUE(document.parse("[NaN,Infinity,-Infinity,Inf,-Inf]").ok());
    JsonCursor cursor(document.root());
    EXPECT_TRUE(std::isnan(cursor.value().as_double()));
    cursor.advance();
    EXPECT_EQ(cursor.value().as_double(), INFINITY);
    cursor.advance();
    EXPECT_EQ(cursor.value().as_double(), -INFINITY);
}

TEST(JsonReader, access_as_another_kind_has_tritons_text) {
    JsonDocument document;
    ASSERT_TRUE(document.parse(R"({"b":1,"u":-1,"s":2,"a":{},"o":[],"big":9223372036854775808})")
                    .ok());
    JsonValue root = document.root();
    EXPECT_EQ(root.bool_member("b").status(),
              internal_error("Unable to parse 'b': attempt to access JSON non-boolean as boolean"));
    EXPECT_EQ(root.uint_member("u").status(),
              internal_error("Unable to parse 'u': attempt to access JSON non-unsigned-integer as "
                             "unsigned-integer"));
    EXPECT_EQ(root.string_member("s").status(),
              internal_error("Unable to parse 's': attempt to access JSON non-string as string"));
    EXPECT_EQ(root.array_member("a").status(),
              internal_error("Unable to parse 'a': attempt to access JSON non-array as array"));
    EXPECT_EQ(root.object_member("o").status(),
              internal_error("Unable to parse 'o': attempt to access JSON non-object as object"));
    EXPECT_EQ(root.string_member("x").status(),
              internal_error("Unable to parse 'x': attempt to access non-existing object member "
                             "'x'"));
    EXPECT_EQ(root.find("big")->as_int().status(),
              internal_error("attempt to access JSON non-signed-integer as signed-integer"));
}

TEST(JsonReader, text_that_is_no_json_is_refused_with_its_offset) {
    const std::string prefix = "failed to parse the request JSON buffer: ";
    EXPECT_EQ(error_of(""), prefix + "The document is empty. at 0");
    EXPECT_EQ(error_of("   "), prefix + "The document is empty. at 3");
    EXPECT_EQ(error_of("{"), prefix + "Missing a name for object member. at 1");
    EXPECT_EQ(error_of("{\"a\" 1}"),
              prefix + "Missing a colon after a name of object member. at 5");
    EXPECT_EQ(error_of("{\"a\":1,}"), prefix + "Missing a name for object member. at 7");
    EXPECT_EQ(error_of("[1]x"), prefix + "The document root must not be followed by other values."
                                         " at 3");
    EXPECT_EQ(error_of("[tru]"), prefix + "Invalid value. at 4");
    EXPECT_EQ(error_of("\"a"), prefix + "Missing a closing quotation mark in string. at 2");
    EXPECT_EQ(error_of(std::string_view("[1]\0{}", 6)),
              prefix + "The document root must not be followed by other values. at 3");
}

TEST(JsonReader, strings_must_be_utf8) {
    for (const char* bad : {"\"\xFF\"", "\"\xC3\"", "\"\xED\xA0\x80\"", "\"\xC0\xAF\"",
                            "\"\xF5\x80\x80\x80\"", "{\"\xFE\":1}",
                            "{\"inputs\":[{\"data\":[\"\xFF\"]}]}", "\"\\udc00\"",
                            "\"\\uDFFFx\""}) {
        EXPECT_NE(error_of(bad).find("Invalid encoding in string."), std::string::npos) << bad;
    }
    EXPECT_NE(error_of("\"\\ud800\"").find("surrogate"), std::string::npos);
    EXPECT_EQ(error_of("\"\\ud83d\\ude00\""), "");
}

TEST(JsonReader, nesting_up_to_the_limit_and_no_deeper) {
    EXPECT_EQ(error_of(nested(limits::kMaxJsonDepth)), "");
    const std::string refused = "JSON nesting depth exceeds maximum allowed limit (100)";
    EXPECT_EQ(error_of(nested(limits::kMaxJsonDepth + 1)), refused);
    EXPECT_EQ(error_of(nested(10'000)), refused);
    EXPECT_EQ(error_of(std::string(10'000'000, '[')), refused);
    std::string objects;
    for (int depth = 0; depth < 10'000; ++depth) {
        objects += "{\"a\":";
    }
    EXPECT_EQ(error_of(objects), refused);
    JsonDocument document;
    EXPECT_EQ(document.parse(nested(101)).code(), StatusCode::kInvalidArg);
}

TEST(JsonReader, tensor_data_has_its_own_nesting_limit) {
    auto with_data = [](size_t depth) {
        return "{\"inputs\":[{\"data\":" + nested(depth) + "}]}";
    };
    EXPECT_EQ(error_of(with_data(100)), "");
    EXPECT_EQ(error_of(with_data(101)),
              "JSON nesting depth exceeds maximum allowed limit (100)");
}

TEST(JsonReader, tensor_data_stays_in_the_text) {
    JsonDocument document;
    std::string text = R"({"inputs":[{"name":"a","data": [1, [2.5,"x"],[true, "yz"] ] },)"
                       R"({"data":[]},{"data":7}],"data":[1]})";
    ASSERT_TRUE(document.parse(text).ok());
    JsonCursor inputs(document.root().array_member("inputs").value());
    JsonElements elements = inputs.value().array_member("data").value().as_elements();
    EXPECT_EQ(elements.text, R"([1, [2.5,"x"],[true, "yz"] ])");
    EXPECT_EQ(elements.count, 5u);
    EXPECT_EQ(elements.string_count, 2u);
    EXPECT_FALSE(elements.has_object);
    EXPECT_EQ(elements.strings, std::string_view("\x01\0\0\0x\x02\0\0\0yz", 11));
    inputs.advance();
    EXPECT_EQ(inputs.value().array_member("data").value().as_elements().text, "[]");
    inputs.advance();
    EXPECT_EQ(inputs.value().find("data")->as_uint().value(), 7u);
    EXPECT_EQ(document.root().find("data")->kind(), JsonKind::kArray);
}

TEST(JsonReader, arrays_elsewhere_are_no_tensor_data) {
    JsonDocument document;
    ASSERT_TRUE(document
                    .parse(R"({"inputs":[{"data":5},[[1]],{"x":[2]}],)"
                           R"("outputs":[{"data":[3]}]})")
                    .ok());
    JsonCursor inputs(*document.root().find("inputs"));
    inputs.advance();
    EXPECT_EQ(JsonCursor(inputs.value()).value().kind(), JsonKind::kArray);
    inputs.advance();
    EXPECT_EQ(inputs.value().find("x")->kind(), JsonKind::kArray);
    JsonValue output = JsonCursor(*document.root().find("outputs")).value();
    EXPECT_EQ(output.find("data")->kind(), JsonKind::kArray);
}

TEST(JsonReader, objects_in_tensor_data_are_noticed) {
    JsonDocument document;
    ASSERT_TRUE(document.parse(R"({"inputs":[{"data":[{"data":[1]}]}]})").ok());
    JsonValue input = JsonCursor(*document.root().find("inputs")).value();
    EXPECT_TRUE(input.find("data")->as_elements().has_object);
}

TEST(JsonReader, values_are_limited_outside_tensor_data_only) {
    std::string zeros = "0";
    for (size_t count = 1; count < limits::kMaxJsonValues; ++count) {
        zeros += ",0";
    }
    EXPECT_EQ(error_of("[" + zeros + "]"),
              "request JSON has more than 1048576 values outside of tensor data");
    EXPECT_EQ(error_of("{\"inputs\":[{\"data\":[" + zeros + ",0,0]}]}"), "");
}

TEST(JsonReader, document_can_be_parsed_again_after_an_error_and_after_giving_memory_back) {
    JsonDocument document;
    ASSERT_TRUE(document.parse("[" + std::string(200'000, ' ') + "\"" +
                               std::string(200'000, 'x') + "\"]").ok());
    document.release_excess();
    EXPECT_FALSE(document.parse("[").ok());
    ASSERT_TRUE(document.parse("{\"a\":\"b\"}").ok());
    EXPECT_EQ(document.root().string_member("a").value(), "b");
}

}  // namespace
}  // namespace tritonpy
