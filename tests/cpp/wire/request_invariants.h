// What holds for every request that a decoder gives out, whatever bytes it was given.
//
// Threads: compatible; functions only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "base/limits.h"
#include "infer/request.h"
#include "wire/name_set.h"
#include "wire/utf8.h"

namespace tritonpy {

// Reads every byte, so that AddressSanitizer sees those that are not there.
inline size_t sum_of(std::span<const std::byte> bytes) {
    size_t sum = 0;
    for (std::byte byte : bytes) {
        sum += static_cast<size_t>(byte);
    }
    return sum;
}

inline void check_tensor(const Tensor& tensor) {
    TRITONPY_CHECK(is_utf8(tensor.name));
    TRITONPY_CHECK(tensor.shape.rank() <= limits::kMaxRank);
    TRITONPY_CHECK(tensor.shape.element_count().has_value());
    if (tensor.data.empty()) {
        return;
    }
    TRITONPY_CHECK(static_cast<bool>(tensor.buffer));
    const std::byte* begin = tensor.buffer->data();
    TRITONPY_CHECK(tensor.data.data() >= begin);
    TRITONPY_CHECK(tensor.data.data() + tensor.data.size() <= begin + tensor.buffer->size());
    TRITONPY_CHECK(sum_of(tensor.data) <= 255 * tensor.data.size());
}

// Aborts when an invariant is broken.
inline void check_decoded_request(const InferenceRequest& request) {
    TRITONPY_CHECK(is_utf8(request.id) && is_utf8(request.model_name));
    TRITONPY_CHECK(request.inputs.size() <= limits::kMaxTensorsPerRequest);
    TRITONPY_CHECK(request.outputs.size() <= limits::kMaxTensorsPerRequest);
    TRITONPY_CHECK(request.parameters.size() <= limits::kMaxParameters);
    NameSet inputs;
    for (const Tensor& tensor : request.inputs) {
        check_tensor(tensor);
        TRITONPY_CHECK(inputs.insert(tensor.name));
    }
    NameSet outputs;
    for (const RequestedOutput& output : request.outputs) {
        TRITONPY_CHECK(is_utf8(output.name) && outputs.insert(output.name));
    }
    for (const Parameter& parameter : request.parameters) {
        TRITONPY_CHECK(is_utf8(parameter.name) && !parameter.name.starts_with("triton_"));
    }
}

}  // namespace tritonpy
