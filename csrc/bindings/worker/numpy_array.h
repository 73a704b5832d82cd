// numpy's arrays through its C interface, of which only numpy_array.cc sees more: one binary works
// with every numpy from 1.21 on.
//
// Threads: confined(python); functions only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "bindings/worker/python_object.h"

namespace tritonpy {

// Comes before everything else here. Throws PythonError: ImportError without a numpy that will do.
void import_numpy();

// A new array of a `numpy.dtype` over memory that lasts as long as `owner`. Throws PythonError.
PythonObject array_over(std::byte* data, const PythonObject& data_type,
                        std::span<const int64_t> dims, const PythonObject& owner);

// The bytes of an array that lie in C order; nothing for other arrays, or what is none.
std::optional<std::span<const std::byte>> bytes_of(const PythonObject& array);

}  // namespace tritonpy
