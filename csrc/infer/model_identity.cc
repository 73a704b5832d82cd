#include "infer/model_identity.h"

namespace tritonpy {

namespace {

// Models have few tensors, so a walk beats a map.
const TensorSpec* find(const std::vector<TensorSpec>& specs, std::string_view name) {
    for (const TensorSpec& spec : specs) {
        if (spec.name == name) {
            return &spec;
        }
    }
    return nullptr;
}

}  // namespace

const TensorSpec* ModelIdentity::find_input(std::string_view tensor_name) const {
    return find(inputs, tensor_name);
}

const TensorSpec* ModelIdentity::find_output(std::string_view tensor_name) const {
    return find(outputs, tensor_name);
}

}  // namespace tritonpy
