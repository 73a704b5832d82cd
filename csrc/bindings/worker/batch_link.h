// The server's batches, one after another, over their pipes and the shared memory: from EXECUTE to
// the model's requests, and from what the model returned to EXECUTED. What `worker/batch_link.py`
// tells of, compiled.
//
// Threads: confined(python), to the thread that runs the worker's batches, which waits without the
// GIL.
// Owns: its ends of the pipes.
#pragma once

#include <memory>
#include <span>

#include "backend/message_bytes.h"
#include "backend/message_stream.h"
#include "bindings/worker/batch_reader.h"
#include "bindings/worker/executed_writer.h"
#include "bindings/worker/python_object.h"
#include "bindings/worker/worker_memory.h"

namespace tritonpy {

class BatchLink {
  public:
    // Takes the pipes that EXECUTE comes from and EXECUTED goes to. `signature` is a
    // ModelSignature. Throws PythonError.
    BatchLink(int execute, int executed, const PythonObject& signature,
              std::shared_ptr<WorkerMemory> memory);
    BatchLink(const BatchLink&) = delete;
    BatchLink& operator=(const BatchLink&) = delete;

    // The list of the next batch's requests; None when the server has ended the conversation.
    // Throws PythonError: ValueError where something else came, and what a signal's handler raises.
    PythonObject receive();
    // ExecutedWriter::executed.
    PythonObject executed(const PythonObject& requests, const PythonObject& responses) const;
    // Sends EXECUTED with this body and gives back what the batch no longer needs. False when the
    // server has gone. Throws PythonError.
    bool answer(std::span<const std::byte> body);

  private:
    const std::shared_ptr<WorkerMemory> memory_;
    MessageStream stream_;
    const BatchReader reader_;
    const ExecutedWriter writer_;
    Bytes message_;  // the last one that was sent
};

}  // namespace tritonpy
