#include "bindings/worker/waiting.h"

#include <poll.h>

#include "bindings/worker/server_message.h"

namespace tritonpy {

namespace {

// What was received; nothing: more must be.
std::optional<MessageStream::Message> message_in(MessageStream& stream) {
    auto message = stream.next();
    if (!message && stream.broken()) {
        raise_malformed_message();
    }
    return message;
}

void heed_signals() {
    if (PyErr_CheckSignals() != 0) {
        throw PythonError();
    }
}

}  // namespace

std::optional<MessageStream::Message> next_message(MessageStream& stream) {
    std::optional<MessageStream::Message> message;
    while (!(message = message_in(stream))) {
        bool is_open = false;
        {
            WithoutGil waiting;
            is_open = stream.receive();
        }
        heed_signals();
        if (!is_open) {
            return std::nullopt;
        }
    }
    return message;
}

std::optional<MessageStream::Message> next_message_soon(MessageStream& stream) {
    std::optional<MessageStream::Message> message = message_in(stream);
    while (!message) {
        if (!stream.receive()) {
            return std::nullopt;
        }
        message = message_in(stream);
        if (message) {
            break;
        }
        {
            WithoutGil waiting;
            pollfd readable{stream.descriptor(), POLLIN, 0};
            poll(&readable, 1, -1);
        }
        heed_signals();
    }
    return message;
}

}  // namespace tritonpy
