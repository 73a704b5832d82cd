#include "tensor/input_shape.h"

#include <algorithm>
#include <string>

#include "base/limits.h"
#include "tensor/shape.h"

namespace tritonpy {

Status check_input_shape(std::string_view input_name, DataType type,
                         std::span<const int64_t> dims) {
    std::string name(input_name);
    if (dims.size() > limits::kMaxRank) {
        return invalid_arg("invalid shape for input '" + name + "': it has more than " +
                           std::to_string(limits::kMaxRank) + " dimensions");
    }
    bool negative = std::any_of(dims.begin(), dims.end(), [](int64_t dim) { return dim < 0; });
    if (negative) {
        return invalid_arg("invalid shape for input '" + name + "': shape " + to_string(dims) +
                           " contains one or more invalid dimensions");
    }
    if (!element_count(dims)) {
        return invalid_arg("invalid shape for input '" + name + "': shape " + to_string(dims) +
                           " causes total element count to exceed maximum size of " +
                           std::to_string(INT64_MAX));
    }
    if (size_of(type) > 0 && !byte_size(type, dims)) {
        return invalid_arg("byte size overflow for input '" + name + "'");
    }
    return Status();
}

}  // namespace tritonpy
