// What an ONNX model says of its inputs and outputs, for auto-completion and for the executor.
//
// Threads: thread-safe functions; values are compatible.
#pragma once

#include <string>
#include <vector>

#include "backend/onnxruntime_library.h"
#include "base/log.h"
#include "base/result.h"
#include "tensor/data_type.h"
#include "tensor/shape.h"

namespace tritonpy {

struct OnnxTensorInfo {
    std::string name;
    // kInvalid for the element types that the V2 protocol has no word for (complex, 8-bit and
    // narrower floats, 4-bit integers).
    DataType data_type = DataType::kInvalid;
    Shape shape = {};        // -1 where the model leaves a dimension open; empty for a scalar
    bool has_shape = true;   // false: the model does not even say how many dimensions there are
    bool optional = false;   // inputs only: the model has a value for it (overridable initialiser)

    friend bool operator==(const OnnxTensorInfo&, const OnnxTensorInfo&) = default;
};

struct OnnxSignature {
    std::vector<OnnxTensorInfo> inputs;   // in the model's order, the optional ones last
    std::vector<OnnxTensorInfo> outputs;  // in the model's order

    // Null when there is no such tensor.
    const OnnxTensorInfo* find_input(std::string_view name) const;
    const OnnxTensorInfo* find_output(std::string_view name) const;
};

// The signature of a loaded session. unsupported `Unsupported ONNX Type '<T>' for I/O '<n>',
// expected 'ONNX_TYPE_TENSOR'.` when the model has an input or output that is no tensor.
Result<OnnxSignature> read_onnx_signature(const OnnxRuntimeLibrary& library,
                                          ort::Session* session);

// The signature of the model at `model_path` (a file, or a directory with model.onnx), read without
// optimising the graph. Blocks while the file loads. unavailable `unable to find '<path>'`, what
// OnnxRuntimeLibrary::open and OnnxSession::open return. The session's log goes to `log`.
// `op_libraries` are those of OnnxSessionOptions.
Result<OnnxSignature> describe_onnx_model(const std::string& onnxruntime_library,
                                          const std::string& model_path, Log& log,
                                          const std::vector<std::string>& op_libraries = {});

// Our word for an element type; kInvalid where there is none, and the other way round.
DataType data_type_of(ort::ElementType type);
ort::ElementType element_type_of(DataType type);

}  // namespace tritonpy
