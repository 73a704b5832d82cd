#include "backend/onnxruntime_signature.h"

#include "backend/onnxruntime_options.h"
#include "backend/onnxruntime_session.h"
#include "base/limits.h"

namespace tritonpy {

namespace {

struct TypePair {
    ort::ElementType element;
    DataType data;
};

constexpr TypePair kTypes[] = {
    {ort::ElementType::kFloat, DataType::kFp32},    {ort::ElementType::kUint8, DataType::kUint8},
    {ort::ElementType::kInt8, DataType::kInt8},     {ort::ElementType::kUint16, DataType::kUint16},
    {ort::ElementType::kInt16, DataType::kInt16},   {ort::ElementType::kInt32, DataType::kInt32},
    {ort::ElementType::kInt64, DataType::kInt64},   {ort::ElementType::kString, DataType::kBytes},
    {ort::ElementType::kBool, DataType::kBool},     {ort::ElementType::kFloat16, DataType::kFp16},
    {ort::ElementType::kDouble, DataType::kFp64},   {ort::ElementType::kUint32, DataType::kUint32},
    {ort::ElementType::kUint64, DataType::kUint64}, {ort::ElementType::kBfloat16, DataType::kBf16},
};

std::string kind_name(ort::ValueKind kind) {
    switch (kind) {
        case ort::ValueKind::kTensor:
            return "ONNX_TYPE_TENSOR";
        case ort::ValueKind::kSequence:
            return "ONNX_TYPE_SEQUENCE";
        case ort::ValueKind::kMap:
            return "ONNX_TYPE_MAP";
        case ort::ValueKind::kOpaque:
            return "ONNX_TYPE_OPAQUE";
        case ort::ValueKind::kSparseTensor:
            return "ONNX_TYPE_SPARSETENSOR";
        case ort::ValueKind::kOptional:
            return "ONNX_TYPE_OPTIONAL";
        case ort::ValueKind::kUnknown:
            break;
    }
    return "ONNX_TYPE_UNKNOWN";
}

const OnnxTensorInfo* find(const std::vector<OnnxTensorInfo>& tensors, std::string_view name) {
    for (const OnnxTensorInfo& tensor : tensors) {
        if (tensor.name == name) {
            return &tensor;
        }
    }
    return nullptr;
}

Status read_shape(const OnnxRuntimeLibrary& library, const ort::TensorInfo* info,
                  OnnxTensorInfo& tensor) {
    size_t rank = 0;
    TRITONPY_RETURN_IF_ERROR(library.call(ort::kGetRank, info, &rank));
    if (rank > limits::kMaxRank) {
        return unsupported("unsupported ONNX tensor '" + tensor.name + "' of " +
                           std::to_string(rank) + " dimensions, expected at most " +
                           std::to_string(limits::kMaxRank));
    }
    std::vector<int64_t> dims(rank);
    TRITONPY_RETURN_IF_ERROR(library.call(ort::kGetDims, info, dims.data(), rank));
    tensor.shape = Shape(dims);
    // A library that cannot be asked gives no dimensions for no shape and for a scalar alike; a
    // scalar is the likelier one.
    tensor.has_shape =
        rank > 0 || !library.has_shape_query() || library.api()[ort::kTensorInfoHasShape](info);
    return Status();
}

Result<OnnxTensorInfo> read_tensor(const OnnxRuntimeLibrary& library, std::string name,
                                   const ort::TypeInfo* type) {
    ort::ValueKind kind = ort::ValueKind::kUnknown;
    TRITONPY_RETURN_IF_ERROR(library.call(ort::kGetTypeKind, type, &kind));
    if (kind != ort::ValueKind::kTensor) {
        return unsupported("Unsupported ONNX Type '" + kind_name(kind) + "' for I/O '" + name +
                           "', expected '" + kind_name(ort::ValueKind::kTensor) + "'.");
    }
    const ort::TensorInfo* info = nullptr;
    TRITONPY_RETURN_IF_ERROR(library.call(ort::kCastToTensorInfo, type, &info));
    OnnxTensorInfo tensor;
    tensor.name = std::move(name);
    ort::ElementType element = ort::ElementType::kUndefined;
    TRITONPY_RETURN_IF_ERROR(library.call(ort::kGetElementType, info, &element));
    tensor.data_type = data_type_of(element);
    TRITONPY_RETURN_IF_ERROR(read_shape(library, info, tensor));
    return tensor;
}

Result<std::string> read_name(const OnnxRuntimeLibrary& library, Status status, char* name) {
    TRITONPY_RETURN_IF_ERROR(std::move(status));
    std::string copy(name);
    TRITONPY_RETURN_IF_ERROR(
        library.call(ort::kAllocatorFree, library.allocator(), static_cast<void*>(name)));
    return copy;
}

// Appends the inputs, outputs or overridable initialisers of a session, whichever the three
// functions are for.
template <typename Count, typename Name, typename Type>
Status append_tensors(const OnnxRuntimeLibrary& library, ort::Session* session, Count count_entry,
                      Name name_entry, Type type_entry, bool optional,
                      std::vector<OnnxTensorInfo>& tensors) {
    size_t count = 0;
    TRITONPY_RETURN_IF_ERROR(library.call(count_entry, session, &count));
    for (size_t index = 0; index < count; ++index) {
        char* raw_name = nullptr;
        Status named = library.call(name_entry, session, index, library.allocator(), &raw_name);
        TRITONPY_ASSIGN_OR_RETURN(std::string name,
                                  read_name(library, std::move(named), raw_name));
        ort::TypeInfo* type = nullptr;
        TRITONPY_RETURN_IF_ERROR(library.call(type_entry, session, index, &type));
        auto owned_type = library.own(ort::kReleaseTypeInfo, type);
        TRITONPY_ASSIGN_OR_RETURN(OnnxTensorInfo tensor,
                                  read_tensor(library, std::move(name), type));
        tensor.optional = optional;
        tensors.push_back(std::move(tensor));
    }
    return Status();
}

}  // namespace

const OnnxTensorInfo* OnnxSignature::find_input(std::string_view name) const {
    return find(inputs, name);
}

const OnnxTensorInfo* OnnxSignature::find_output(std::string_view name) const {
    return find(outputs, name);
}

Result<OnnxSignature> read_onnx_signature(const OnnxRuntimeLibrary& library,
                                          ort::Session* session) {
    OnnxSignature signature;
    TRITONPY_RETURN_IF_ERROR(append_tensors(library, session, ort::kInputCount, ort::kInputName,
                                            ort::kInputTypeInfo, false, signature.inputs));
    TRITONPY_RETURN_IF_ERROR(append_tensors(
        library, session, ort::kOverridableInitializerCount, ort::kOverridableInitializerName,
        ort::kOverridableInitializerTypeInfo, true, signature.inputs));
    TRITONPY_RETURN_IF_ERROR(append_tensors(library, session, ort::kOutputCount, ort::kOutputName,
                                            ort::kOutputTypeInfo, false, signature.outputs));
    return signature;
}

Result<OnnxSignature> describe_onnx_model(const std::string& onnxruntime_library,
                                          const std::string& model_path, Log& log,
                                          const std::vector<std::string>& op_libraries) {
    std::optional<std::string> file = find_onnx_file(model_path);
    if (!file) {
        return unavailable("unable to find '" + model_path + "'");
    }
    TRITONPY_ASSIGN_OR_RETURN(auto library, OnnxRuntimeLibrary::open(onnxruntime_library));
    OnnxSessionOptions options;
    options.graph_optimization = ort::GraphOptimization::kNone;
    options.op_libraries = op_libraries;
    options.config_entries = {{"session.disable_prepacking", "1"}};  // it will never run
    TRITONPY_ASSIGN_OR_RETURN(auto session,
                              OnnxSession::open(std::move(library), *file, options, log));
    return session->signature();
}

DataType data_type_of(ort::ElementType type) {
    for (const TypePair& pair : kTypes) {
        if (pair.element == type) {
            return pair.data;
        }
    }
    return DataType::kInvalid;
}

ort::ElementType element_type_of(DataType type) {
    for (const TypePair& pair : kTypes) {
        if (pair.data == type) {
            return pair.element;
        }
    }
    return ort::ElementType::kUndefined;
}

}  // namespace tritonpy
