// Goal: a version string is a positive number, empty, or refused with Triton's text.
// Method: a table.
#include "wire/model_version.h"

#include <gtest/gtest.h>

#include <string>

namespace tritonpy {
namespace {

TEST(ModelVersion, empty_is_the_newest) { EXPECT_EQ(parse_model_version("").value(), -1); }

TEST(ModelVersion, positive_numbers_are_taken) {
    EXPECT_EQ(parse_model_version("1").value(), 1);
    EXPECT_EQ(parse_model_version("007").value(), 7);
    EXPECT_EQ(parse_model_version("9223372036854775807").value(), INT64_MAX);
}

TEST(ModelVersion, what_is_no_number_is_refused) {
    for (std::string text : {"x", "1x", " 1", "1.0", "+1", "0x1", "9223372036854775808", "-"}) {
        EXPECT_EQ(parse_model_version(text).status(),
                  invalid_arg("failed to get model version from specified version string '" + text +
                              "' (details: stol), version should be an integral value > 0"));
    }
}

TEST(ModelVersion, labels_are_words_and_never_numbers) {
    for (const char* text : {"canary", "_", "V2.1-rc_3"}) {
        EXPECT_TRUE(is_version_label(text)) << text;
    }
    EXPECT_TRUE(is_version_label(std::string(64, 'a')));
    for (const char* text :
         {"", "1", "007", "-1", "1a", ".a", "-a", "a b", "a/b", "\xC3\xA9", "a%20"}) {
        EXPECT_FALSE(is_version_label(text)) << text;
    }
    EXPECT_FALSE(is_version_label(std::string(65, 'a')));
}

TEST(ModelVersion, numbers_below_one_are_refused) {
    for (std::string text : {"0", "-1", "-9223372036854775808"}) {
        EXPECT_EQ(parse_model_version(text).status(),
                  invalid_arg("invalid model version specified '" + text +
                              "' , version should be an integral value > 0"));
    }
}

}  // namespace
}  // namespace tritonpy
