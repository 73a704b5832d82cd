// The extension tritonpy.worker._messages: what a worker says to the server and hears from it, for
// every interpreter of the server's kind from CPython 3.9 on. Others, and builds without it, read
// and write that in Python.

#include <cstddef>
#include <memory>
#include <span>

#include "bindings/worker/batch_link.h"
#include "bindings/worker/call_link.h"
#include "bindings/worker/numpy_array.h"
#include "bindings/worker/python_object.h"
#include "bindings/worker/worker_memory.h"

namespace tritonpy {

namespace {

// An object of the Python class for T.
template <typename T>
struct Wrapped {
    PyObject_HEAD
    T* it;
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

template <typename T>
T& unwrapped(PyObject* self) {
    return *reinterpret_cast<Wrapped<T>*>(self)->it;
}

template <typename T>
PythonObject wrapped(PyTypeObject* type, std::unique_ptr<T> it) {
    PythonObject self = PythonObject::made(PyType_GenericAlloc(type, 0));
    reinterpret_cast<Wrapped<T>*>(self.get())->it = it.release();
    return self;
}

template <typename T>
void destroy(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    std::unique_ptr<T>(reinterpret_cast<Wrapped<T>*>(self)->it).reset();
    PyObject_Free(self);
    Py_DECREF(type);
}

// ---- Memory, which both links are given

using SharedMemory = std::shared_ptr<WorkerMemory>;

PyObject* create_memory(PyTypeObject* type, PyObject* arguments, PyObject* /*keywords*/) {
    PyObject* inputs = nullptr;
    PyObject* outputs = nullptr;
    if (PyArg_ParseTuple(arguments, "OO", &inputs, &outputs) == 0) {
        return nullptr;
    }
    return guarded([&] {
        return wrapped(type, std::make_unique<SharedMemory>(std::make_shared<WorkerMemory>(
                                 PythonObject::borrowed(inputs), PythonObject::borrowed(outputs))));
    });
}

PyType_Slot memory_slots[] = {
    {Py_tp_doc, const_cast<char*>("Memory(inputs, outputs)")},
    {Py_tp_new, reinterpret_cast<void*>(create_memory)},
    {Py_tp_dealloc, reinterpret_cast<void*>(destroy<SharedMemory>)},
    {0, nullptr},
};

PyType_Spec memory_spec = {"tritonpy.worker._messages.Memory", sizeof(Wrapped<SharedMemory>), 0,
                           Py_TPFLAGS_DEFAULT, memory_slots};

// REQUIRES: a module that is initialised.
PyObject* memory_type = nullptr;

// ---- BatchLink

PyObject* create_batch_link(PyTypeObject* type, PyObject* arguments, PyObject* /*keywords*/) {
    int execute = -1;
    int executed = -1;
    PyObject* signature = nullptr;
    PyObject* memory = nullptr;
    if (PyArg_ParseTuple(arguments, "iiOO!", &execute, &executed, &signature, memory_type,
                         &memory) == 0) {
        return nullptr;
    }
    return guarded([&] {
        return wrapped(type, std::make_unique<BatchLink>(execute, executed,
                                                         PythonObject::borrowed(signature),
                                                         unwrapped<SharedMemory>(memory)));
    });
}

PyObject* receive_batch(PyObject* self, PyObject* /*no arguments*/) {
    return guarded([&] { return unwrapped<BatchLink>(self).receive(); });
}

PyObject* executed(PyObject* self, PyObject* arguments) {
    PyObject* requests = nullptr;
    PyObject* responses = nullptr;
    if (PyArg_ParseTuple(arguments, "O!O", &PyList_Type, &requests, &responses) == 0) {
        return nullptr;
    }
    return guarded([&] {
        return unwrapped<BatchLink>(self).executed(PythonObject::borrowed(requests),
                                                   PythonObject::borrowed(responses));
    });
}

PyObject* answer_batch(PyObject* self, PyObject* body) {
    if (PyBytes_Check(body) == 0) {
        PyErr_SetString(PyExc_TypeError, "the body of a message must be bytes");
        return nullptr;
    }
    return guarded([&] {
        const PythonObject bytes = PythonObject::borrowed(body);
        return PythonObject::truth(unwrapped<BatchLink>(self).answer(bytes.bytes()));
    });
}

PyMethodDef batch_link_methods[] = {
    {"receive", receive_batch, METH_NOARGS,
     "receive(): the next batch's requests; None at the end."},
    {"executed", executed, METH_VARARGS,
     "executed(requests, responses): the body of the EXECUTED, None if it is no ordinary one."},
    {"answer", answer_batch, METH_O,
     "answer(body): sends EXECUTED; False when the server has gone."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot batch_link_slots[] = {
    {Py_tp_doc, const_cast<char*>("BatchLink(execute, executed, signature, memory)")},
    {Py_tp_new, reinterpret_cast<void*>(create_batch_link)},
    {Py_tp_dealloc, reinterpret_cast<void*>(destroy<BatchLink>)},
    {Py_tp_methods, batch_link_methods},
    {0, nullptr},
};

PyType_Spec batch_link_spec = {"tritonpy.worker._messages.BatchLink", sizeof(Wrapped<BatchLink>), 0,
                         Py_TPFLAGS_DEFAULT, batch_link_slots};

// ---- CallLink

PyObject* create_call_link(PyTypeObject* type, PyObject* arguments, PyObject* /*keywords*/) {
    int answers = -1;
    int calls = -1;
    PyObject* memory = nullptr;
    PyObject* sender = nullptr;
    if (PyArg_ParseTuple(arguments, "iiO!O", &answers, &calls, memory_type, &memory, &sender) ==
        0) {
        return nullptr;
    }
    return guarded([&] {
        return wrapped(type, std::make_unique<CallLink>(answers, calls,
                                                        unwrapped<SharedMemory>(memory),
                                                        PythonObject::borrowed(sender)));
    });
}

PyObject* infer(PyObject* self, PyObject* arguments) {
    PyObject* request = nullptr;
    unsigned long long call = 0;
    int is_decoupled = 0;
    if (PyArg_ParseTuple(arguments, "OKp", &request, &call, &is_decoupled) == 0) {
        return nullptr;
    }
    return guarded([&] {
        return unwrapped<CallLink>(self).infer(PythonObject::borrowed(request), call,
                                               is_decoupled != 0);
    });
}

PyObject* exchange(PyObject* self, PyObject* arguments) {
    PyObject* message = nullptr;
    unsigned long long call = 0;
    PyObject* deliver = nullptr;
    if (PyArg_ParseTuple(arguments, "SKO", &message, &call, &deliver) == 0) {
        return nullptr;
    }
    return guarded([&] {
        return unwrapped<CallLink>(self).exchange(PythonObject::borrowed(message).bytes(), call,
                                                  PythonObject::borrowed(deliver));
    });
}

PyObject* receive_answer(PyObject* self, PyObject* /*no arguments*/) {
    return guarded([&] { return unwrapped<CallLink>(self).receive(); });
}

PyMethodDef call_link_methods[] = {
    {"infer", infer, METH_VARARGS,
     "infer(request, call, is_decoupled): the INFER, None if it is no ordinary one."},
    {"exchange", exchange, METH_VARARGS,
     "exchange(message, call, deliver): the Answer to a message, None if it could not be sent."},
    {"receive", receive_answer, METH_NOARGS, "receive(): the next Answer; None at the end."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot call_link_slots[] = {
    {Py_tp_doc, const_cast<char*>("CallLink(answers, calls, memory, sender)")},
    {Py_tp_new, reinterpret_cast<void*>(create_call_link)},
    {Py_tp_dealloc, reinterpret_cast<void*>(destroy<CallLink>)},
    {Py_tp_methods, call_link_methods},
    {0, nullptr},
};

PyType_Spec call_link_spec = {"tritonpy.worker._messages.CallLink", sizeof(Wrapped<CallLink>), 0,
                              Py_TPFLAGS_DEFAULT, call_link_slots};

// ---- the module

PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_messages", nullptr, -1,     nullptr,
                          nullptr,               nullptr,     nullptr, nullptr};

// Returns the type, which lasts as long as the module.
PyObject* add_type(const PythonObject& module, const char* name, PyType_Spec& spec) {
    PythonObject type = PythonObject::made(PyType_FromSpec(&spec));
    if (PyModule_AddObject(module.get(), name, type.get()) != 0) {
        throw PythonError();
    }
    return type.release();  // AddObject took it
}

}  // namespace

}  // namespace tritonpy

PyMODINIT_FUNC PyInit__messages() {
    using namespace tritonpy;
    return guarded([] {
        import_numpy();
        PythonObject module = PythonObject::made(PyModule_Create(&definition));
        memory_type = add_type(module, "Memory", memory_spec);
        add_type(module, "BatchLink", batch_link_spec);
        add_type(module, "CallLink", call_link_spec);
        return module;
    });
}
