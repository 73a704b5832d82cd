#include "bindings/python_buffer.h"

#include "tensor/bytes_tensor.h"

namespace py = pybind11;

namespace tritonpy {

namespace {

void release_view(void* context) {
    py::gil_scoped_acquire gil;
    std::unique_ptr<Py_buffer> view(static_cast<Py_buffer*>(context));
    PyBuffer_Release(view.get());
}

// The elements of a serialised BYTES tensor, as Python bytes.
py::list unpack_bytes(const py::buffer& serialised) {
    py::buffer_info info = serialised.request();
    std::span data(static_cast<const std::byte*>(info.ptr),
                   static_cast<size_t>(info.size * info.itemsize));
    if (scan_bytes(data).fault != BytesFault::kNone) {
        throw py::value_error("not a serialised BYTES tensor");
    }
    py::list elements;
    for (BytesReader reader(data); !reader.at_end();) {
        std::string_view element = reader.next();
        elements.append(py::bytes(element.data(), element.size()));
    }
    return elements;
}

}  // namespace

BufferRef borrow_python_bytes(py::handle object) {
    auto view = std::make_unique<Py_buffer>();
    if (PyObject_GetBuffer(object.ptr(), view.get(), PyBUF_C_CONTIGUOUS) != 0) {
        throw py::error_already_set();
    }
    Py_buffer* held = view.release();
    return wrap_external(static_cast<std::byte*>(held->buf), static_cast<size_t>(held->len), held,
                         release_view);
}

void bind_buffer(py::module_& module) {
    py::class_<TensorView>(module, "TensorView", py::buffer_protocol())
        .def_property_readonly("name", [](const TensorView& view) { return view.tensor.name; })
        .def_property_readonly(
            "data_type",
            [](const TensorView& view) { return std::string(wire_name(view.tensor.data_type)); })
        .def_property_readonly("shape",
                               [](const TensorView& view) {
                                   py::list dims;
                                   for (int64_t dim : view.tensor.shape.dims()) {
                                       dims.append(dim);
                                   }
                                   return py::tuple(dims);
                               })
        .def_buffer([](TensorView& view) {
            auto data = view.tensor.data;
            return py::buffer_info(reinterpret_cast<const uint8_t*>(data.data()),
                                   static_cast<py::ssize_t>(data.size()));
        });
    module.def("unpack_bytes", &unpack_bytes, py::arg("serialised"));
}

}  // namespace tritonpy
