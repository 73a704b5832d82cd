// Goal: answers that a client could not tell apart are equal, all others are not.
// Method: pairs of tensors, element by element.
#include "model/answer_comparison.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "support/request_builder.h"

namespace tritonpy {
namespace {

template <typename T>
AnswerComparison compare(const std::vector<T>& first, const std::vector<T>& second,
                         Tolerance tolerance = {}) {
    const Shape shape({static_cast<int64_t>(first.size())});
    return compare_answers({make_tensor<T>("OUT", shape, first)},
                           {make_tensor<T>("OUT", shape, second)}, tolerance);
}

AnswerComparison compare_16(DataType type, uint16_t first, uint16_t second) {
    const std::vector<uint16_t> left{first};
    const std::vector<uint16_t> right{second};
    return compare_answers(
        {make_raw_tensor("OUT", type, {1}, std::as_bytes(std::span(left)))},
        {make_raw_tensor("OUT", type, {1}, std::as_bytes(std::span(right)))}, {});
}

TEST(AnswerComparison, equal_numbers_are_equal_whatever_their_bits) {
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    EXPECT_TRUE(compare<float>({1, kNan, 0.0f}, {1, -kNan, -0.0f}).equal);
    EXPECT_FALSE(compare<float>({1, kNan}, {1, 2}).equal);
    EXPECT_FALSE(compare<float>({HUGE_VALF}, {-HUGE_VALF}).equal);
    EXPECT_TRUE(compare<int64_t>({-3, 4}, {-3, 4}).equal);
}

TEST(AnswerComparison, differences_are_measured_and_forgiven_up_to_the_tolerance) {
    const AnswerComparison exact = compare<float>({1, 100}, {1.5f, 103});
    EXPECT_FALSE(exact.equal);
    EXPECT_EQ(exact.max_difference, 3);
    EXPECT_FALSE(compare<float>({1, 100}, {1.5f, 103}, {0.03, 0}).equal);
    EXPECT_FALSE(compare<float>({1, 100}, {1.5f, 103}, {0, 0.5}).equal);
    const AnswerComparison near = compare<float>({1, 100}, {1.5f, 103}, {0.03, 0.5});
    EXPECT_TRUE(near.equal);
    EXPECT_EQ(near.max_difference, 3);
    EXPECT_EQ(compare<uint8_t>({200}, {0}).max_difference, 200);
    EXPECT_EQ(compare<int32_t>({-7}, {7}).max_difference, 14);
    EXPECT_EQ(compare<double>({0.25}, {0}).max_difference, 0.25);
}

TEST(AnswerComparison, sixteen_bit_floats_are_numbers) {
    EXPECT_EQ(compare_16(DataType::kFp16, 0x3C00, 0x4000).max_difference, 1);      // 1, 2
    EXPECT_EQ(compare_16(DataType::kFp16, 0xC000, 0x0001).max_difference, 2 + std::ldexp(1, -24));
    EXPECT_FALSE(compare_16(DataType::kFp16, 0x7C00, 0x3C00).equal);               // infinity, 1
    EXPECT_TRUE(compare_16(DataType::kFp16, 0x7C01, 0x7E00).equal);                // NaNs
    EXPECT_EQ(compare_16(DataType::kBf16, 0x3F80, 0x4000).max_difference, 1);      // 1, 2
}

TEST(AnswerComparison, other_outputs_shapes_and_types_are_another_answer) {
    const auto tensor = [](std::string name, Shape shape) {
        return make_tensor<float>(std::move(name), std::move(shape), {1, 2});
    };
    EXPECT_TRUE(compare_answers({tensor("A", {2}), tensor("B", {2})},
                                {tensor("B", {2}), tensor("A", {2})}, {})
                    .equal);
    EXPECT_FALSE(compare_answers({tensor("A", {2})}, {tensor("B", {2})}, {}).equal);
    EXPECT_FALSE(compare_answers({tensor("A", {2})}, {tensor("A", {2, 1})}, {}).equal);
    EXPECT_FALSE(compare_answers({tensor("A", {2})}, {}, {}).equal);
    EXPECT_FALSE(
        compare_answers({tensor("A", {2})}, {make_tensor<int32_t>("A", {2}, {1, 2})}, {}).equal);
}

TEST(AnswerComparison, strings_are_equal_or_not) {
    const auto strings = [](std::string text) { return make_string_tensor("S", {1}, {text}); };
    EXPECT_TRUE(compare_answers({strings("a")}, {strings("a")}, {}).equal);
    EXPECT_FALSE(compare_answers({strings("a")}, {strings("b")}, {9, 9}).equal);
    EXPECT_FALSE(compare_answers({strings("a")}, {strings("ab")}, {9, 9}).equal);
}

}  // namespace
}  // namespace tritonpy
