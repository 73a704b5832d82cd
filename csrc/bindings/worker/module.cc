// The extension tritonpy.worker._batch_codec: reading and writing batches, for every interpreter of
// the server's kind from CPython 3.9 on. Others, and builds without it, do that in Python.

#include <memory>

#include "bindings/worker/answer_writer.h"
#include "bindings/worker/attribute_names.h"
#include "bindings/worker/batch_reader.h"
#include "bindings/worker/python_object.h"

namespace tritonpy {

namespace {

struct Codec {
    Codec(const PythonObject& signature, const PythonObject& inputs, const PythonObject& outputs)
        : reader(names, signature, inputs), writer(names, signature, outputs) {}

    const AttributeNames names;
    const BatchReader reader;
    const AnswerWriter writer;
};

// An object of the Python class.
struct BatchCodec {
    PyObject_HEAD
    Codec* codec;
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

const Codec& codec_of(PyObject* self) { return *reinterpret_cast<BatchCodec*>(self)->codec; }

PyObject* create(PyTypeObject* type, PyObject* arguments, PyObject* /*keywords*/) {
    PyObject* signature = nullptr;
    PyObject* inputs = nullptr;
    PyObject* outputs = nullptr;
    if (PyArg_ParseTuple(arguments, "OOO", &signature, &inputs, &outputs) == 0) {
        return nullptr;
    }
    return guarded([&] {
        auto codec = std::make_unique<Codec>(PythonObject::borrowed(signature),
                                             PythonObject::borrowed(inputs),
                                             PythonObject::borrowed(outputs));
        PythonObject self = PythonObject::made(PyType_GenericAlloc(type, 0));
        reinterpret_cast<BatchCodec*>(self.get())->codec = codec.release();
        return self;
    });
}

void destroy(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    std::unique_ptr<Codec>(reinterpret_cast<BatchCodec*>(self)->codec).reset();
    PyObject_Free(self);
    Py_DECREF(type);
}

PyObject* read(PyObject* self, PyObject* arguments) {
    PyObject* buffer = nullptr;
    Py_ssize_t at = 0;
    Py_ssize_t end = 0;
    if (PyArg_ParseTuple(arguments, "Onn", &buffer, &at, &end) == 0) {
        return nullptr;
    }
    return guarded(
        [&] { return codec_of(self).reader.read(PythonObject::borrowed(buffer), at, end); });
}

PyObject* executed(PyObject* self, PyObject* arguments) {
    PyObject* requests = nullptr;
    PyObject* responses = nullptr;
    if (PyArg_ParseTuple(arguments, "O!O", &PyList_Type, &requests, &responses) == 0) {
        return nullptr;
    }
    return guarded([&] {
        return codec_of(self).writer.executed(PythonObject::borrowed(requests),
                                              PythonObject::borrowed(responses));
    });
}

PyMethodDef methods[] = {
    {"read", read, METH_VARARGS, "read(buffer, at, end): the list of an EXECUTE's requests."},
    {"executed", executed, METH_VARARGS,
     "executed(requests, responses): the body of the EXECUTED, None if it is no ordinary one."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("BatchCodec(signature, inputs, outputs)")},
    {Py_tp_new, reinterpret_cast<void*>(create)},
    {Py_tp_dealloc, reinterpret_cast<void*>(destroy)},
    {Py_tp_methods, methods},
    {0, nullptr},
};

PyType_Spec spec = {"tritonpy.worker._batch_codec.BatchCodec", sizeof(BatchCodec), 0,
                    Py_TPFLAGS_DEFAULT, slots};

PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_batch_codec", nullptr, -1,     nullptr,
                          nullptr,               nullptr,        nullptr, nullptr};

}  // namespace

}  // namespace tritonpy

PyMODINIT_FUNC PyInit__batch_codec() {
    using namespace tritonpy;
    return guarded([] {
        PythonObject module = PythonObject::made(PyModule_Create(&definition));
        PythonObject type = PythonObject::made(PyType_FromSpec(&spec));
        if (PyModule_AddObject(module.get(), "BatchCodec", type.get()) != 0) {
            throw PythonError();
        }
        type.release();  // AddObject took it
        return module;
    });
}
