#include "tensor/data_type.h"

#include <array>

namespace tritonpy {

namespace {

struct Row {
    size_t size;
    std::string_view wire;
    std::string_view config;
};

// Indexed by the values of DataType.
constexpr std::array<Row, 15> kRows{{
    {0, "<invalid>", "TYPE_INVALID"},
    {1, "BOOL", "TYPE_BOOL"},
    {1, "UINT8", "TYPE_UINT8"},
    {2, "UINT16", "TYPE_UINT16"},
    {4, "UINT32", "TYPE_UINT32"},
    {8, "UINT64", "TYPE_UINT64"},
    {1, "INT8", "TYPE_INT8"},
    {2, "INT16", "TYPE_INT16"},
    {4, "INT32", "TYPE_INT32"},
    {8, "INT64", "TYPE_INT64"},
    {2, "FP16", "TYPE_FP16"},
    {4, "FP32", "TYPE_FP32"},
    {8, "FP64", "TYPE_FP64"},
    {0, "BYTES", "TYPE_STRING"},
    {2, "BF16", "TYPE_BF16"},
}};
static_assert(kRows.size() == static_cast<size_t>(DataType::kBf16) + 1);

// A value that is none of the enumerators counts as kInvalid.
const Row& row_of(DataType type) {
    auto index = static_cast<size_t>(type);
    return kRows[index < kRows.size() ? index : 0];
}

}  // namespace

size_t size_of(DataType type) { return row_of(type).size; }

std::string_view wire_name(DataType type) { return row_of(type).wire; }

std::string_view config_name(DataType type) { return row_of(type).config; }

std::optional<DataType> data_type_of(std::string_view wire_name) {
    for (size_t index = 1; index < kRows.size(); ++index) {
        if (kRows[index].wire == wire_name) {
            return static_cast<DataType>(index);
        }
    }
    return std::nullopt;
}

}  // namespace tritonpy
