// Goal: a shape keeps any number of dimensions, and its arithmetic never wraps.
// Method: ranks on both sides of the inline limit, and products around the limits of int64 and
// size_t.
#include "tensor/shape.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace tritonpy {
namespace {

constexpr int64_t kMax = INT64_MAX;

std::vector<int64_t> counting(size_t rank) {
    std::vector<int64_t> dims(rank);
    std::iota(dims.begin(), dims.end(), 1);
    return dims;
}

std::vector<int64_t> to_vector(std::span<const int64_t> dims) { return {dims.begin(), dims.end()}; }

TEST(Shape, default_is_a_scalar) {
    Shape shape;
    EXPECT_EQ(shape.rank(), 0u);
    EXPECT_TRUE(shape.dims().empty());
    EXPECT_EQ(shape.element_count(), 1);
    EXPECT_EQ(shape.to_string(), "[]");
}

TEST(Shape, keeps_any_number_of_dimensions_however_they_came) {
    for (size_t rank : {0u, 1u, 7u, 8u, 9u, 10u, 32u, 100u}) {
        SCOPED_TRACE(rank);
        std::vector<int64_t> dims = counting(rank);
        Shape at_once{std::span<const int64_t>(dims)};
        Shape one_by_one;
        for (int64_t dim : dims) {
            one_by_one.append(dim);
        }
        EXPECT_EQ(at_once.rank(), rank);
        EXPECT_EQ(to_vector(at_once.dims()), dims);
        EXPECT_EQ(to_vector(one_by_one.dims()), dims);
        EXPECT_EQ(at_once, one_by_one);
        for (size_t index = 0; index < rank; ++index) {
            EXPECT_EQ(at_once[index], dims[index]);
            at_once.set(index, -1);
            EXPECT_EQ(at_once[index], -1);
        }
    }
}

TEST(Shape, equality_looks_at_dimensions_only) {
    EXPECT_EQ(Shape({1, 2}), Shape({1, 2}));
    EXPECT_FALSE(Shape({1, 2}) == Shape({1, 3}));
    EXPECT_FALSE(Shape({1}) == Shape({1, 1}));
    EXPECT_FALSE(Shape() == Shape({0}));
    Shape changed({1, 5});
    changed.set(1, 2);
    EXPECT_EQ(changed, Shape({1, 2}));
}

TEST(Shape, copies_and_moves_keep_dimensions_and_leave_a_valid_shape) {
    for (size_t rank : {3u, 12u}) {
        SCOPED_TRACE(rank);
        std::vector<int64_t> dims = counting(rank);
        Shape original{std::span<const int64_t>(dims)};
        Shape copy = original;
        copy.set(0, 99);
        EXPECT_EQ(original[0], 1);
        Shape moved = std::move(original);
        EXPECT_EQ(to_vector(moved.dims()), dims);
        EXPECT_EQ(original.rank(), original.dims().size());  // NOLINT: valid after a move
        original = Shape({4});
        EXPECT_EQ(original, Shape({4}));
    }
}

TEST(Shape, row_dims_are_all_but_the_first) {
    EXPECT_EQ(to_vector(Shape({5, 2, 3}).row_dims()), (std::vector<int64_t>{2, 3}));
    EXPECT_TRUE(Shape({5}).row_dims().empty());
}

TEST(Shape, text_has_no_spaces) {
    EXPECT_EQ(Shape({1, 16}).to_string(), "[1,16]");
    EXPECT_EQ(Shape({-1}).to_string(), "[-1]");
    EXPECT_EQ(Shape({kMax, INT64_MIN}).to_string(), "[9223372036854775807,-9223372036854775808]");
}

TEST(Shape, element_count_is_the_product) {
    EXPECT_EQ(Shape({3}).element_count(), 3);
    EXPECT_EQ(Shape({2, 3, 4}).element_count(), 24);
    EXPECT_EQ(Shape({kMax}).element_count(), kMax);
    EXPECT_EQ(Shape({int64_t{1} << 31, int64_t{1} << 31}).element_count(), int64_t{1} << 62);
}

TEST(Shape, negative_dimension_has_no_element_count) {
    EXPECT_EQ(Shape({-1}).element_count(), std::nullopt);
    EXPECT_EQ(Shape({2, -3}).element_count(), std::nullopt);
    EXPECT_EQ(Shape({-2, -3}).element_count(), std::nullopt);
    EXPECT_EQ(Shape({0, -1}).element_count(), std::nullopt);
    EXPECT_EQ(Shape({-1, 0}).element_count(), std::nullopt);
    EXPECT_EQ(Shape({INT64_MIN}).element_count(), std::nullopt);
}

TEST(Shape, product_beyond_int64_has_no_element_count) {
    EXPECT_EQ(Shape({int64_t{1} << 32, int64_t{1} << 31}).element_count(), std::nullopt);
    EXPECT_EQ(Shape({kMax, 2}).element_count(), std::nullopt);
    // Wraps to a small positive number where nobody looks.
    EXPECT_EQ(Shape({int64_t{1} << 32, int64_t{1} << 32, 3}).element_count(), std::nullopt);
    EXPECT_EQ(Shape({6'700'417, 641, int64_t{1} << 32}).element_count(), std::nullopt);
}

TEST(Shape, zero_dimension_makes_zero_elements_wherever_it_stands) {
    EXPECT_EQ(Shape({0}).element_count(), 0);
    EXPECT_EQ(Shape({0, 5}).element_count(), 0);
    EXPECT_EQ(Shape({5, 0}).element_count(), 0);
    EXPECT_EQ(Shape({0, kMax, kMax}).element_count(), 0);
    EXPECT_EQ(Shape({kMax, kMax, 0}).element_count(), 0);
}

TEST(ByteSize, is_elements_times_their_size) {
    EXPECT_EQ(byte_size(DataType::kFp32, Shape({2, 3}).dims()), 24u);
    EXPECT_EQ(byte_size(DataType::kBool, Shape().dims()), 1u);
    EXPECT_EQ(byte_size(DataType::kFp64, Shape({7, 0}).dims()), 0u);
    EXPECT_EQ(byte_size(DataType::kInt8, Shape({kMax}).dims()), size_t{kMax});
    EXPECT_EQ(byte_size(DataType::kFp16, Shape({kMax}).dims()), size_t{kMax} * 2);
}

TEST(ByteSize, negative_or_beyond_size_t_is_nothing) {
    EXPECT_EQ(byte_size(DataType::kFp32, Shape({-1, 4}).dims()), std::nullopt);
    EXPECT_EQ(byte_size(DataType::kFp32, Shape({kMax}).dims()), std::nullopt);
    EXPECT_EQ(byte_size(DataType::kFp64, Shape({int64_t{1} << 61}).dims()), std::nullopt);
    EXPECT_EQ(byte_size(DataType::kFp32, Shape({kMax, kMax}).dims()), std::nullopt);
}

}  // namespace
}  // namespace tritonpy
