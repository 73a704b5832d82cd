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

#include <cstdint>
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
    static PythonObject of(uint64_t value) { return made(PyLong_FromUnsignedLongLong(value)); }

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
