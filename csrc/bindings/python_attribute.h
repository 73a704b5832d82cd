// Attributes of Python's dataclasses as C++ values.
//
// Threads: confined(python): the caller holds the GIL.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tensor/data_type.h"
#include "tensor/shape.h"

namespace tritonpy {

// Throws Python's error when it is missing or of another type.
template <typename T>
T attribute(pybind11::handle object, const char* name) {
    return object.attr(name).cast<T>();
}

inline Shape shape_attribute(pybind11::handle object, const char* name) {
    return Shape(attribute<std::vector<int64_t>>(object, name));
}

// The attribute `data_type` of what has a name: a tensor. Throws ValueError for an unknown one.
inline DataType data_type_attribute(pybind11::handle tensor, const std::string& name) {
    const auto type_name = attribute<std::string>(tensor, "data_type");
    const std::optional<DataType> type = data_type_of(type_name);
    if (!type) {
        throw pybind11::value_error("unknown data type '" + type_name + "' of tensor '" + name +
                                    "'");
    }
    return *type;
}

}  // namespace tritonpy
