// Goal: a pattern finds the names of headers that Triton's would, and is no way to keep us busy.
// Method: patterns as operators write them, and one that a backtracking engine would never finish.
#include "wire/header_pattern.h"

#include <gtest/gtest.h>

#include <string>

#include "base/limits.h"

namespace tritonpy {
namespace {

using Case = HeaderPattern::Case;

bool matches(std::string_view pattern, std::string_view name, Case letters = Case::kIgnored) {
    auto made = HeaderPattern::make(pattern, letters);
    EXPECT_TRUE(made.ok()) << made.status().message();
    return made.value()->matches(name);
}

TEST(HeaderPattern, is_looked_for_anywhere_in_a_name) {
    EXPECT_TRUE(matches("my_header.*", "my_header_1"));
    EXPECT_TRUE(matches("header", "my_header_1"));
    EXPECT_FALSE(matches("^header", "my_header_1"));
    EXPECT_TRUE(matches("^(x-|my_)[a-z_]+[0-9]{1,2}$", "my_header_1"));
    EXPECT_FALSE(matches("^(x-|my_)[a-z_]+$", "my_header_1"));
    EXPECT_TRUE(matches(".*", ""));
}

TEST(HeaderPattern, letters_are_minded_as_the_protocol_or_the_flag_says) {
    EXPECT_TRUE(matches("x-user", "X-User"));
    EXPECT_FALSE(matches("x-user", "X-User", Case::kMinded));
    EXPECT_FALSE(matches("(?-i)x-user", "X-User"));
    EXPECT_TRUE(matches("(?i)x-user", "X-User", Case::kMinded));
}

TEST(HeaderPattern, none_is_none_and_a_wrong_one_is_told) {
    EXPECT_EQ(HeaderPattern::make("", Case::kIgnored).value(), nullptr);
    const Status wrong = HeaderPattern::make("x-(", Case::kIgnored).status();
    EXPECT_EQ(wrong.code(), StatusCode::kInvalidArg);
    EXPECT_TRUE(wrong.message().starts_with(
        "header forward pattern 'x-(' is no regular expression: "))
        << wrong.message();
}

TEST(HeaderPattern, a_name_made_to_be_hard_is_not_and_a_longer_one_is_not_looked_at) {
    std::string name(limits::kMaxForwardedName - 1, 'a');
    EXPECT_FALSE(matches("^(a+)+$", name + "!"));
    EXPECT_TRUE(matches("^(a+)+$", name + "a"));
    EXPECT_FALSE(matches("^(a+)+$", name + "aa"));
}

}  // namespace
}  // namespace tritonpy
