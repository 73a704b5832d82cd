#include "bindings/worker/call_link.h"

#include <climits>
#include <utility>

#include "bindings/worker/waiting.h"

namespace tritonpy {

CallLink::CallLink(int answers, int calls, std::shared_ptr<WorkerMemory> memory,
                   const PythonObject& sender)
    : memory_(std::move(memory)),
      stream_(answers, calls),
      writer_(memory_->names, memory_->outputs),
      reader_(memory_->names, memory_->inputs),
      sender_lock_(sender.attribute(PythonObject::name("lock"))) {
    stream_.never_block();
}

PythonObject CallLink::exchange(std::span<const std::byte> message, uint64_t call,
                                const PythonObject& deliver) {
    if (!send_at_once(message)) {
        return PythonObject::none();
    }
    while (true) {
        PythonObject answer = receive();
        if (answer.is_none()) {
            PyErr_SetNone(PyExc_ConnectionError);
            throw PythonError();
        }
        if (answer.attribute(memory_->names.call).integer() == static_cast<int64_t>(call)) {
            return answer;
        }
        deliver(answer);
    }
}

// With the GIL throughout, so that nobody begins a message meanwhile.
bool CallLink::send_at_once(std::span<const std::byte> message) {
    return message.size() <= PIPE_BUF && !sender_lock_.call(locked_).is_true() &&
           stream_.send_at_once(message);
}

PythonObject CallLink::receive() {
    memory_->inputs.release();
    while (const auto message = next_message_soon(stream_)) {
        if (message->kind == WorkerMessageKind::kAnswer) {
            return reader_.read(message->body);
        }
    }
    return PythonObject::none();
}

}  // namespace tritonpy
