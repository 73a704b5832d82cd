// Waiting for the server, while other threads of the interpreter run.
//
// Threads: confined(python).
#pragma once

#include <optional>

#include "backend/message_stream.h"
#include "bindings/worker/python_object.h"

namespace tritonpy {

// The interpreter's other threads run while one of these lives.
class WithoutGil {
  public:
    WithoutGil() : state_(PyEval_SaveThread()) {}
    ~WithoutGil() { PyEval_RestoreThread(state_); }
    WithoutGil(const WithoutGil&) = delete;
    WithoutGil& operator=(const WithoutGil&) = delete;

  private:
    PyThreadState* const state_;
};

// The next message, which is waited for; nothing when the server has ended the conversation. Throws
// PythonError: ValueError where something else came, and what a signal's handler raises.
std::optional<MessageStream::Message> next_message(MessageStream& stream);

// The same, of a stream that does not block. It is looked at with the GIL first, for what was asked
// for just now is often there: on a core for both, the server had its turn when it was asked.
std::optional<MessageStream::Message> next_message_soon(MessageStream& stream);

}  // namespace tritonpy
