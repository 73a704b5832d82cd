#include "bindings/worker/answer_writer.h"

#include <cstddef>
#include <cstring>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "backend/message_bytes.h"
#include "bindings/worker/numpy_array.h"
#include "tensor/data_type.h"

namespace tritonpy {

namespace {

constexpr auto kBytes = static_cast<int64_t>(DataType::kBytes);
constexpr size_t kArenaSizeField = 8;  // in the body
constexpr Py_ssize_t kMaxDims = std::numeric_limits<uint8_t>::max();
constexpr Py_ssize_t kMaxOutputs = std::numeric_limits<uint16_t>::max();
constexpr uint64_t kLarge = uint64_t{256} << 10;
constexpr uint64_t kAlignment = 64;
constexpr size_t kUsualSize = 512;  // of a body

}  // namespace

struct AnswerWriter::Message {
    // What goes where in the block.
    struct Piece {
        PythonObject array;
        std::span<const std::byte> bytes;
        uint64_t at;
    };

    Message() { body.reserve(kUsualSize); }

    Bytes body;
    MessageWriter writer{body};
    std::vector<size_t> block_fields;  // where it says which block, which is known last
    std::vector<Piece> pieces;
    uint64_t block_size = 0;
};

AnswerWriter::AnswerWriter(const AttributeNames& names, const PythonObject& signature,
                           OutputBlocks& blocks)
    : names_(names),
      blocks_(blocks),
      output_places_(signature.attribute(PythonObject::name("output_places"))),
      output_codes_(signature.attribute(PythonObject::name("output_codes"))),
      response_type_(PythonObject::imported("tritonpy.worker.response", "InferenceResponse")),
      release_all_(PythonObject::imported("tritonpy.worker.request", "RELEASE_ALL").integer()) {}

PythonObject AnswerWriter::executed(const PythonObject& requests,
                                    const PythonObject& responses) const {
    Message message;
    if (!write(requests, responses, message)) {
        return PythonObject::none();
    }
    write_data(message);
    message.writer.overwrite(kArenaSizeField, blocks_.arena_size());
    return PythonObject::made(
        PyBytes_FromStringAndSize(reinterpret_cast<const char*>(message.body.data()),
                                  static_cast<Py_ssize_t>(message.body.size())));
}

bool AnswerWriter::write(const PythonObject& requests, const PythonObject& responses,
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

bool AnswerWriter::write_response(const PythonObject& request, const PythonObject& response,
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
    const uint64_t base = out.block_size;
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
bool AnswerWriter::write_output(const PythonObject& tensor, const PythonObject& wanted,
                                uint64_t base, Message& out) const {
    MessageWriter& writer = out.writer;
    const PythonObject name = tensor.attribute(names_.name);
    PyObject* place = PyDict_GetItemWithError(output_places_.get(), name.get());
    if (place == nullptr) {
        PyErr_Clear();
        return false;
    }
    const int64_t index = PythonObject::borrowed(place).integer();
    const int64_t code = tensor.attribute(names_.code).integer();
    PythonObject array = tensor.attribute(names_.array);
    const auto bytes = bytes_of(array);
    if (code == kBytes || code != output_codes_.item(index).integer() || !bytes) {
        return false;
    }
    if (!wanted.is_none() && PySequence_Contains(wanted.get(), place) != 1) {
        return true;
    }
    const uint64_t size = bytes->size();
    const PythonObject shape = tensor.attribute(names_.shape);
    const Py_ssize_t dim_count = PyTuple_Size(shape.get());
    if (size >= kLarge || dim_count < 0 || dim_count > kMaxDims) {
        return false;
    }
    writer.number(static_cast<uint16_t>(index));
    writer.number(static_cast<uint8_t>(code));
    writer.number(static_cast<uint8_t>(dim_count));
    writer.number(uint32_t{0});
    writer.number(out.block_size - base);
    writer.number(size);
    for (Py_ssize_t dim = 0; dim < dim_count; ++dim) {
        writer.number(shape.item(dim).integer());
    }
    if (size > 0) {
        out.pieces.push_back({std::move(array), *bytes, out.block_size});
        out.block_size = (out.block_size + size + kAlignment - 1) / kAlignment * kAlignment;
    }
    return true;
}

void AnswerWriter::write_data(Message& out) const {
    if (out.pieces.empty()) {
        return;
    }
    const OutputBlocks::Block block = blocks_.lend(out.block_size);
    for (const Message::Piece& piece : out.pieces) {
        std::memcpy(reinterpret_cast<std::byte*>(block.address) + piece.at, piece.bytes.data(),
                    piece.bytes.size());
    }
    for (size_t field : out.block_fields) {
        out.writer.overwrite(field, block.place);
    }
}

}  // namespace tritonpy
