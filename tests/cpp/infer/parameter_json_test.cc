// Goal: parameters survive the way through JSON text with their types, and text from elsewhere that
// is not a flat object is refused, whatever it is.
// Method: round trips, a table of texts, and every prefix of a good text.
#include "infer/parameter_json.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tritonpy {
namespace {

using Parameters = std::vector<Parameter>;

std::string written(const Parameters& parameters) {
    std::string text;
    append_parameters_json(parameters, text);
    return text;
}

Parameters read(std::string_view text) {
    auto parsed = parse_parameters_json(text);
    EXPECT_TRUE(parsed.ok()) << text;
    return parsed.ok() ? parsed.value() : Parameters();
}

TEST(ParameterJson, every_type_comes_back_as_it_was) {
    Parameters all{{"yes", true},
                   {"no", false},
                   {"int", int64_t{-7}},
                   {"large", uint64_t{18446744073709551615u}},
                   {"real", 1.5},
                   {"whole real", 2.0},
                   {"text", std::string("a \"quoted\"\\\n\x01 \xC3\xA9")},
                   {"", std::string()}};
    EXPECT_EQ(read(written(all)), all);
}

TEST(ParameterJson, none_is_no_text) {
    EXPECT_EQ(written({}), "");
    EXPECT_EQ(read(""), Parameters());
    EXPECT_EQ(read(" { } "), Parameters());
}

TEST(ParameterJson, reads_what_python_writes) {
    EXPECT_EQ(read(R"({"a": 1, "b": "\u00e9\ud83d\ude00\/", "c": -2.5e3, "d": true})"),
              (Parameters{{"a", int64_t{1}},
                          {"b", std::string("\xC3\xA9\xF0\x9F\x98\x80/")},
                          {"c", -2500.0},
                          {"d", true}}));
    EXPECT_EQ(read(R"({"half": "\ud83dx\udc00"})"),
              (Parameters{{"half", std::string("\xEF\xBF\xBDx\xEF\xBF\xBD")}}));
}

TEST(ParameterJson, other_texts_are_refused) {
    for (const char* text :
         {"{", "}", "[]", "{\"a\"}", "{\"a\":}", "{\"a\":null}", "{\"a\":{}}", "{\"a\":[1]}",
          "{\"a\":1,}", "{\"a\":1}x", "{a:1}", "{\"a\":1 \"b\":2}", "{\"a\":tru}", "{\"a\":\"}",
          "{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}", "{\"a\":\"\\u12zz\"}", "{\"a\":--1}",
          "{\"a\":1e}", "null", "1"}) {
        EXPECT_EQ(parse_parameters_json(text).status().code(), StatusCode::kInvalidArg) << text;
    }
}

TEST(ParameterJson, no_prefix_of_a_text_is_taken_for_it) {
    const std::string whole = R"({"a": 12, "b": "\u00e9\ud83d\ude00\\", "c": true, "d": 1.5})";
    for (size_t size = 1; size < whole.size(); ++size) {
        EXPECT_FALSE(parse_parameters_json(whole.substr(0, size)).ok()) << size;
    }
}

TEST(ParameterJson, there_is_a_bound) {
    Parameters many(1025, Parameter{"x", true});
    EXPECT_FALSE(parse_parameters_json(written(many)).ok());
    many.pop_back();
    EXPECT_EQ(read(written(many)), many);
}

}  // namespace
}  // namespace tritonpy
