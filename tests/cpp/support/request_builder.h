// Tensors and requests for C++ tests, and their contents as plain vectors.
//
// A tensor made here keeps its own copy of the bytes in a heap buffer, as if it had arrived from a
// client; nothing comes from a pool.
//
// Threads: compatible; functions only.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/check.h"
#include "infer/request.h"
#include "memory/buffer.h"
#include "tensor/bytes_tensor.h"
#include "tensor/data_type.h"
#include "tensor/tensor.h"

namespace tritonpy {

// A buffer over a copy of `bytes`.
inline BufferRef make_buffer(std::span<const std::byte> bytes) {
    using Copy = std::vector<std::byte>;
    auto copy = std::make_unique<Copy>(bytes.begin(), bytes.end());
    std::byte* data = copy->data();
    return wrap_external(data, bytes.size(), copy.release(), [](void* owned) {
        std::unique_ptr<Copy> freed(static_cast<Copy*>(owned));
    });
}

// A tensor over a copy of `bytes`, whatever its shape says: also for tensors that are wrong.
inline Tensor make_raw_tensor(std::string name, DataType type, Shape shape,
                              std::span<const std::byte> bytes) {
    BufferRef buffer = make_buffer(bytes);
    std::span<const std::byte> data(buffer->data(), buffer->size());
    return Tensor{std::move(name), type, std::move(shape), data, std::move(buffer)};
}

// The data type whose elements are T.
template <typename T>
constexpr DataType data_type_for() {
    if constexpr (std::same_as<T, bool>) {
        return DataType::kBool;
    } else if constexpr (std::same_as<T, float>) {
        return DataType::kFp32;
    } else if constexpr (std::same_as<T, double>) {
        return DataType::kFp64;
    } else {
        static_assert(std::integral<T>);
        constexpr int kSigned[] = {0, 6, 7, 0, 8, 0, 0, 0, 9};
        constexpr int kUnsigned[] = {0, 2, 3, 0, 4, 0, 0, 0, 5};
        return static_cast<DataType>(std::is_signed_v<T> ? kSigned[sizeof(T)]
                                                         : kUnsigned[sizeof(T)]);
    }
}

// make_tensor<float>("INPUT0", {1, 2}, {1.5f, 2.5f}); not for bool (use make_raw_tensor).
template <typename T>
Tensor make_tensor(std::string name, Shape shape, const std::vector<T>& values) {
    return make_raw_tensor(std::move(name), data_type_for<T>(), std::move(shape),
                           std::as_bytes(std::span(values)));
}

// A BYTES tensor.
inline Tensor make_string_tensor(std::string name, Shape shape,
                                 const std::vector<std::string>& elements) {
    std::vector<std::byte> bytes;
    for (const std::string& element : elements) {
        append_bytes_element(bytes, element);
    }
    return make_raw_tensor(std::move(name), DataType::kBytes, std::move(shape), bytes);
}

// The elements of a fixed-size tensor. REQUIRES: T is of its element size.
template <typename T>
std::vector<T> values_of(const Tensor& tensor) {
    TRITONPY_CHECK(sizeof(T) == size_of(tensor.data_type));
    std::vector<T> values(tensor.data.size() / sizeof(T));
    if (!values.empty()) {
        std::memcpy(values.data(), tensor.data.data(), values.size() * sizeof(T));
    }
    return values;
}

// The elements of a BYTES tensor. REQUIRES: a whole serialisation.
inline std::vector<std::string> strings_of(const Tensor& tensor) {
    std::vector<std::string> elements;
    for (BytesReader reader(tensor.data); !reader.at_end();) {
        elements.emplace_back(reader.next());
    }
    return elements;
}

// A request that passed the check of a batching model: its rows are the first dimension of its
// first input. No outputs named means that it wants all.
inline std::unique_ptr<InferenceRequest> make_request(
    std::vector<Tensor> inputs, const std::vector<std::string>& outputs = {}) {
    auto request = std::make_unique<InferenceRequest>();
    request->model_name = "model";
    if (!inputs.empty() && inputs.front().shape.rank() > 0) {
        request->rows = inputs.front().shape[0];
    }
    request->inputs = std::move(inputs);
    for (const std::string& name : outputs) {
        request->outputs.push_back(RequestedOutput{.name = name,
                                                   .classification_count = 0,
                                                   .binary_data = std::nullopt});
    }
    return request;
}

// The same with one input.
inline std::unique_ptr<InferenceRequest> request_with(
    Tensor input, const std::vector<std::string>& outputs = {}) {
    std::vector<Tensor> inputs;
    inputs.push_back(std::move(input));
    return make_request(std::move(inputs), outputs);
}

// For tests that care about nothing but rows: one FP32 input "INPUT0" of shape [rows,1] that counts
// up from `tag`.
inline std::unique_ptr<InferenceRequest> make_rows_request(int64_t rows,
                                                           ResponseSink* sink = nullptr,
                                                           uint64_t tag = 0) {
    std::vector<float> values(static_cast<size_t>(rows));
    for (size_t row = 0; row < values.size(); ++row) {
        values[row] = static_cast<float>(tag + row);
    }
    std::unique_ptr<InferenceRequest> request =
        request_with(make_tensor<float>("INPUT0", {rows, 1}, values));
    request->sink = sink;
    request->tag = tag;
    return request;
}

}  // namespace tritonpy
