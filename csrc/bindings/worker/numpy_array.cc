#include "bindings/worker/numpy_array.h"

#define NPY_NO_DEPRECATED_API NPY_1_20_API_VERSION
#define NPY_TARGET_VERSION NPY_1_20_API_VERSION
#include <numpy/arrayobject.h>

#include <type_traits>

namespace tritonpy {

static_assert(std::is_same_v<npy_intp, int64_t>);

void import_numpy() {
    if (_import_array() < 0) {
        PyErr_SetString(PyExc_ImportError, "this numpy has another C interface");
        throw PythonError();
    }
}

PythonObject array_over(std::byte* data, const PythonObject& data_type,
                        std::span<const int64_t> dims, const PythonObject& owner) {
    // NewFromDescr takes over a reference to the type, SetBaseObject one to the owner.
    auto* const type = reinterpret_cast<PyArray_Descr*>(PythonObject(data_type).release());
    PythonObject array = PythonObject::made(
        PyArray_NewFromDescr(&PyArray_Type, type, static_cast<int>(dims.size()), dims.data(),
                             nullptr, data, NPY_ARRAY_CARRAY, nullptr));
    if (PyArray_SetBaseObject(reinterpret_cast<PyArrayObject*>(array.get()),
                              PythonObject(owner).release()) != 0) {
        throw PythonError();
    }
    return array;
}

std::optional<std::span<const std::byte>> bytes_of(const PythonObject& array) {
    if (!PyArray_Check(array.get())) {
        return std::nullopt;
    }
    const auto* const its = reinterpret_cast<const PyArrayObject*>(array.get());
    if (!PyArray_IS_C_CONTIGUOUS(its)) {
        return std::nullopt;
    }
    return std::span(static_cast<const std::byte*>(PyArray_DATA(const_cast<PyArrayObject*>(its))),
                     static_cast<size_t>(PyArray_NBYTES(its)));
}

}  // namespace tritonpy
