// Goal: every element type has the number, size and names that clients and configs know it by.
// Method: the whole table, there and back.
#include "tensor/data_type.h"

#include <gtest/gtest.h>

#include <array>

namespace tritonpy {
namespace {

struct Known {
    DataType type;
    int number;
    size_t size;
    std::string_view wire;
    std::string_view config;
};

constexpr std::array<Known, 14> kKnown{{
    {DataType::kBool, 1, 1, "BOOL", "TYPE_BOOL"},
    {DataType::kUint8, 2, 1, "UINT8", "TYPE_UINT8"},
    {DataType::kUint16, 3, 2, "UINT16", "TYPE_UINT16"},
    {DataType::kUint32, 4, 4, "UINT32", "TYPE_UINT32"},
    {DataType::kUint64, 5, 8, "UINT64", "TYPE_UINT64"},
    {DataType::kInt8, 6, 1, "INT8", "TYPE_INT8"},
    {DataType::kInt16, 7, 2, "INT16", "TYPE_INT16"},
    {DataType::kInt32, 8, 4, "INT32", "TYPE_INT32"},
    {DataType::kInt64, 9, 8, "INT64", "TYPE_INT64"},
    {DataType::kFp16, 10, 2, "FP16", "TYPE_FP16"},
    {DataType::kFp32, 11, 4, "FP32", "TYPE_FP32"},
    {DataType::kFp64, 12, 8, "FP64", "TYPE_FP64"},
    {DataType::kBytes, 13, 0, "BYTES", "TYPE_STRING"},
    {DataType::kBf16, 14, 2, "BF16", "TYPE_BF16"},
}};

TEST(DataType, has_number_size_and_both_names) {
    for (const Known& known : kKnown) {
        SCOPED_TRACE(known.wire);
        EXPECT_EQ(static_cast<int>(known.type), known.number);
        EXPECT_EQ(size_of(known.type), known.size);
        EXPECT_EQ(wire_name(known.type), known.wire);
        EXPECT_EQ(config_name(known.type), known.config);
        EXPECT_EQ(data_type_of(known.wire), known.type);
    }
}

TEST(DataType, invalid_has_no_size_and_says_so) {
    EXPECT_EQ(size_of(DataType::kInvalid), 0u);
    EXPECT_EQ(wire_name(DataType::kInvalid), "<invalid>");
    EXPECT_EQ(config_name(DataType::kInvalid), "TYPE_INVALID");
}

TEST(DataType, number_that_is_no_type_counts_as_invalid) {
    EXPECT_EQ(size_of(static_cast<DataType>(15)), 0u);
    EXPECT_EQ(wire_name(static_cast<DataType>(255)), "<invalid>");
}

TEST(DataType, only_exact_wire_names_are_types) {
    for (std::string_view name :
         {"", "fp32", "FP32 ", "FP", "FP321", "STRING", "TYPE_FP32", "<invalid>"}) {
        EXPECT_EQ(data_type_of(name), std::nullopt) << name;
    }
}

}  // namespace
}  // namespace tritonpy
