// The server's batches, one after another, over their pipes and the shared memory: from EXECUTE to
// the model's requests, and from what the model returned to EXECUTED. What `worker/batch_link.py`
// tells of, compiled.
//
// Threads: confined(python), to the thread that runs the worker's batches, which waits without the
// GIL.
// Owns: its ends of the pipes.
#pragma once

#include <span>

#include "backend/message_bytes.h"
#include "backend/message_stream.h"
#include "bindings/worker/answer_writer.h"
#include "bindings/worker/attribute_names.h"
#include "bindings/worker/batch_reader.h"
#include "bindings/worker/input_blocks.h"
#include "bindings/worker/output_blocks.h"
#include "bindings/worker/python_object.h"

namespace tritonpy {

class BatchLink {
  public:
    // Takes the pipes that EXECUTE comes from and EXECUTED goes to. `signature` is a
    // ModelSignature, `inputs` the InputArena, `outputs` the OutputArena. Throws PythonError.
    BatchLink(int execute, int executed, const PythonObject& signature,
              const PythonObject& inputs, const PythonObject& outputs);
    BatchLink(const BatchLink&) = delete;
    BatchLink& operator=(const BatchLink&) = delete;

    // The list of the next batch's requests; None when the server has ended the conversation.
    // Throws PythonError: ValueError where something else came, and what a signal's handler raises.
    PythonObject receive();
    // AnswerWriter::executed.
    PythonObject executed(const PythonObject& requests, const PythonObject& responses) const;
    // Sends EXECUTED with this body and gives back what the batch no longer needs. False when the
    // server has gone. Throws PythonError.
    bool answer(std::span<const std::byte> body);

  private:
    bool receive_more();

    const AttributeNames names_;
    MessageStream stream_;
    InputBlocks inputs_;
    OutputBlocks outputs_;
    const BatchReader reader_;
    const AnswerWriter writer_;
    Bytes message_;  // the last one that was sent
};

}  // namespace tritonpy
