#include "bindings/worker/call_link.h"

#include <utility>

#include "bindings/worker/waiting.h"

namespace tritonpy {

CallLink::CallLink(int calls, std::shared_ptr<WorkerMemory> memory)
    : memory_(std::move(memory)),
      stream_(calls),
      writer_(memory_->names, memory_->outputs),
      reader_(memory_->names, memory_->inputs) {}

PythonObject CallLink::receive() {
    memory_->inputs.release();
    while (const auto message = next_message(stream_)) {
        if (message->kind == WorkerMessageKind::kAnswer) {
            return reader_.read(message->body);
        }
    }
    return PythonObject::none();
}

}  // namespace tritonpy
