// The extension module tritonpy._core: the only place where the core meets Python.

#include <pybind11/pybind11.h>

#include "bindings/bind_demand.h"
#include "bindings/bind_frontend.h"
#include "bindings/bind_inference.h"
#include "bindings/bind_log.h"
#include "bindings/bind_rollout.h"
#include "bindings/bind_server.h"
#include "bindings/python_buffer.h"
#include "bindings/python_status.h"

PYBIND11_MODULE(_core, module) {
    module.doc() = "The C++ serving core. Use it through tritonpy.core.";
    tritonpy::bind_status(module);
    tritonpy::bind_log(module);
    tritonpy::bind_buffer(module);
    tritonpy::bind_server(module);
    tritonpy::bind_rollout(module);
    tritonpy::bind_demand(module);
    tritonpy::bind_inference(module);
    tritonpy::bind_frontend(module);
}
