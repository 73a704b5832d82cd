#include "bindings/worker/waiting.h"

#include "bindings/worker/server_message.h"

namespace tritonpy {

std::optional<MessageStream::Message> next_message(MessageStream& stream) {
    std::optional<MessageStream::Message> message;
    while (!(message = stream.next())) {
        if (stream.broken()) {
            raise_malformed_message();
        }
        bool is_open = false;
        {
            WithoutGil waiting;
            is_open = stream.receive();
        }
        if (PyErr_CheckSignals() != 0) {
            throw PythonError();
        }
        if (!is_open) {
            return std::nullopt;
        }
    }
    return message;
}

}  // namespace tritonpy
