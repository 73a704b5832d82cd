// Tensors as messages of the server describe them, made of blocks of its memory: the `received` of
// `worker/tensor.py`, compiled.
//
// Threads: confined(python).
// Owns: references to what it makes tensors of.
#pragma once

#include <cstdint>
#include <span>

#include "bindings/worker/attribute_names.h"
#include "bindings/worker/input_blocks.h"
#include "bindings/worker/python_object.h"
#include "bindings/worker/server_message.h"

namespace tritonpy {

// What a message says of a tensor before its place.
struct TensorHead {
    PythonObject name;
    PythonObject code;
    uint16_t dim_count;
};

class TensorReader {
  public:
    // The names are borrowed. Throws PythonError.
    explicit TensorReader(const AttributeNames& names);
    TensorReader(const TensorReader&) = delete;
    TensorReader& operator=(const TensorReader&) = delete;

    // The tensor whose place and dimensions come next; `block` is null where the message has none,
    // its tensors having no bytes. Throws PythonError: ValueError where these are not in memory.
    PythonObject read(const TensorHead& head, ServerMessage& message,
                      const InputBlock* block) const;

  private:
    PythonObject strings_of(uint64_t offset, uint64_t size, const InputBlock* block) const;
    PythonObject array_of(const PythonObject& code, std::span<const int64_t> dims,
                          uint64_t offset, const InputBlock& block) const;
    PythonObject data_type_of(const PythonObject& code) const;

    const AttributeNames& names_;
    const PythonObject tensor_type_;
    const PythonObject data_types_;
    const PythonObject empty_;
    const PythonObject no_bytes_;
};

}  // namespace tritonpy
