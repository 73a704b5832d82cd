#include "tensor/reshape.h"

#include "base/check.h"

namespace tritonpy {

bool fits(const Shape& shape, size_t leading, const Shape& spec) {
    if (shape.rank() != leading + spec.rank()) {
        return false;
    }
    for (size_t index = 0; index < spec.rank(); ++index) {
        if (spec[index] != -1 && spec[index] != shape[leading + index]) {
            return false;
        }
    }
    return true;
}

Shape reshaped(const Shape& shape, size_t leading, const Shape& from, const Shape& to) {
    Shape result(shape.dims().first(leading));
    size_t next = 0;  // of `from`, where the search for its next -1 goes on
    for (int64_t dim : to.dims()) {
        if (dim == -1) {
            while (next < from.rank() && from[next] != -1) {
                ++next;
            }
            TRITONPY_CHECK(next < from.rank());  // configuration pairs the variable dimensions
            dim = shape[leading + next];
            ++next;
        }
        result.append(dim);
    }
    return result;
}

}  // namespace tritonpy
