#include "bindings/worker/batch_reader.h"

#include <cstddef>
#include <span>
#include <vector>

#include "bindings/worker/numpy_array.h"
#include "tensor/data_type.h"

namespace tritonpy {

namespace {

constexpr uint16_t kAllOutputs = 0xFFFF;
constexpr uint8_t kCorrelationIsText = 1;
// More than any memory has, and sums of them are numbers still.
constexpr uint64_t kMaxPlace = uint64_t{1} << 60;

[[noreturn]] void raise_malformed() {
    PyErr_SetString(PyExc_ValueError, "malformed EXECUTE message of the server");
    throw PythonError();
}

PythonObject new_list() { return PythonObject::made(PyList_New(0)); }

// A tuple of what `read` gives one after the other. REQUIRES: it is there, `count` times.
template <typename Read>
PythonObject tuple_of(uint16_t count, Read read) {
    PythonObject tuple = PythonObject::made(PyTuple_New(count));
    for (uint16_t index = 0; index < count; ++index) {
        PyTuple_SetItem(tuple.get(), index, PythonObject::made(read()).release());
    }
    return tuple;
}

// An object without a call of `__init__`.
PythonObject instance_of(const PythonObject& type) {
    return PythonObject::made(
        PyType_GenericAlloc(reinterpret_cast<PyTypeObject*>(type.get()), 0));
}

}  // namespace

struct BatchReader::Message {
    explicit Message(std::span<const std::byte> body) : bytes(body), in(body) {}

    // That there are `size` more bytes, and all so far.
    void expect(size_t size) const {
        if (!in.ok() || in.left() < size) {
            raise_malformed();
        }
    }
    // The next bytes, for what is read in Python.
    PythonObject take(size_t size) {
        expect(size);
        const std::byte* next = bytes.data() + (bytes.size() - in.left());
        in.skip(size);
        return PythonObject::made(PyBytes_FromStringAndSize(reinterpret_cast<const char*>(next),
                                                            static_cast<Py_ssize_t>(size)));
    }

