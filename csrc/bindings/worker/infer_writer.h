// INFER for a request that a model makes of another, whose inputs are plain tensors. What
// `worker/infer_message.py` does for every kind, compiled for this one.
//
// Threads: confined(python).
// Owns: references to what it looks up.
#pragma once

#include <cstdint>

#include "bindings/worker/attribute_names.h"
#include "bindings/worker/output_blocks.h"
#include "bindings/worker/python_object.h"

namespace tritonpy {

class InferWriter {
  public:
    // The names and blocks are borrowed. Throws PythonError.
    InferWriter(const AttributeNames& names, OutputBlocks& blocks);
    InferWriter(const InferWriter&) = delete;
    InferWriter& operator=(const InferWriter&) = delete;

    // The message for an InferenceRequest, its inputs written to a block; None where anything is
    // out of the ordinary, and then nothing has happened. Throws PythonError, also where there is
    // no memory for the inputs.
    PythonObject message(const PythonObject& request, uint64_t call, bool is_decoupled) const;

  private:
    struct Message;

    bool write(const PythonObject& request, uint64_t call, bool is_decoupled, Message& out) const;
    bool write_head(const PythonObject& request, uint64_t call, bool is_decoupled,
                    Message& out) const;
    bool write_input(const PythonObject& tensor, Message& out) const;

    const AttributeNames& names_;
    OutputBlocks& blocks_;
    const PythonObject request_type_;
    const PythonObject written_parameters_;
};

}  // namespace tritonpy
