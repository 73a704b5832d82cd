// A named, typed, shaped view of bytes, and what keeps those bytes alive.
//
// Inputs borrow the buffer that the request arrived in; outputs borrow rows of their batch's
// output. The layout is row-major; BYTES elements are serialised as in the V2 protocol
// (bytes_tensor.h).
//
// Threads: compatible. Owns: one reference on `buffer`; `data` points into it.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "memory/buffer.h"
#include "tensor/data_type.h"
#include "tensor/shape.h"

namespace tritonpy {

struct Tensor {
    std::string name;
    DataType data_type = DataType::kInvalid;
    Shape shape;
    std::span<const std::byte> data;
    BufferRef buffer;  // may be null only when data is empty
    // Inputs only, set by the request check: requests may share a batch whatever this one's shape
    // is, and the batch has their elements one after the other in a single dimension.
    bool ragged = false;
};

}  // namespace tritonpy