    const std::span<const std::byte> bytes;
    MessageReader in;
    const Block* block = nullptr;  // of its tensors; null: they have no bytes
};

BatchReader::BatchReader(const AttributeNames& names, const PythonObject& signature,
                         InputBlocks& blocks)
    : names_(names),
      blocks_(blocks),
      input_names_(signature.attribute(PythonObject::name("input_names"))),
      input_codes_(signature.attribute(PythonObject::name("input_codes"))),
      request_type_(PythonObject::imported("tritonpy.worker.request", "InferenceRequest")),
      tensor_type_(PythonObject::imported("tritonpy.worker.tensor", "Tensor")),
      data_types_(PythonObject::imported("tritonpy.worker.data_types", "DTYPES")),
      empty_(PythonObject::imported("numpy", "empty")),
      read_extras_(PythonObject::imported("tritonpy.worker.execute_message", "read_extras")),
      no_extras_(PythonObject::imported("tritonpy.worker.request", "NO_EXTRAS")),
      no_bytes_(PythonObject::made(PyBytes_FromStringAndSize(nullptr, 0))) {
    auto same = [this](const char* attribute, PythonObject value) {
        same_.emplace_back(PythonObject::name(attribute), std::move(value));
    };
    same("_signature", signature);
    same("_model_name", signature.attribute(PythonObject::name("model_name")));
    same("_model_version", PythonObject::made(PyLong_FromLong(-1)));
    same("_release_flags", PythonObject::imported("tritonpy.worker.request", "RELEASE_ALL"));
    same("_preferred_memory", PythonObject::none());
    same("_reply", PythonObject::none());
    same("_trace", PythonObject::none());
}

PythonObject BatchReader::read(std::span<const std::byte> body) const {
    Message message(body);
    const auto place = message.in.number<uint64_t>();
    const auto arena_size = message.in.number<uint64_t>();
    if (place != 0) {
        message.block = &blocks_.block(place, arena_size);
    }
    const auto count = message.in.number<uint32_t>();
    PythonObject requests = new_list();
    for (uint32_t index = 0; index < count; ++index) {
        requests.append(read_request(message));
    }
    if (!message.in.at_good_end()) {
        raise_malformed();
    }
    return requests;
}

PythonObject BatchReader::read_request(Message& message) const {
    MessageReader& in = message.in;
    PythonObject request = instance_of(request_type_);
    request.set(names_.key, PythonObject::of(in.number<uint64_t>()));
    request.set(names_.correlation, PythonObject::of(in.number<uint64_t>()));
    request.set(names_.timeout, PythonObject::of(in.number<uint64_t>()));
    request.set(names_.priority, PythonObject::of(in.number<uint64_t>()));
    request.set(names_.flags, PythonObject::of(in.number<uint32_t>()));
    request.set(names_.cancel_index, PythonObject::of(in.number<uint32_t>()));
    const auto input_count = in.number<uint16_t>();
    const auto output_count = in.number<uint16_t>();
    const bool has_text_correlation = in.number<uint8_t>() == kCorrelationIsText;
    in.skip(3);
    read_extras(message, in.number<uint32_t>(), has_text_correlation, request);
    const PythonObject inputs = new_list();
    for (uint16_t index = 0; index < input_count; ++index) {
        inputs.append(read_input(message));
    }
    request.set(names_.inputs, inputs);
    if (output_count == kAllOutputs) {
        request.set(names_.outputs, PythonObject::none());
    } else {
        message.expect(output_count * sizeof(uint16_t));
        request.set(names_.outputs, tuple_of(output_count, [&in] {
                        return PyLong_FromLong(in.number<uint16_t>());
                    }));
    }
    for (const auto& [name, value] : same_) {
        request.set(name, value);
    }
    return request;
}

// What few requests have is read in Python.
void BatchReader::read_extras(Message& message, uint32_t size, bool has_text_correlation,
                              const PythonObject& request) const {
    const PythonObject extras = size == 0 ? no_extras_ : read_extras_(message.take(size));
    request.set(names_.id, extras.item(0));
    if (has_text_correlation) {
        request.set(names_.correlation, extras.item(1));
    }
    request.set(names_.parameters, extras.item(2));
}

PythonObject BatchReader::read_input(Message& message) const {
    MessageReader& in = message.in;
    const auto index = in.number<uint16_t>();
    const auto dim_count = in.number<uint16_t>();
    const auto offset = in.number<uint64_t>();
    const auto size = in.number<uint64_t>();
    message.expect(dim_count * sizeof(int64_t));
    if (offset > kMaxPlace) {
        raise_malformed();
    }
    std::vector<int64_t> dims;
    dims.reserve(dim_count);
    const PythonObject shape = tuple_of(dim_count, [&] {
        return PyLong_FromLongLong(dims.emplace_back(in.number<int64_t>()));
    });
    PythonObject tensor = instance_of(tensor_type_);
    const PythonObject code = input_codes_.item(index);
    tensor.set(names_.name, input_names_.item(index));
    tensor.set(names_.code, code);
    tensor.set(names_.shape, shape);
    const bool is_string = code.integer() == static_cast<int64_t>(DataType::kBytes);
    tensor.set(names_.serialized, is_string ? strings_of(offset, size, message.block) : no_bytes_);
    if (is_string) {
        tensor.set(names_.array, PythonObject::none());
    } else if (message.block == nullptr) {
        tensor.set(names_.array, empty_(shape, data_type_of(code)));
    } else {
        tensor.set(names_.array, array_of(code, dims, offset, *message.block));
    }
    return tensor;
}

PythonObject BatchReader::strings_of(uint64_t offset, uint64_t size, const Block* block) const {
    if (block == nullptr) {
        return no_bytes_;
    }
    if (size > kMaxPlace) {
        raise_malformed();
    }
    const auto begin = static_cast<Py_ssize_t>(block->at + offset);
    const auto length = static_cast<Py_ssize_t>(size);
    PythonObject bytes = PythonObject::made(
        PySequence_GetSlice(block->mapping.get(), begin, begin + length));
    if (PyBytes_Size(bytes.get()) != length) {
        raise_malformed();
    }
    return bytes;
}

PythonObject BatchReader::array_of(const PythonObject& code, std::span<const int64_t> dims,
                                  uint64_t offset, const Block& block) const {
    auto size = static_cast<int64_t>(size_of(static_cast<DataType>(code.integer())));
    for (int64_t dim : dims) {
        if (dim < 0 || __builtin_mul_overflow(size, dim, &size)) {
            raise_malformed();
        }
    }
    if (offset > block.size || static_cast<uint64_t>(size) > block.size - offset) {
        raise_malformed();
    }
    auto* const data = reinterpret_cast<std::byte*>(block.address + offset);
    PythonObject array = array_over(data, data_type_of(code), dims, block.mapping);
    block.arrays.append(array);
    return array;
}

PythonObject BatchReader::data_type_of(const PythonObject& code) const {
    return PythonObject::borrowed(PyDict_GetItemWithError(data_types_.get(), code.get()));
}

}  // namespace tritonpy
