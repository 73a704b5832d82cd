#include "bindings/worker/batch_link.h"

#include <sched.h>

#include <utility>

#include "bindings/worker/server_message.h"
#include "bindings/worker/waiting.h"

namespace tritonpy {

BatchLink::BatchLink(int execute, int executed, const PythonObject& signature,
                     std::shared_ptr<WorkerMemory> memory)
    : memory_(std::move(memory)),
      stream_(execute, executed),
      reader_(memory_->names, signature, memory_->inputs),
      writer_(memory_->names, signature, memory_->outputs) {}

PythonObject BatchLink::receive() {
    const auto message = next_message(stream_);
    if (!message) {
        return PythonObject::none();
    }
    if (message->kind != WorkerMessageKind::kExecute) {
        raise_malformed_message();
    }
    return reader_.read(message->body);
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
    memory_->inputs.release();
    return is_open;
}

}  // namespace tritonpy
