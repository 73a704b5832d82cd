// The native front end for the Python control plane: its listeners, its stop, and the other end of
// the bridge by which it hands over what it does not answer itself.
//
// Threads: confined(python); calls that block release the GIL. Its io threads never take the GIL:
// events are made into Python objects when Python fetches them.
#pragma once

#include <pybind11/pybind11.h>

namespace tritonpy {

void bind_frontend(pybind11::module_& module);

}  // namespace tritonpy
