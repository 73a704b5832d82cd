// Our tensors as ONNX Runtime's values, and back.
//
// Nothing is copied that need not be: an input is read where it lies, an output stays where the
// runtime put it. What is copied: an input whose bytes do not lie on a multiple of its element size
// (kernels read elements, not bytes), and strings, which the runtime keeps as objects of its own.
//
// Threads: thread-safe functions.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/onnxruntime_session.h"
#include "base/result.h"
#include "memory/block_pool.h"
#include "tensor/tensor.h"

namespace tritonpy {

// A value that reads `tensor`, the model's input `info`. A tensor that lies badly is moved into a
// pool block first: `tensor` then holds the copy. It must stay as it is for as long as the value
// lives. A tensor of shape [1] for an input that is a scalar in the model becomes a scalar.
// unavailable when there is no memory, internal when shape and bytes do not agree; the text names
// the input.
Result<OnnxOwned<ort::Value>> make_onnx_value(const OnnxRuntimeLibrary& library,
                                              const OnnxTensorInfo& info, Tensor& tensor,
                                              BlockPool& pool);

// The tensor called `name` that `value`, an output of a run over `inputs`, holds. Its buffer keeps
// the value and the session alive, or the input whose bytes the model handed through untouched. A
// scalar gets the shape [1]. `offsets` is scratch. unsupported when the value is no tensor or its
// elements have no type in the V2 protocol, unavailable when there is no memory for strings.
Result<Tensor> take_onnx_value(const std::shared_ptr<const OnnxSession>& session,
                               OnnxOwned<ort::Value> value, const std::string& name,
                               std::span<const Tensor> inputs, BlockPool& pool,
                               std::vector<size_t>& offsets);

}  // namespace tritonpy
