#include "model/output_check.h"

#include <algorithm>
#include <string>

#include "model/reshape.h"

namespace tritonpy {

namespace {

Status fault(const ModelIdentity& model, const Tensor& output, const std::string& what) {
    return internal_error("unexpected output '" + output.name + "' of model '" + model.name +
                          "': " + what);
}

Status check_output(const ModelIdentity& model, const TensorSpec& spec, Tensor& output) {
    if (output.data_type != spec.data_type) {
        return fault(model, output,
                     "expected datatype " + std::string(wire_name(spec.data_type)) +
                         ", but got " + std::string(wire_name(output.data_type)));
    }
    if (!spec.reshape) {
        return Status();
    }
    size_t leading = model.max_batch_size > 0 ? 1 : 0;
    if (!fits(output.shape, leading, *spec.reshape)) {
        return fault(model, output,
                     "expected shape " + spec.reshape->to_string() +
                         (leading == 0 ? "" : " after the batch dimension") + ", but got " +
                         output.shape.to_string());
    }
    output.shape = reshaped(output.shape, leading, *spec.reshape, spec.dims);
    return Status();
}

}  // namespace

Status check_outputs(const ModelIdentity& model, Batch& batch) {
    std::erase_if(batch.outputs, [&](const Tensor& output) {
        return model.find_output(output.name) == nullptr;
    });
    for (const TensorSpec& spec : model.outputs) {
        if (!batch.wants_output(spec.name)) {
            continue;
        }
        auto output = std::find_if(batch.outputs.begin(), batch.outputs.end(),
                                   [&](const Tensor& one) { return one.name == spec.name; });
        if (output == batch.outputs.end()) {
            return internal_error("model '" + model.name + "' did not produce the output '" +
                                  spec.name + "'");
        }
        TRITONPY_RETURN_IF_ERROR(check_output(model, spec, *output));
    }
    return Status();
}

}  // namespace tritonpy
