#include "bindings/worker/executed_writer.h"

#include <cstddef>
#include <limits>
#include <vector>

#include "backend/message_bytes.h"
#include "bindings/worker/output_block.h"

namespace tritonpy {

namespace {

constexpr size_t kArenaSizeField = 8;  // in the body
constexpr Py_ssize_t kMaxOutputs = std::numeric_limits<uint16_t>::max();
constexpr size_t kUsualSize = 512;  // of a body

}  // namespace

struct ExecutedWriter::Message {
    Message() { body.reserve(kUsualSize); }

    Bytes body;
    MessageWriter writer{body};
    std::vector<size_t> block_fields;  // where it says which block, which is known last
    OutputBlock block;
};

ExecutedWriter::ExecutedWriter(const AttributeNames& names, const PythonObject& signature,
                               OutputBlocks& blocks)
    : names_(names),
      blocks_(blocks),
      output_places_(signature.attribute(PythonObject::name("output_places"))),
      output_codes_(signature.attribute(PythonObject::name("output_codes"))),
      response_type_(PythonObject::imported("tritonpy.worker.response", "InferenceResponse")),
      release_all_(PythonObject::imported("tritonpy.worker.request", "RELEASE_ALL").integer()) {}

PythonObject ExecutedWriter::executed(const PythonObject& requests,
                                      const PythonObject& responses) const {
    Message message;
    if (!write(requests, responses, message)) {
        return PythonObject::none();
    }
    if (const uint64_t place = message.block.write(blocks_); place != 0) {
        for (size_t field : message.block_fields) {
            message.writer.overwrite(field, place);
        }
    }
    message.writer.overwrite(kArenaSizeField, blocks_.arena_size());
    return PythonObject::of(message.body);
}

bool ExecutedWriter::write(const PythonObject& requests, const PythonObject& responses,
                           Message& out) const {
    if (!PyList_Check(responses.get())) {
        return false;
    }
    const Py_ssize_t count = PyList_Size(requests.get());
    if (PyList_Size(responses.get()) != count) {
        return false;
    }
    out.writer.number(uint32_t{0});  // nothing failed as a whole
    out.writer.number(static_cast<uint32_t>(count));
    out.writer.number(uint64_t{0});  // the arena's size
    for (Py_ssize_t index = 0; index < count; ++index) {
        if (!write_response(requests.item(index), responses.item(index), out)) {
            return false;
        }
    }
    return true;
}

bool ExecutedWriter::write_response(const PythonObject& request, const PythonObject& response,
                                    Message& out) const {
    MessageWriter& writer = out.writer;
    if (!response.is_exactly(response_type_) || !request.attribute(names_.reply).is_none() ||
        request.attribute(names_.release_flags).integer() != release_all_ ||
        !response.attribute(names_.error).is_none() ||
        response.attribute(names_.parameters).is_true()) {
        return false;
    }
    const PythonObject outputs = response.attribute(names_.outputs);
    const PythonObject wanted = request.attribute(names_.outputs);
    const Py_ssize_t count = PyList_Size(outputs.get());
    if (count > kMaxOutputs) {
        return false;
    }
    writer.number(uint32_t{0});  // it is answered
    writer.number(uint16_t{0});  // without an error
    const size_t count_field = writer.size();
    writer.number(uint16_t{0});
    writer.number(uint32_t{0});  // parameters
    out.block_fields.push_back(writer.size());
    writer.number(uint64_t{0});
    const uint64_t base = out.block.end();
    writer.number(base);
    uint16_t written = 0;
    for (Py_ssize_t index = 0; index < count; ++index) {
        const size_t before = writer.size();
        if (!write_output(outputs.item(index), wanted, base, out)) {
            return false;
        }
        written += writer.size() > before ? 1 : 0;
    }
    writer.overwrite(count_field, written);
    return true;
}

// Writes nothing for an output that the client does not want.
bool ExecutedWriter::write_output(const PythonObject& tensor, const PythonObject& wanted,
                                  uint64_t base, Message& out) const {
    const PythonObject name = tensor.attribute(names_.name);
    PyObject* place = PyDict_GetItemWithError(output_places_.get(), name.get());
    if (place == nullptr) {
        PyErr_Clear();
        return false;
    }
    const int64_t index = PythonObject::borrowed(place).integer();
    const auto plain = PlainTensor::of(tensor, names_);
    if (!plain || plain->code != output_codes_.item(index).integer()) {
        return false;
    }
    if (!wanted.is_none() && PySequence_Contains(wanted.get(), place) != 1) {
        return true;
    }
    out.writer.number(static_cast<uint16_t>(index));
    out.writer.number(plain->code);
    out.writer.number(plain->dim_count);
    out.writer.number(uint32_t{0});
    out.block.add(*plain, base, out.writer);
    return true;
}

}  // namespace tritonpy
