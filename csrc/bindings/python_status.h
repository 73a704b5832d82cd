// Status across the Python boundary: an error becomes the exception StatusError(code, text).
//
// The typed face (core.py) turns that into one class per code. Texts may hold bytes that a client
// sent; what is not UTF-8 is replaced.
//
// Threads: confined(python): the caller holds the GIL.
#pragma once

#include <pybind11/pybind11.h>

#include "base/result.h"
#include "base/status.h"

namespace tritonpy {

void bind_status(pybind11::module_& module);

// Throws the Python exception of an error. REQUIRES: !status.ok().
[[noreturn]] void raise_status(const Status& status);

inline void raise_if_error(const Status& status) {
    if (!status.ok()) {
        raise_status(status);
    }
}

template <typename T>
T value_or_raise(Result<T> result) {
    raise_if_error(result.status());
    return std::move(result).value();
}

}  // namespace tritonpy
