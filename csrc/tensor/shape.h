// The dimensions of a tensor, with arithmetic that notices overflow.
//
// Threads: compatible. A value; up to 8 dimensions are stored inline.
// Invariants: 1. the dimensions are inline_[0, inline_rank_), or all of spilled_ when that is not
//                empty (then inline_rank_ is 0, so that a moved-from shape is a scalar).
// Limits: limits::kMaxRank dimensions (checked where shapes enter: the codecs and the loader).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tensor/data_type.h"

namespace tritonpy {

class Shape {
  public:
    Shape() = default;
    Shape(std::initializer_list<int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
    explicit Shape(std::span<const int64_t> dims);

    size_t rank() const { return dims().size(); }
    // REQUIRES: index < rank().
    int64_t operator[](size_t index) const { return dims()[index]; }
    // REQUIRES: index < rank().
    void set(size_t index, int64_t dim);
    void append(int64_t dim);

    std::span<const int64_t> dims() const {
        if (spilled_.empty()) [[likely]] {
            return {inline_.data(), inline_rank_};
        }
        return spilled_;
    }
    // The dimensions after the first. REQUIRES: rank() > 0.
    std::span<const int64_t> row_dims() const { return dims().subspan(1); }

    // The product of all dimensions: 1 for a scalar, 0 when one of them is 0; nothing when one is
    // negative or the product exceeds int64.
    std::optional<int64_t> element_count() const;

    // "[1,16]": as in Triton's messages, no spaces.
    std::string to_string() const;

    friend bool operator==(const Shape& a, const Shape& b);

  private:
    static constexpr size_t kInline = 8;
    size_t inline_rank_ = 0;
    std::array<int64_t, kInline> inline_{};
    std::vector<int64_t> spilled_;  // holds all dimensions once there are more than kInline
};

// As Shape::element_count, for any dimensions.
std::optional<int64_t> element_count(std::span<const int64_t> dims);
// Bytes of a tensor of `dims` of a fixed-size type; nothing when a dimension is negative or the
// size exceeds size_t. REQUIRES: size_of(type) > 0.
std::optional<size_t> byte_size(DataType type, std::span<const int64_t> dims);
// "[1,16]".
std::string to_string(std::span<const int64_t> dims);

}  // namespace tritonpy
