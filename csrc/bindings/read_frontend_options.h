// The control plane's options of a native front end (Python dataclasses) as the core's structs.
//
// Threads: confined(python): the caller holds the GIL.
#pragma once

#include <pybind11/pybind11.h>

#include "frontend/frontend_options.h"

namespace tritonpy {

// Each reads the attributes of a class of tritonpy.options: ConnectionOptions, HttpOptions and
// GrpcOptions. Throws Python's error when one is missing or of another type, and StatusError for a
// pattern that is no regular expression.
FrontendOptions read_connection_options(pybind11::handle options);
HttpListenerOptions read_http_options(pybind11::handle options, int descriptor);
GrpcListenerOptions read_grpc_options(pybind11::handle options, int descriptor);

}  // namespace tritonpy
