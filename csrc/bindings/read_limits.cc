#include "bindings/read_limits.h"

#include <pybind11/stl.h>

namespace py = pybind11;

namespace tritonpy {

void read_limits(py::handle limits, ServerOptions& options) {
    options.response_cache_bytes = limits.attr("response_cache_bytes").cast<size_t>();
}

}  // namespace tritonpy
