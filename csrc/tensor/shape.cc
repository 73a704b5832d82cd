#include "tensor/shape.h"

#include <algorithm>

#include "base/check.h"

namespace tritonpy {

Shape::Shape(std::span<const int64_t> dims) {
    if (dims.size() <= kInline) {
        std::ranges::copy(dims, inline_.begin());
        inline_rank_ = dims.size();
    } else {
        spilled_.assign(dims.begin(), dims.end());
    }
}

void Shape::set(size_t index, int64_t dim) {
    TRITONPY_CHECK(index < rank());
    (spilled_.empty() ? inline_[index] : spilled_[index]) = dim;
}

void Shape::append(int64_t dim) {
    if (spilled_.empty() && inline_rank_ < kInline) {
        inline_[inline_rank_++] = dim;
        return;
    }
    if (spilled_.empty()) {
        spilled_.assign(inline_.begin(), inline_.end());
        inline_rank_ = 0;
    }
    spilled_.push_back(dim);
}

std::optional<int64_t> Shape::element_count() const { return tritonpy::element_count(dims()); }

std::string Shape::to_string() const { return tritonpy::to_string(dims()); }

bool operator==(const Shape& a, const Shape& b) { return std::ranges::equal(a.dims(), b.dims()); }

std::optional<int64_t> element_count(std::span<const int64_t> dims) {
    int64_t count = 1;
    bool overflow = false;
    bool zero = false;
    for (int64_t dim : dims) {
        if (dim < 0) {
            return std::nullopt;
        }
        zero = zero || dim == 0;
        // A zero anywhere makes the product 0, whatever the others multiply to.
        overflow = __builtin_mul_overflow(count, dim, &count) || overflow;
    }
    if (zero) {
        return 0;
    }
    return overflow ? std::nullopt : std::optional(count);
}

std::optional<size_t> byte_size(DataType type, std::span<const int64_t> dims) {
    std::optional<int64_t> count = element_count(dims);
    size_t bytes = 0;
    if (!count || __builtin_mul_overflow(static_cast<size_t>(*count), size_of(type), &bytes)) {
        return std::nullopt;
    }
    return bytes;
}

std::string to_string(std::span<const int64_t> dims) {
    std::string text = "[";
    for (size_t index = 0; index < dims.size(); ++index) {
        if (index > 0) {
            text.push_back(',');
        }
        text += std::to_string(dims[index]);
    }
    text.push_back(']');
    return text;
}

}  // namespace tritonpy
