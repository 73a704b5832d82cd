#include "backend/onnxruntime_tensor.h"

#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>

#include "base/limits.h"
#include "tensor/bytes_tensor.h"

namespace tritonpy {

namespace {

// A buffer over a value's own memory.
struct ValueBuffer {
    ValueBuffer(std::byte* data, size_t size, OnnxOwned<ort::Value> owned,
                std::shared_ptr<const OnnxSession> kept)
        : session(std::move(kept)), value(std::move(owned)), buffer(data, size, &release, this) {}

    static void release(Buffer& buffer) {
        std::unique_ptr<ValueBuffer>(static_cast<ValueBuffer*>(buffer.context()));
    }

    // Shared, and before the value: the response may outlive the model, whose library must be there
    // to release the value.
    std::shared_ptr<const OnnxSession> session;
    OnnxOwned<ort::Value> value;
    Buffer buffer;
};

bool is_aligned(const Tensor& tensor) {
    return reinterpret_cast<uintptr_t>(tensor.data.data()) % size_of(tensor.data_type) == 0;
}

Status align(Tensor& tensor, BlockPool& pool) {
    TRITONPY_ASSIGN_OR_RETURN(BufferRef block, pool.allocate(tensor.data.size()));
    std::memcpy(block->data(), tensor.data.data(), tensor.data.size());
    tensor.data = {block->data(), tensor.data.size()};
    tensor.buffer = std::move(block);
    return Status();
}

// The dimensions that the model wants for `tensor`.
std::span<const int64_t> model_dims(const OnnxTensorInfo& info, const Tensor& tensor) {
    std::span<const int64_t> dims = tensor.shape.dims();
    bool is_scalar = info.has_shape && info.shape.rank() == 0;
    return is_scalar && dims.size() == 1 && dims[0] == 1 ? std::span<const int64_t>() : dims;
}

Result<OnnxOwned<ort::Value>> make_string_value(const OnnxRuntimeLibrary& library,
                                                const Tensor& tensor,
                                                std::span<const int64_t> dims) {
    BytesScan scan = scan_bytes(tensor.data);
    if (scan.fault != BytesFault::kNone || scan.element_count != tensor.shape.element_count()) {
        return internal_error("input '" + tensor.name + "' holds " +
                              std::to_string(scan.element_count) +
                              " whole string elements, expected those of shape " +
                              tensor.shape.to_string());
    }
    ort::Value* value = nullptr;
    TRITONPY_RETURN_IF_ERROR(library.call(ort::kCreateTensor, library.allocator(), dims.data(),
                                          dims.size(), ort::ElementType::kString, &value));
    OnnxOwned<ort::Value> owned = library.own(ort::kReleaseValue, value);
    BytesReader reader(tensor.data);
    for (size_t index = 0; !reader.at_end(); ++index) {
        std::string_view element = reader.next();
        // By size, unlike the calls that take C strings: an element may hold zeros.
        char* room = nullptr;
        TRITONPY_RETURN_IF_ERROR(
            library.call(ort::kResizeStringElement, value, index, element.size(), &room));
        std::memcpy(room, element.data(), element.size());
    }
    return owned;
}

// What kind of tensor a value is.
Status read_type(const OnnxRuntimeLibrary& library, const ort::Value* value,
                 const std::string& name, Tensor& tensor) {
    ort::ValueKind kind = ort::ValueKind::kUnknown;
    if (value != nullptr) {
        TRITONPY_RETURN_IF_ERROR(library.call(ort::kGetValueKind, value, &kind));
    }
    if (kind != ort::ValueKind::kTensor) {
        return unsupported("output '" + name + "' of the model is not a tensor");
    }
    ort::TensorInfo* info = nullptr;
    TRITONPY_RETURN_IF_ERROR(library.call(ort::kGetTensorInfo, value, &info));
    auto owned_info = library.own(ort::kReleaseTensorInfo, info);
    ort::ElementType element = ort::ElementType::kUndefined;
    TRITONPY_RETURN_IF_ERROR(library.call(ort::kGetElementType, info, &element));
    tensor.data_type = data_type_of(element);
    if (tensor.data_type == DataType::kInvalid) {
        return unsupported("output '" + name + "' of the model has elements of ONNX type " +
                           std::to_string(static_cast<int>(element)) +
                           ", for which the protocol has no datatype");
    }
    size_t rank = 0;
    TRITONPY_RETURN_IF_ERROR(library.call(ort::kGetRank, info, &rank));
    if (rank > limits::kMaxRank) {
        return unsupported("output '" + name + "' of the model has " + std::to_string(rank) +
                           " dimensions, expected at most " + std::to_string(limits::kMaxRank));
    }
    int64_t dims[limits::kMaxRank] = {1};
    TRITONPY_RETURN_IF_ERROR(library.call(ort::kGetDims, info, &dims[0], rank));
    tensor.shape = Shape(std::span<const int64_t>(dims, rank == 0 ? 1 : rank));
    return Status();
}

// Serialises a string tensor in one block: its content is fetched to the block's end, then each
// element moves to its place behind its length, which never reaches past where it came from.
Status take_strings(const OnnxRuntimeLibrary& library, const ort::Value* value,
                    std::vector<size_t>& offsets, BlockPool& pool, Tensor& tensor) {
    auto count = static_cast<size_t>(tensor.shape.element_count().value_or(0));
    size_t content = 0;
    if (count == 0) {
        return Status();
    }
    TRITONPY_RETURN_IF_ERROR(library.call(ort::kGetStringContentSize, value, &content));
    size_t lengths = count * kBytesLengthSize;
    TRITONPY_ASSIGN_OR_RETURN(BufferRef block, pool.allocate(lengths + content));
    offsets.resize(count);
    std::byte* from = block->data() + lengths;
    TRITONPY_RETURN_IF_ERROR(library.call(ort::kGetStringContent, value,
                                          static_cast<void*>(from), content, offsets.data(),
                                          count));
    std::byte* to = block->data();
    for (size_t index = 0; index < count; ++index) {
        size_t end = index + 1 < count ? offsets[index + 1] : content;
        size_t size = end - offsets[index];
        if (size > std::numeric_limits<uint32_t>::max()) {
            return unsupported("output '" + tensor.name + "' of the model has a string of " +
                               std::to_string(size) + " bytes, expected less than 4 GiB");
        }
        // Not write_bytes_element: source and target may overlap.
        std::memmove(to + kBytesLengthSize, from + offsets[index], size);
        auto length = static_cast<uint32_t>(size);
        std::memcpy(to, &length, kBytesLengthSize);
        to += kBytesLengthSize + size;
    }
    tensor.data = {block->data(), lengths + content};
    tensor.buffer = std::move(block);
    return Status();
}

// The input that `data` lies in; null when it is the runtime's own.
const Tensor* owner_of(const std::byte* data, std::span<const Tensor> inputs) {
    std::less_equal<> not_after;
    for (const Tensor& input : inputs) {
        const std::byte* begin = input.data.data();
        if (!input.data.empty() && not_after(begin, data) &&
            !not_after(begin + input.data.size(), data)) {
            return &input;
        }
    }
    return nullptr;
}

}  // namespace

Result<OnnxOwned<ort::Value>> make_onnx_value(const OnnxRuntimeLibrary& library,
                                              const OnnxTensorInfo& info, Tensor& tensor,
                                              BlockPool& pool) {
    std::span<const int64_t> dims = model_dims(info, tensor);
    if (tensor.data_type == DataType::kBytes) {
        return make_string_value(library, tensor, dims);
    }
    if (tensor.data_type == DataType::kInvalid) {
        return internal_error("input '" + tensor.name + "' has no datatype");
    }
    if (!is_aligned(tensor)) {
        TRITONPY_RETURN_IF_ERROR(align(tensor, pool));
    }
    // The runtime only reads inputs; its interface has no const.
    void* data = const_cast<std::byte*>(tensor.data.data());
    ort::Value* value = nullptr;
    Status made = library.call(ort::kCreateTensorOverData, library.cpu_memory(), data,
                               tensor.data.size(), dims.data(), dims.size(),
                               element_type_of(tensor.data_type), &value);
    if (!made.ok()) {
        return internal_error("input '" + tensor.name + "': " + std::string(made.message()));
    }
    return library.own(ort::kReleaseValue, value);
}

Result<Tensor> take_onnx_value(const std::shared_ptr<const OnnxSession>& session,
                               OnnxOwned<ort::Value> value, const std::string& name,
                               std::span<const Tensor> inputs, BlockPool& pool,
                               std::vector<size_t>& offsets) {
    const OnnxRuntimeLibrary& library = session->library();
    Tensor tensor;
    tensor.name = name;
    TRITONPY_RETURN_IF_ERROR(read_type(library, value.get(), name, tensor));
    if (tensor.data_type == DataType::kBytes) {
        TRITONPY_RETURN_IF_ERROR(take_strings(library, value.get(), offsets, pool, tensor));
        return tensor;
    }
    std::optional<size_t> size = byte_size(tensor.data_type, tensor.shape.dims());
    if (!size) {
        return internal_error("output '" + name + "' of the model has the impossible shape " +
                              tensor.shape.to_string());
    }
    if (*size == 0) {
        return tensor;
    }
    void* raw = nullptr;
    TRITONPY_RETURN_IF_ERROR(library.call(ort::kGetTensorData, value.get(), &raw));
    auto* data = static_cast<std::byte*>(raw);
    tensor.data = {data, *size};
    if (const Tensor* owner = owner_of(data, inputs)) {
        tensor.buffer = owner->buffer;
    } else {
        auto held = std::make_unique<ValueBuffer>(data, *size, std::move(value), session);
        tensor.buffer = BufferRef(&held.release()->buffer);
    }
    return tensor;
}

}  // namespace tritonpy
