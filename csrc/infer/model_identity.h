// What a response must know about the model that made it, alive or already unloaded.
//
// Threads: immutable; shared by the model and by every response in flight (hence shared_ptr).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor_spec.h"

namespace tritonpy {

struct ModelIdentity {
    std::string name;
    int64_t version = 0;
    int32_t max_batch_size = 0;  // 0: tensors have no batch dimension
    bool decoupled = false;
    std::vector<TensorSpec> inputs;
    std::vector<TensorSpec> outputs;  // with their labels

    // Null when there is no such tensor.
    const TensorSpec* find_input(std::string_view tensor_name) const;
    const TensorSpec* find_output(std::string_view tensor_name) const;
};

}  // namespace tritonpy
