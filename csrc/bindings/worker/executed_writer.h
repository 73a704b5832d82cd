// EXECUTED for a batch that was answered as nearly all are: each request with one response, whose
// outputs are plain tensors. What `worker/response_message.py` does for every kind, compiled for
// this one.
//
// Threads: confined(python), to the thread that runs the worker's batches.
// Owns: references to what it looks up.
#pragma once

#include <cstdint>

#include "bindings/worker/attribute_names.h"
#include "bindings/worker/output_blocks.h"
#include "bindings/worker/python_object.h"

namespace tritonpy {

class ExecutedWriter {
  public:
    // `signature` is a ModelSignature; the names and blocks are borrowed. Throws PythonError.
    ExecutedWriter(const AttributeNames& names, const PythonObject& signature,
                   OutputBlocks& blocks);
    ExecutedWriter(const ExecutedWriter&) = delete;
    ExecutedWriter& operator=(const ExecutedWriter&) = delete;

    // The message's body for what a model's execute returned, its outputs written to a block;
    // None where anything is out of the ordinary, and then nothing has happened. Throws
    // PythonError, also where there is no memory for the outputs.
    PythonObject executed(const PythonObject& requests, const PythonObject& responses) const;

  private:
    struct Message;

    bool write(const PythonObject& requests, const PythonObject& responses, Message& out) const;
    bool write_response(const PythonObject& request, const PythonObject& response,
                        Message& out) const;
    bool write_output(const PythonObject& tensor, const PythonObject& wanted, uint64_t base,
                      Message& out) const;

    const AttributeNames& names_;
    OutputBlocks& blocks_;
    const PythonObject output_places_;
    const PythonObject output_codes_;
    const PythonObject response_type_;
    const int64_t release_all_;
};

}  // namespace tritonpy
