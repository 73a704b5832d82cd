// Goal: numbers in parameters are read whole or refused with Triton's text.
// Method: the two functions on texts that are, nearly are and are not numbers.
#include "backend/parameter_number.h"

#include <gtest/gtest.h>

namespace tritonpy {
namespace {

TEST(ParameterNumber, reads_numbers_up_to_the_limits_of_their_type) {
    EXPECT_EQ(int_parameter({{"n", "-2147483648"}}, "n", 7).value(), -2147483647 - 1);
    EXPECT_EQ(uint64_parameter({{"n", "18446744073709551615"}}, "n", 7).value(), UINT64_MAX);
}

TEST(ParameterNumber, missing_parameter_is_the_fallback) {
    EXPECT_EQ(int_parameter({{"m", "1"}}, "n", -7).value(), -7);
    EXPECT_EQ(uint64_parameter({}, "n", 7).value(), 7u);
}

TEST(ParameterNumber, text_that_is_no_whole_number_is_refused) {
    for (const char* text : {"", " 1", "1 ", "1.5", "0x10", "one", "2147483648"}) {
        EXPECT_EQ(int_parameter({{"n", text}}, "n", 0).status(),
                  invalid_arg("failed to convert '" + std::string(text) +
                              "' to integral number"));
    }
    for (const char* text : {"", "-1", "18446744073709551616"}) {
        EXPECT_EQ(uint64_parameter({{"n", text}}, "n", 0).status(),
                  invalid_arg("failed to convert '" + std::string(text) +
                              "' to unsigned long long integral number"));
    }
}

}  // namespace
}  // namespace tritonpy
