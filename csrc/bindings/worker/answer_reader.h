// ANSWER as the response that a model gets from another: `worker/answer_message.py`, compiled.
//
// Threads: confined(python).
// Owns: references to the classes that it makes objects of.
#pragma once

#include <cstddef>
#include <span>

#include "bindings/worker/attribute_names.h"
#include "bindings/worker/input_blocks.h"
#include "bindings/worker/python_object.h"
#include "bindings/worker/server_message.h"
#include "bindings/worker/tensor_reader.h"

namespace tritonpy {

class AnswerReader {
  public:
    // The names and blocks are borrowed. Throws PythonError.
    AnswerReader(const AttributeNames& names, InputBlocks& blocks);
    AnswerReader(const AnswerReader&) = delete;
    AnswerReader& operator=(const AnswerReader&) = delete;

    // The Answer in the body of a message. Throws PythonError: ValueError, or what reading in
    // Python raises, where that is none.
    PythonObject read(std::span<const std::byte> body) const;

  private:
    PythonObject read_text(ServerMessage& message) const;
    PythonObject read_parameters(ServerMessage& message, uint32_t count) const;
    PythonObject read_output(ServerMessage& message, const InputBlock* block) const;

    const AttributeNames& names_;
    InputBlocks& blocks_;
    const TensorReader tensors_;
    const PythonObject answer_type_;
    const PythonObject response_type_;
    const PythonObject error_type_;
    const PythonObject read_parameters_;
};

}  // namespace tritonpy
