#include "bindings/worker/infer_writer.h"

#include <concepts>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>

#include "backend/message_bytes.h"
#include "backend/message_flags.h"
#include "backend/message_header.h"
#include "bindings/worker/output_block.h"

namespace tritonpy {

namespace {

constexpr Py_ssize_t kMaxTensors = kAllOutputs - 1;
constexpr size_t kUsualSize = 512;

// False, and nothing is written, where `value` is no such number.
template <std::integral T>
bool write_number(const PythonObject& value, MessageWriter& writer) {
    if (!PyLong_Check(value.get())) {
        return false;
    }
    using Widest = std::conditional_t<std::is_signed_v<T>, long long, unsigned long long>;
    Widest number = 0;
    if constexpr (std::is_signed_v<T>) {
        number = PyLong_AsLongLong(value.get());
    } else {
        number = PyLong_AsUnsignedLongLong(value.get());
    }
    if (PyErr_Occurred() != nullptr) {
        PyErr_Clear();
        return false;
    }
    if (number > std::numeric_limits<T>::max()) {
        return false;
    }
    writer.number(static_cast<T>(number));
    return true;
}

// False, and nothing is written, where `value` is no text that can be sent.
bool write_text(const PythonObject& value, MessageWriter& writer) {
    if (!PyUnicode_Check(value.get())) {
        return false;
    }
    PyObject* const encoded = PyUnicode_AsEncodedString(value.get(), "utf-8", "surrogateescape");
    if (encoded == nullptr) {
        PyErr_Clear();
        return false;
    }
    const PythonObject owner = PythonObject::made(encoded);
    const std::span<const std::byte> bytes = owner.bytes();
    writer.text({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    return true;
}

// The names of the outputs that are wanted, each once, in order; nothing where they are not all
// texts.
std::optional<PythonObject> wanted_outputs(const PythonObject& names) {
    if (names.size() < 2) {
        return names;
    }
    for (Py_ssize_t index = 0; index < names.size(); ++index) {
        if (!PyUnicode_Check(names.item(index).get())) {
            return std::nullopt;
        }
    }
    const PythonObject once = PythonObject::made(PySet_New(names.get()));
    PythonObject sorted = PythonObject::made(PySequence_List(once.get()));
    if (PyList_Sort(sorted.get()) != 0) {
        throw PythonError();
    }
    return sorted;
}

}  // namespace

struct InferWriter::Message {
    Message() { bytes.reserve(kUsualSize); }

    Bytes bytes;
    Envelope envelope{bytes, WorkerMessageKind::kInfer};
    MessageWriter& writer = envelope.writer;
    size_t arena_size_field = 0;
    size_t block_field = 0;
    OutputBlock block;
};

InferWriter::InferWriter(const AttributeNames& names, OutputBlocks& blocks)
    : names_(names),
      blocks_(blocks),
      request_type_(PythonObject::imported("tritonpy.worker.request", "InferenceRequest")),
      written_parameters_(PythonObject::imported("tritonpy.worker.parameters", "written")) {}

PythonObject InferWriter::message(const PythonObject& request, uint64_t call,
                                  bool is_decoupled) const {
    Message message;
    if (!write(request, call, is_decoupled, message)) {
        return PythonObject::none();
    }
    message.writer.overwrite(message.block_field, message.block.write(blocks_));
    message.writer.overwrite(message.arena_size_field, blocks_.arena_size());
    message.envelope.finish();
    return PythonObject::of(message.bytes);
}

bool InferWriter::write(const PythonObject& request, uint64_t call, bool is_decoupled,
                        Message& out) const {
    if (!request.is_exactly(request_type_) || !request.attribute(names_.signature).is_none() ||
        !write_head(request, call, is_decoupled, out)) {
        return false;
    }
    const PythonObject inputs = request.attribute(names_.inputs);
    const std::optional<PythonObject> outputs = wanted_outputs(request.attribute(names_.outputs));
    if (!outputs || inputs.size() > kMaxTensors || outputs->size() > kMaxTensors) {
        return false;
    }
    const auto output_count = static_cast<uint16_t>(outputs->size());
    const PythonObject parameters = request.attribute(names_.parameters);
    out.writer.number(static_cast<uint16_t>(inputs.size()));
    out.writer.number(output_count == 0 ? kAllOutputs : output_count);
    out.writer.number(static_cast<uint32_t>(parameters.size()));
    out.block_field = out.writer.size();
    out.writer.number(uint64_t{0});
    if (parameters.size() > 0) {  // which few requests have
        const PythonObject written = written_parameters_(parameters);
        out.writer.bytes(written.bytes());
    }
    for (Py_ssize_t index = 0; index < inputs.size(); ++index) {
        if (!write_input(inputs.item(index), out)) {
            return false;
        }
    }
    for (Py_ssize_t index = 0; index < output_count; ++index) {
        if (!write_text(outputs->item(index), out.writer)) {
            return false;
        }
    }
    return true;
}

bool InferWriter::write_head(const PythonObject& request, uint64_t call, bool is_decoupled,
                             Message& out) const {
    MessageWriter& writer = out.writer;
    writer.number(call);
    if (!write_number<uint64_t>(request.attribute(names_.correlation), writer) ||
        !write_number<uint64_t>(request.attribute(names_.timeout), writer) ||
        !write_number<uint64_t>(request.attribute(names_.priority), writer) ||
        !write_number<uint32_t>(request.attribute(names_.flags), writer)) {
        return false;
    }
    writer.number(is_decoupled ? kDecoupledAllowed : uint32_t{0});
    if (!write_number<int64_t>(request.attribute(names_.model_version), writer)) {
        return false;
    }
    writer.number(uint32_t{0});  // the correlation id is a number
    out.arena_size_field = writer.size();
    writer.number(uint64_t{0});
    if (!write_text(request.attribute(names_.model_name), writer) ||
        !write_text(request.attribute(names_.id), writer)) {
        return false;
    }
    writer.text({});
    return true;
}

bool InferWriter::write_input(const PythonObject& tensor, Message& out) const {
    const auto plain = PlainTensor::of(tensor, names_);
    if (!plain || !write_text(tensor.attribute(names_.name), out.writer)) {
        return false;
    }
    out.writer.number(plain->code);
    out.writer.number(plain->dim_count);
    out.writer.number(uint16_t{0});
    out.writer.number(uint32_t{0});
    out.block.add(*plain, 0, out.writer);
    return true;
}

}  // namespace tritonpy
