// Python memory as core buffers, and core tensors as Python memory, both without a copy.
//
// Threads: confined(python) to make; a BufferRef may be dropped on any thread (the release takes
// the GIL itself, which on the ordinary path the dropping thread already holds).
#pragma once

#include <pybind11/pybind11.h>

#include <memory>

#include "memory/buffer.h"
#include "server/inference_server.h"
#include "tensor/tensor.h"

namespace tritonpy {

// Borrows the bytes of any C-contiguous object with the buffer protocol, and holds the object.
// Throws Python's error when the object has no such bytes.
BufferRef borrow_python_bytes(pybind11::handle object);

// One output tensor as a read-only, one-dimensional buffer of bytes for Python. The server is
// shared because the bytes are from its pool; it stands first so that it goes last.
struct TensorView {
    std::shared_ptr<InferenceServer> server;
    Tensor tensor;
};

void bind_buffer(pybind11::module_& module);

}  // namespace tritonpy
