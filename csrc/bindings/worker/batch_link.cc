#include "bindings/worker/batch_link.h"

#include <sched.h>

#include <optional>

namespace tritonpy {

namespace {

// Other threads of the interpreter run while one of these lives.
class WithoutGil {
  public:
    WithoutGil() : state_(PyEval_SaveThread()) {}
    ~WithoutGil() { PyEval_RestoreThread(state_); }
    WithoutGil(const WithoutGil&) = delete;
    WithoutGil& operator=(const WithoutGil&) = delete;

  private:
    PyThreadState* const state_;
};

[[noreturn]] void raise_unexpected() {
    PyErr_SetString(PyExc_ValueError, "the server sent no EXECUTE on the channel of batches");
    throw PythonError();
}

}  // namespace

BatchLink::BatchLink(int execute, int executed, const PythonObject& signature,
                     const PythonObject& inputs, const PythonObject& outputs)
    : stream_(execute, executed),
      inputs_(names_, inputs),
      outputs_(names_, outputs),
      reader_(names_, signature, inputs_),
      writer_(names_, signature, outputs_) {}

PythonObject BatchLink::receive() {
    std::optional<MessageStream::Message> message;
    while (!(message = stream_.next())) {
        if (stream_.broken()) {
            raise_unexpected();
        }
        if (!receive_more()) {
            return PythonObject::none();
        }
    }
    if (message->kind != WorkerMessageKind::kExecute) {
        raise_unexpected();
    }
    return reader_.read(message->body);
}

bool BatchLink::receive_more() {
    bool is_open = false;
    {
        WithoutGil waiting;
        is_open = stream_.receive(true);
    }
    if (PyErr_CheckSignals() != 0) {
        throw PythonError();
    }
    return is_open;
}

PythonObject BatchLink::executed(const PythonObject& requests,
                                 const PythonObject& responses) const {
    return writer_.executed(requests, responses);
}

bool BatchLink::answer(std::span<const std::byte> body) {
    message_.clear();
    Envelope message(message_, WorkerMessageKind::kExecuted);
    message_.insert(message_.end(), body.begin(), body.end());
    message.finish();
    bool is_open = false;
    {
        WithoutGil waiting;
        is_open = stream_.send(message_);
        sched_yield();  // on a core for both, to the server's thread that waits for this
    }
    inputs_.release();
    return is_open;
}

}  // namespace tritonpy
