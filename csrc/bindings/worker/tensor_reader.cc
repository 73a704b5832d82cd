#include "bindings/worker/tensor_reader.h"

#include <cstddef>
#include <vector>

#include "bindings/worker/numpy_array.h"
#include "tensor/data_type.h"

namespace tritonpy {

namespace {

// More than any memory has, and sums of them are numbers still.
constexpr uint64_t kMaxPlace = uint64_t{1} << 60;

}  // namespace

TensorReader::TensorReader(const AttributeNames& names)
    : names_(names),
      tensor_type_(PythonObject::imported("tritonpy.worker.tensor", "Tensor")),
      data_types_(PythonObject::imported("tritonpy.worker.data_types", "DTYPES")),
      empty_(PythonObject::imported("numpy", "empty")),
      no_bytes_(PythonObject::of(std::span<const std::byte>())) {}

PythonObject TensorReader::read(const TensorHead& head, ServerMessage& message,
                                const InputBlock* block) const {
    MessageReader& in = message.in;
    const auto offset = in.number<uint64_t>();
    const auto size = in.number<uint64_t>();
    message.expect(head.dim_count * sizeof(int64_t));
    if (offset > kMaxPlace) {
        raise_malformed_message();
    }
    std::vector<int64_t> dims;
    dims.reserve(head.dim_count);
    const PythonObject shape = PythonObject::tuple_of(head.dim_count, [&] {
        return PyLong_FromLongLong(dims.emplace_back(in.number<int64_t>()));
    });
    PythonObject tensor = tensor_type_.instance();
    tensor.set(names_.name, head.name);
    tensor.set(names_.code, head.code);
    tensor.set(names_.shape, shape);
    const bool is_string = head.code.integer() == static_cast<int64_t>(DataType::kBytes);
    tensor.set(names_.serialized, is_string ? strings_of(offset, size, block) : no_bytes_);
    if (is_string) {
        tensor.set(names_.array, PythonObject::none());
    } else if (block == nullptr) {
        tensor.set(names_.array, empty_(shape, data_type_of(head.code)));
    } else {
        tensor.set(names_.array, array_of(head.code, dims, offset, *block));
    }
    return tensor;
}

PythonObject TensorReader::strings_of(uint64_t offset, uint64_t size,
                                      const InputBlock* block) const {
    if (block == nullptr) {
        return no_bytes_;
    }
    if (size > kMaxPlace) {
        raise_malformed_message();
    }
    const auto begin = static_cast<Py_ssize_t>(block->at + offset);
    const auto length = static_cast<Py_ssize_t>(size);
    PythonObject bytes = PythonObject::made(
        PySequence_GetSlice(block->mapping.get(), begin, begin + length));
    if (bytes.size() != length) {
        raise_malformed_message();
    }
    return bytes;
}

PythonObject TensorReader::array_of(const PythonObject& code, std::span<const int64_t> dims,
                                    uint64_t offset, const InputBlock& block) const {
    const PythonObject data_type = data_type_of(code);
    auto size = static_cast<int64_t>(size_of(static_cast<DataType>(code.integer())));
    for (int64_t dim : dims) {
        if (dim < 0 || __builtin_mul_overflow(size, dim, &size)) {
            raise_malformed_message();
        }
    }
    if (offset > block.size || static_cast<uint64_t>(size) > block.size - offset) {
        raise_malformed_message();
    }
    auto* const data = reinterpret_cast<std::byte*>(block.address + offset);
    PythonObject array = array_over(data, data_type, dims, block.mapping);
    block.arrays.append(array);
    return array;
}

PythonObject TensorReader::data_type_of(const PythonObject& code) const {
    PyObject* const type = PyDict_GetItemWithError(data_types_.get(), code.get());
    if (type == nullptr) {
        raise_malformed_message();
    }
    return PythonObject::borrowed(type);
}

}  // namespace tritonpy
