// The body of a message of the server, read bound by bound: what is not well-formed throws.
//
// Threads: confined(python).
// Borrows: the bytes.
#pragma once

#include <cstddef>
#include <span>

#include "backend/message_bytes.h"
#include "bindings/worker/python_object.h"

namespace tritonpy {

// Throws PythonError: ValueError.
[[noreturn]] inline void raise_malformed_message() {
    PyErr_SetString(PyExc_ValueError, "malformed message of the server");
    throw PythonError();
}

class ServerMessage {
  public:
    explicit ServerMessage(std::span<const std::byte> body) : in(body), bytes_(body) {}

    // Throws unless there are `size` more bytes, and were all so far.
    void expect(size_t size) const {
        if (!in.ok() || in.left() < size) {
            raise_malformed_message();
        }
    }
    // The next bytes, which Python reads. Throws where there are fewer.
    PythonObject take(size_t size) {
        expect(size);
        const std::span<const std::byte> next = bytes_.last(in.left()).first(size);
        in.skip(size);
        return PythonObject::of(next);
    }
    // All that are left, which stay.
    PythonObject rest() const { return PythonObject::of(bytes_.last(in.left())); }
    // Throws unless everything was read.
    void expect_end() const {
        if (!in.at_good_end()) {
            raise_malformed_message();
        }
    }

    MessageReader in;

  private:
    const std::span<const std::byte> bytes_;
};

}  // namespace tritonpy
