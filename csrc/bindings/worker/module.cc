// The extension tritonpy.worker._batch_link: receiving and answering batches, for every interpreter
// of the server's kind from CPython 3.9 on. Others, and builds without it, do that in Python.

#include <cstddef>
#include <memory>
#include <span>

#include "bindings/worker/batch_link.h"
#include "bindings/worker/numpy_array.h"
#include "bindings/worker/python_object.h"

namespace tritonpy {

namespace {

// An object of the Python class.
struct LinkObject {
    PyObject_HEAD
    BatchLink* link;
};

// What `work` returns; null, as the interpreter expects it, when it failed.
template <typename Work>
PyObject* guarded(Work work) {
    try {
        return work().release();
    } catch (const PythonError&) {
        return nullptr;
    } catch (const std::bad_alloc&) {
        return PyErr_NoMemory();
    }
}

BatchLink& link_of(PyObject* self) { return *reinterpret_cast<LinkObject*>(self)->link; }

PyObject* create(PyTypeObject* type, PyObject* arguments, PyObject* /*keywords*/) {
    int execute = -1;
    int executed = -1;
    PyObject* signature = nullptr;
    PyObject* inputs = nullptr;
    PyObject* outputs = nullptr;
    if (PyArg_ParseTuple(arguments, "iiOOO", &execute, &executed, &signature, &inputs,
                         &outputs) == 0) {
        return nullptr;
    }
    return guarded([&] {
        auto link = std::make_unique<BatchLink>(
            execute, executed, PythonObject::borrowed(signature), PythonObject::borrowed(inputs),
            PythonObject::borrowed(outputs));
        PythonObject self = PythonObject::made(PyType_GenericAlloc(type, 0));
        reinterpret_cast<LinkObject*>(self.get())->link = link.release();
        return self;
    });
}

void destroy(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    std::unique_ptr<BatchLink>(reinterpret_cast<LinkObject*>(self)->link).reset();
    PyObject_Free(self);
    Py_DECREF(type);
}

PyObject* receive(PyObject* self, PyObject* /*no arguments*/) {
    return guarded([&] { return link_of(self).receive(); });
}

PyObject* executed(PyObject* self, PyObject* arguments) {
    PyObject* requests = nullptr;
    PyObject* responses = nullptr;
    if (PyArg_ParseTuple(arguments, "O!O", &PyList_Type, &requests, &responses) == 0) {
        return nullptr;
    }
    return guarded([&] {
        return link_of(self).executed(PythonObject::borrowed(requests),
                                      PythonObject::borrowed(responses));
    });
}

PyObject* answer(PyObject* self, PyObject* body) {
    char* data = nullptr;
    Py_ssize_t size = 0;
    if (PyBytes_AsStringAndSize(body, &data, &size) != 0) {
        return nullptr;
    }
    return guarded([&] {
        const std::span bytes(reinterpret_cast<const std::byte*>(data), static_cast<size_t>(size));
        return PythonObject::borrowed(link_of(self).answer(bytes) ? Py_True : Py_False);
    });
}

PyMethodDef methods[] = {
    {"receive", receive, METH_NOARGS, "receive(): the next batch's requests; None at the end."},
    {"executed", executed, METH_VARARGS,
     "executed(requests, responses): the body of the EXECUTED, None if it is no ordinary one."},
    {"answer", answer, METH_O, "answer(body): sends EXECUTED; False when the server has gone."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("BatchLink(execute, executed, signature, inputs, outputs)")},
    {Py_tp_new, reinterpret_cast<void*>(create)},
    {Py_tp_dealloc, reinterpret_cast<void*>(destroy)},
    {Py_tp_methods, methods},
    {0, nullptr},
};

PyType_Spec spec = {"tritonpy.worker._batch_link.BatchLink", sizeof(LinkObject), 0,
                    Py_TPFLAGS_DEFAULT, slots};

PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_batch_link", nullptr, -1,     nullptr,
                          nullptr,               nullptr,       nullptr, nullptr};

}  // namespace

}  // namespace tritonpy

PyMODINIT_FUNC PyInit__batch_link() {
    using namespace tritonpy;
    return guarded([] {
        import_numpy();
        PythonObject module = PythonObject::made(PyModule_Create(&definition));
        PythonObject type = PythonObject::made(PyType_FromSpec(&spec));
        if (PyModule_AddObject(module.get(), "BatchLink", type.get()) != 0) {
            throw PythonError();
        }
        type.release();  // AddObject took it
        return module;
    });
}
