#include "bindings/python_status.h"

namespace py = pybind11;

namespace tritonpy {

namespace {

// The exception class: made by bind_status, kept for the life of the process as modules are.
PyObject* status_error_class = nullptr;

}  // namespace

void bind_status(py::module_& module) {
    status_error_class =
        PyErr_NewException("tritonpy._core.StatusError", PyExc_Exception, nullptr);
    module.attr("StatusError") = py::handle(status_error_class);
}

void raise_status(const Status& status) {
    std::string_view text = status.message();
    auto message = py::reinterpret_steal<py::object>(PyUnicode_DecodeUTF8(
        text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
    py::tuple arguments = py::make_tuple(static_cast<int>(status.code()), message);
    PyErr_SetObject(status_error_class, arguments.ptr());
    throw py::error_already_set();
}

}  // namespace tritonpy
