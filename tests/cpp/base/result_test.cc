// Goal: a Result holds a value or a reason, never both and never neither.
// Method: both kinds, a value that can only be moved, and the propagating macro.
#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace tritonpy {
namespace {

TEST(Result, holds_a_value_with_an_ok_status) {
    Result<std::string> result = std::string("value");
    ASSERT_TRUE(result.ok());
    EXPECT_TRUE(result.status().ok());
    EXPECT_EQ(result.value(), "value");
    result.value() += "!";
    EXPECT_EQ(std::move(result).value(), "value!");
}

TEST(Result, holds_the_reason_when_there_is_no_value) {
    Result<std::string> result = not_found("nothing here");
    EXPECT_FALSE(result.ok());
    EXPECT_EQ(result.status(), not_found("nothing here"));
}

TEST(Result, moves_a_value_that_cannot_be_copied) {
    Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
    ASSERT_TRUE(result.ok());
    std::unique_ptr<int> taken = std::move(result).value();
    EXPECT_EQ(*taken, 7);
}

TEST(Result, assign_or_return_declares_assigns_or_propagates) {
    auto twice = [](Result<int> first, Result<int> second) -> Result<int> {
        TRITONPY_ASSIGN_OR_RETURN(int sum, std::move(first));
        int addend = 0;
        TRITONPY_ASSIGN_OR_RETURN(addend, std::move(second));
        return sum + addend;
    };
    EXPECT_EQ(twice(1, 2).value(), 3);
    EXPECT_EQ(twice(invalid_arg("a"), 2).status(), invalid_arg("a"));
    EXPECT_EQ(twice(1, invalid_arg("b")).status(), invalid_arg("b"));
}

TEST(ResultDeathTest, an_ok_status_is_not_a_result) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH((void)Result<int>(Status()), "check failed");
}

}  // namespace
}  // namespace tritonpy
