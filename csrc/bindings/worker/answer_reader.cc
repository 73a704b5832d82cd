#include "bindings/worker/answer_reader.h"

#include <string_view>

#include "backend/message_flags.h"

namespace tritonpy {

AnswerReader::AnswerReader(const AttributeNames& names, InputBlocks& blocks)
    : names_(names),
      blocks_(blocks),
      tensors_(names),
      answer_type_(PythonObject::imported("tritonpy.worker.answer_message", "Answer")),
      response_type_(PythonObject::imported("tritonpy.worker.response", "InferenceResponse")),
      error_type_(PythonObject::imported("tritonpy.worker.errors", "TritonError")),
      read_parameters_(PythonObject::imported("tritonpy.worker.parameters", "read")) {}

PythonObject AnswerReader::read(std::span<const std::byte> body) const {
    ServerMessage message(body);
    MessageReader& in = message.in;
    const PythonObject call = PythonObject::of(in.number<uint64_t>());
    const PythonObject charge = PythonObject::of(in.number<uint64_t>());
    const bool is_final = (in.number<uint32_t>() & kFinalFlag) != 0;
    const bool has_error = in.number<uint8_t>() != 0;
    const PythonObject code = PythonObject::of(uint64_t{in.number<uint8_t>()});
    const auto output_count = in.number<uint16_t>();
    const auto place = in.number<uint64_t>();
    const auto arena_size = in.number<uint64_t>();
    const auto parameter_count = in.number<uint32_t>();
    message.expect(0);
    const InputBlock* const block = place != 0 ? &blocks_.block(place, arena_size) : nullptr;
    const PythonObject text = read_text(message);
    const PythonObject parameters = read_parameters(message, parameter_count);
    const PythonObject outputs = PythonObject::new_list();
    for (uint16_t index = 0; index < output_count; ++index) {
        outputs.append(read_output(message, block));
    }
    message.expect_end();
    const PythonObject response = response_type_.instance();
    response.set(names_.outputs, outputs);
    response.set(names_.error, has_error ? error_type_(text, code) : PythonObject::none());
    response.set(names_.parameters, parameters);
    PythonObject answer = answer_type_.instance();
    answer.set(names_.call, call);
    answer.set(names_.response, response);
    answer.set(names_.is_final, PythonObject::truth(is_final));
    answer.set(names_.charge, charge);
    return answer;
}

PythonObject AnswerReader::read_text(ServerMessage& message) const {
    const std::string_view text = message.in.text();
    message.expect(0);
    return PythonObject::made(PyUnicode_DecodeUTF8(
        text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape"));
}

// What few answers have is read in Python.
PythonObject AnswerReader::read_parameters(ServerMessage& message, uint32_t count) const {
    if (count == 0) {
        return PythonObject::made(PyDict_New());
    }
    const PythonObject rest = message.rest();
    const PythonObject read = read_parameters_(rest, PythonObject::of(uint64_t{0}),
                                               PythonObject::of(uint64_t{count}));
    message.in.skip(static_cast<size_t>(read.item(1).integer()));
    return read.item(0);
}

PythonObject AnswerReader::read_output(ServerMessage& message, const InputBlock* block) const {
    PythonObject name = read_text(message);
    const auto code = message.in.number<uint8_t>();
    const auto dim_count = message.in.number<uint8_t>();
    message.in.skip(sizeof(uint16_t) + sizeof(uint32_t));
    return tensors_.read({std::move(name), PythonObject::of(uint64_t{code}), dim_count}, message,
                         block);
}

}  // namespace tritonpy
