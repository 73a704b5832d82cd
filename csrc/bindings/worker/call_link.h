// What a worker's models ask of the server's other models, and the answers: what
// `worker/call_link.py` tells of, compiled.
//
// Threads: confined(python): any thread that has the GIL may write, one at a time receives, and
// waits without the GIL.
// Owns: its ends of the pipes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "backend/message_stream.h"
#include "bindings/worker/answer_reader.h"
#include "bindings/worker/infer_writer.h"
#include "bindings/worker/python_object.h"
#include "bindings/worker/worker_memory.h"

namespace tritonpy {

class CallLink {
  public:
    // Takes the pipe that answers come from, and the one that calls go to and `sender`, a Sender,
    // writes to. Throws PythonError.
    CallLink(int answers, int calls, std::shared_ptr<WorkerMemory> memory,
             const PythonObject& sender);
    CallLink(const CallLink&) = delete;
    CallLink& operator=(const CallLink&) = delete;

    // InferWriter::message.
    PythonObject infer(const PythonObject& request, uint64_t call, bool is_decoupled) const {
        return writer_.message(request, call, is_decoupled);
    }
    // Sends a message, and returns the next Answer to the call of that number; `deliver` is called
    // with others. None, and nothing was done, where the message is long or has no room, or
    // somebody has begun another. Throws PythonError as receive does, and ConnectionError when the
    // server has ended the conversation.
    PythonObject exchange(std::span<const std::byte> message, uint64_t call,
                          const PythonObject& deliver);
    // Gives back what answers before no longer need, and returns the next Answer; None when the
    // server has ended the conversation. Throws PythonError as next_message_soon
    // and AnswerReader do.
    PythonObject receive();

  private:
    bool send_at_once(std::span<const std::byte> message);

    const std::shared_ptr<WorkerMemory> memory_;
    MessageStream stream_;
    const InferWriter writer_;
    const AnswerReader reader_;
    const PythonObject sender_lock_;
    const PythonObject locked_ = PythonObject::name("locked");
};

}  // namespace tritonpy
