// Hashes the question that a request asks: everything in it that may change its answer.
//
// That is its inputs with name, type, shape and bytes, the names of the outputs asked for,
// parameters, sequence id and flags. (In Triton it is input names and bytes alone: the same bytes
// in another shape, or another request for outputs, get an answer that is not theirs.) A request's
// id, priority and timeout say how it is handled and not what is asked.
//
// Threads: compatible.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <variant>

#include "infer/parameter.h"
#include "infer/request.h"
#include "tensor/tensor.h"

namespace tritonpy {

template <typename Hash>
void add_value(Hash& hash, const ParameterValue& value) {
    hash.add_number(value.index());
    std::visit(
        [&hash](const auto& given) {
            using Given = std::decay_t<decltype(given)>;
            if constexpr (std::is_same_v<Given, std::string>) {
                hash.add_text(given);
            } else if constexpr (std::is_same_v<Given, double>) {
                hash.add_number(std::bit_cast<uint64_t>(given));
            } else {
                hash.add_number(static_cast<uint64_t>(given));
            }
        },
        value);
}

template <typename Hash>
void add_tensor(Hash& hash, const Tensor& tensor) {
    hash.add_text(tensor.name);
    hash.add_number(static_cast<uint64_t>(tensor.data_type));
    hash.add_number(tensor.shape.rank());
    hash.add(std::as_bytes(tensor.shape.dims()));
    hash.add_number(tensor.data.size());
    hash.add(tensor.data);
}

// `Hash` is KeyedHash, or another with its add functions.
template <typename Hash>
void add_request(Hash& hash, const InferenceRequest& request) {
    hash.add_number(request.inputs.size());
    for (const Tensor& input : request.inputs) {
        add_tensor(hash, input);
    }
    hash.add_number(request.outputs.size());
    for (const RequestedOutput& output : request.outputs) {
        hash.add_text(output.name);
    }
    hash.add_number(request.parameters.size());
    for (const Parameter& parameter : request.parameters) {
        hash.add_text(parameter.name);
        add_value(hash, parameter.value);
    }
    hash.add_number(request.flags);
    hash.add_number(request.correlation_id.index());
    if (const auto* number = std::get_if<uint64_t>(&request.correlation_id)) {
        hash.add_number(*number);
    } else {
        hash.add_text(std::get<std::string>(request.correlation_id));
    }
}

}  // namespace tritonpy
