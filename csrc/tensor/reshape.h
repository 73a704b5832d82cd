// The `reshape` of a model's tensor, applied to one shape.
//
// Clients see `dims`, the backend sees `reshape`. Configuration has made sure that both have the
// same variable dimensions in the same order, with equal products between them; so the n-th -1 of
// one is the n-th -1 of the other, and the mapping works in both directions.
//
// Threads: immutable; pure functions of their arguments.
#pragma once

#include <cstddef>

#include "tensor/shape.h"

namespace tritonpy {

// Whether `shape`, without its first `leading` dimensions, fits the dimensions of a spec (-1 fits
// any).
bool fits(const Shape& shape, size_t leading, const Shape& spec);

// `shape` in the terms of `to`: its first `leading` dimensions (the batch) stay, and each -1 of
// `to` takes the value that stood at the same -1 of `from`. REQUIRES: fits(shape, leading, from).
Shape reshaped(const Shape& shape, size_t leading, const Shape& from, const Shape& to);

}  // namespace tritonpy
