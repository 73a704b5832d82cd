// InferTensorContents: tensor data as typed repeated fields.
//
// One field belongs to each data type (int_contents to INT8, INT16 and INT32); FP16 and BF16 have
// none. FP32 and FP64 that come as one packed field already are the tensor's bytes and are borrowed
// from the message; everything else is converted into one pool block, whose size is known from a
// first pass that only counts.
//
// Threads: compatible; a pure function.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "base/status.h"
#include "memory/block_pool.h"
#include "tensor/tensor.h"

namespace tritonpy {

// Sets tensor.data from the occurrences of the field `contents` in one input, which add up.
// invalid_arg when a field of another type has elements (Triton's text) or the bytes are malformed.
Status decode_contents(std::span<const std::span<const std::byte>> occurrences,
                       const BufferRef& message, std::string_view model_name, BlockPool& pool,
                       Tensor& tensor);

// invalid_arg for bytes that are no ModelInferRequest.
Status malformed_request(const char* why);

}  // namespace tritonpy
