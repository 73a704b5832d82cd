// A reference to a Python object, with those of CPython's limited API (3.9) that a worker needs:
// one binary serves every later interpreter, so pybind11, which sees more of them, cannot.
//
// What fails throws PythonError, and the interpreter knows why; whoever the interpreter has called
// catches it and returns null.
//
// Threads: confined(python): the caller holds the GIL.
// Owns: one reference; a copy has its own.
// Invariants: never null, but for one that was moved from.
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace tritonpy {

struct PythonError {};

class PythonObject {
  public:
    // Takes over a new reference, or the null of a call that has failed.
    static PythonObject made(PyObject* object) {
        if (object == nullptr) {
            throw PythonError();
        }
        return PythonObject(object);
    }
    // One more, of what somebody else has.
    static PythonObject borrowed(PyObject* object) {
        Py_XINCREF(object);
        return made(object);
    }
    // A text that attributes are looked up by, and the attribute of a module.
    static PythonObject name(const char* text) { return made(PyUnicode_InternFromString(text)); }
    static PythonObject imported(const char* module, const char* attribute) {
        return made(PyImport_ImportModule(module)).attribute(name(attribute));
    }
    static PythonObject none() { return borrowed(Py_None); }
    static PythonObject truth(bool value) { return borrowed(value ? Py_True : Py_False); }
    static PythonObject of(uint64_t value) { return made(PyLong_FromUnsignedLongLong(value)); }
    // An object of Python's bytes.
    static PythonObject of(std::span<const std::byte> bytes) {
        return made(PyBytes_FromStringAndSize(reinterpret_cast<const char*>(bytes.data()),
                                              static_cast<Py_ssize_t>(bytes.size())));
    }
    static PythonObject new_list() { return made(PyList_New(0)); }
    // A tuple of the new references that `next` gives one after the other.
    template <typename Next>
    static PythonObject tuple_of(Py_ssize_t count, Next next) {
        PythonObject tuple = made(PyTuple_New(count));
        for (Py_ssize_t index = 0; index < count; ++index) {
            PyTuple_SetItem(tuple.object_, index, made(next()).release());
        }
        return tuple;
    }

    ~PythonObject() { Py_XDECREF(object_); }
    PythonObject(const PythonObject& other) : PythonObject(other.object_) { Py_XINCREF(object_); }
    PythonObject(PythonObject&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    PythonObject& operator=(PythonObject other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }

    PyObject* get() const { return object_; }
    PyObject* release() { return std::exchange(object_, nullptr); }

    bool is_none() const { return object_ == Py_None; }
    // REQUIRES: a class. An object of it without a call of `__init__`.
    PythonObject instance() const {
        return made(PyType_GenericAlloc(reinterpret_cast<PyTypeObject*>(object_), 0));
    }
    // Of this very class, not of one that derives from it.
    bool is_exactly(const PythonObject& type) const {
        return reinterpret_cast<PyObject*>(Py_TYPE(object_)) == type.object_;
    }
    bool is_true() const {
        int truth = PyObject_IsTrue(object_);
        if (truth < 0) {
            throw PythonError();
        }
        return truth != 0;
    }
    int64_t integer() const {
        int64_t value = PyLong_AsLongLong(object_);
        if (value == -1 && PyErr_Occurred() != nullptr) {
            throw PythonError();
        }
        return value;
    }
    // REQUIRES: of Python's bytes.
    std::span<const std::byte> bytes() const {
        return {reinterpret_cast<const std::byte*>(PyBytes_AsString(object_)),
                static_cast<size_t>(PyBytes_Size(object_))};
    }
    PythonObject attribute(const PythonObject& name) const {
        return made(PyObject_GetAttr(object_, name.object_));
    }
    void set(const PythonObject& name, const PythonObject& value) const {
        if (PyObject_SetAttr(object_, name.object_, value.object_) != 0) {
            throw PythonError();
        }
    }
    Py_ssize_t size() const {
        const Py_ssize_t size = PyObject_Size(object_);
        if (size < 0) {
            throw PythonError();
        }
        return size;
    }
    // REQUIRES: a list.
    void append(const PythonObject& item) const {
        if (PyList_Append(object_, item.object_) != 0) {
            throw PythonError();
        }
    }
    // Of a list or a tuple; IndexError beyond its end.
    PythonObject item(Py_ssize_t index) const {
        return borrowed(PyTuple_Check(object_) ? PyTuple_GetItem(object_, index)
                                               : PyList_GetItem(object_, index));
    }

    template <typename... Arguments>
    PythonObject operator()(const Arguments&... arguments) const {
        return made(PyObject_CallFunctionObjArgs(object_, arguments.get()..., nullptr));
    }
    template <typename... Arguments>
    PythonObject call(const PythonObject& method, const Arguments&... arguments) const {
        return made(PyObject_CallMethodObjArgs(object_, method.object_, arguments.get()...,
                                               nullptr));
    }

  private:
    explicit PythonObject(PyObject* object) : object_(object) {}

    PyObject* object_;
};

}  // namespace tritonpy
