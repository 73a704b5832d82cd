// What a worker's models ask of the server's other models, and the answers: what
// `worker/call_link.py` tells of, compiled.
//
// Threads: confined(python): any thread that has the GIL may write, one at a time receives, and waits
// without the GIL.
// Owns: the end of the channel that it reads.
#pragma once

#include <cstdint>
#include <memory>

#include "backend/message_stream.h"
#include "bindings/worker/answer_reader.h"
#include "bindings/worker/infer_writer.h"
#include "bindings/worker/python_object.h"
#include "bindings/worker/worker_memory.h"

namespace tritonpy {

class CallLink {
  public:
    // Takes the channel. Throws PythonError.
    CallLink(int calls, std::shared_ptr<WorkerMemory> memory);
    CallLink(const CallLink&) = delete;
    CallLink& operator=(const CallLink&) = delete;

    // InferWriter::message.
    PythonObject infer(const PythonObject& request, uint64_t call, bool is_decoupled) const {
        return writer_.message(request, call, is_decoupled);
    }
    // Gives back what answers before no longer need, and returns the next Answer; None when the
    // server has ended the conversation. Throws PythonError as next_message and AnswerReader do.
    PythonObject receive();

  private:
    const std::shared_ptr<WorkerMemory> memory_;
    MessageStream stream_;
    const InferWriter writer_;
    const AnswerReader reader_;
};

}  // namespace tritonpy
