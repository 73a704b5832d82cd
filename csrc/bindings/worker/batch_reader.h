// EXECUTE as the requests that a model is handed: `worker/execute_message.py`, compiled.
//
// Threads: confined(python), to the thread that runs the worker's batches.
// Owns: references to the classes that it makes objects of, and to what all requests share.
// Limits: what a message holds; one that is not well-formed is told from others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "bindings/worker/attribute_names.h"
#include "bindings/worker/input_blocks.h"
#include "bindings/worker/python_object.h"
#include "bindings/worker/server_message.h"
#include "bindings/worker/tensor_reader.h"

namespace tritonpy {

class BatchReader {
  public:
    // `signature` is a ModelSignature; the names and blocks are borrowed. Throws PythonError.
    BatchReader(const AttributeNames& names, const PythonObject& signature, InputBlocks& blocks);
    BatchReader(const BatchReader&) = delete;
    BatchReader& operator=(const BatchReader&) = delete;

    // The list of the requests in the body of a message, their tensors being views of the blocks.
    // Throws PythonError: ValueError, or what reading in Python raises, where that is no EXECUTE.
    PythonObject read(std::span<const std::byte> body) const;

  private:
    PythonObject read_request(ServerMessage& message, const InputBlock* block) const;
    void read_extras(ServerMessage& message, uint32_t size, bool has_text_correlation,
                     const PythonObject& request) const;
    PythonObject read_input(ServerMessage& message, const InputBlock* block) const;

    const AttributeNames& names_;
    InputBlocks& blocks_;
    const TensorReader tensors_;
    const PythonObject input_names_;
    const PythonObject input_codes_;
    const PythonObject request_type_;
    const PythonObject read_extras_;
    const PythonObject no_extras_;
    // Attributes that are the same in every request.
    std::vector<std::pair<PythonObject, PythonObject>> same_;
};

}  // namespace tritonpy
