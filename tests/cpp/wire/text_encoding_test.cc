// Goal: what is written as JSON is JSON, and what is called UTF-8 is UTF-8.
// Method: tables of sequences from the Unicode standard; numbers at the ends of their ranges, read
// back with the C library and compared bit for bit, and a seeded sweep of bit patterns.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>

#include "wire/json_writer.h"
#include "wire/utf8.h"
#include "wire/v2_json.h"

namespace tritonpy {
namespace {

template <typename T>
std::string real_text(T value) {
    JsonWriter json;
    json.real(value);
    return json.take();
}

TEST(Utf8, well_formed_text_passes) {
    for (std::string_view good : {"", "plain ascii, longer than eight bytes", "\xC2\x80",
                                  "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                                  "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "12345678\xC3\xA9"}) {
        EXPECT_TRUE(is_utf8(good)) << good;
        EXPECT_EQ(replace_invalid_utf8(good), good);
    }
    EXPECT_TRUE(is_utf8(std::string_view("\0", 1)));
}

TEST(Utf8, ill_formed_text_is_found_where_it_starts) {
    for (std::string_view bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2x", "\xE0\x9F\xBF",
                                 "\xE1\x80", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
                                 "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
        EXPECT_EQ(utf8_prefix("12345678ab" + std::string(bad)), 10u);
    }
}

TEST(Utf8, replacement_keeps_what_is_good) {
    EXPECT_EQ(replace_invalid_utf8("a\xFF\xFE" "b\xC3\xA9\xE1\x80"),
              "a\xEF\xBF\xBD\xEF\xBF\xBD" "b\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD");
    EXPECT_TRUE(is_utf8(replace_invalid_utf8("\xF4\x90\x80\x80\xC0")));
}

TEST(JsonWriter, floats_are_the_shortest_text_with_their_type_visible) {
    EXPECT_EQ(real_text(0.1f), "0.1");
    EXPECT_EQ(real_text(1.0f), "1.0");
    EXPECT_EQ(real_text(-0.0), "-0.0");
    EXPECT_EQ(real_text(1e30), "1e+30");
    EXPECT_EQ(real_text(0.1), "0.1");
    EXPECT_EQ(real_text(std::numeric_limits<double>::max()), "1.7976931348623157e+308");
    EXPECT_EQ(real_text(NAN), "NaN");
    EXPECT_EQ(real_text(-NAN), "NaN");
    EXPECT_EQ(real_text(std::numeric_limits<float>::infinity()), "Infinity");
    EXPECT_EQ(real_text(-INFINITY), "-Infinity");
}

TEST(JsonWriter, every_float_reads_back_the_same) {
    std::mt19937_64 random(7);
    for (int count = 0; count < 20'000; ++count) {
        auto narrow = std::bit_cast<float>(static_cast<uint32_t>(random()));
        auto wide = std::bit_cast<double>(random());
        if (std::isfinite(narrow)) {
            std::string text = real_text(narrow);
            EXPECT_EQ(std::bit_cast<uint32_t>(std::strtof(text.c_str(), nullptr)),
                      std::bit_cast<uint32_t>(narrow)) << text;
        }
        if (std::isfinite(wide)) {
            std::string text = real_text(wide);
            EXPECT_EQ(std::bit_cast<uint64_t>(std::strtod(text.c_str(), nullptr)),
                      std::bit_cast<uint64_t>(wide)) << text;
        }
    }
}

TEST(JsonWriter, integers_at_their_ends) {
    JsonWriter json;
    json.integer(INT64_MIN);
    json.raw(",");
    json.natural(UINT64_MAX);
    EXPECT_EQ(json.take(), "-9223372036854775808,18446744073709551615");
}

TEST(JsonWriter, strings_are_escaped) {
    JsonWriter json;
    EXPECT_TRUE(json.string(std::string_view("a\"b\\c\n\r\t\x01\0/\xC3\xA9", 13)));
    EXPECT_EQ(json.take(), "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u0000/\xC3\xA9\"");
}

TEST(JsonWriter, string_that_is_not_utf8_is_refused_or_mended) {
    JsonWriter json;
    EXPECT_FALSE(json.string("\xFF"));
    EXPECT_EQ(json.size(), 0u);
    json.lenient_string("a\xFF");
    EXPECT_EQ(json.take(), "\"a\xEF\xBF\xBD\"");
}

TEST(JsonWriter, parameter_values_of_every_type) {
    JsonWriter json;
    for (const ParameterValue& value :
         {ParameterValue(true), ParameterValue(int64_t{-1}), ParameterValue(UINT64_MAX),
          ParameterValue(0.5), ParameterValue(std::string("x\""))}) {
        json.parameter_value(value);
        json.raw(" ");
    }
    EXPECT_EQ(json.take(), "true -1 18446744073709551615 0.5 \"x\\\"\" ");
}

TEST(ErrorJson, is_one_object_whatever_the_text) {
    EXPECT_EQ(encode_error_json("no model 'm'"), "{\"error\":\"no model 'm'\"}");
    EXPECT_EQ(encode_error_json("a\"\n\xFF"), "{\"error\":\"a\\\"\\n\xEF\xBF\xBD\"}");
    EXPECT_EQ(encode_error_json(""), "{\"error\":\"\"}");
}

}  // namespace
}  // namespace tritonpy
