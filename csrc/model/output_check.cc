#include "model/output_check.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>

#include "tensor/bytes_tensor.h"
#include "tensor/reshape.h"

namespace tritonpy {

namespace {

Status fault(const ModelIdentity& model, const Tensor& output, const std::string& what) {
    return internal_error("unexpected output '" + output.name + "' of model '" + model.name +
                          "': " + what);
}

Status wrong_type(const ModelIdentity& model, const TensorSpec& spec, const Tensor& output) {
    return fault(model, output,
                 "expected datatype " + std::string(wire_name(spec.data_type)) + ", but got " +
                     std::string(wire_name(output.data_type)));
}

Status wrong_shape(const ModelIdentity& model, size_t leading, const Shape& expected,
                   const Tensor& output) {
    return fault(model, output,
                 "expected shape " + expected.to_string() +
                     (leading == 0 ? "" : " after the batch dimension") + ", but got " +
                     output.shape.to_string());
}

Status check_output(const ModelIdentity& model, const TensorSpec& spec, Tensor& output) {
    if (output.data_type != spec.data_type) {
        return wrong_type(model, spec, output);
    }
    if (!spec.reshape || !spec.scatter_source.empty()) {
        return Status();
    }
    size_t leading = model.max_batch_size > 0 ? 1 : 0;
    if (!fits(output.shape, leading, *spec.reshape)) {
        return wrong_shape(model, leading, *spec.reshape, output);
    }
    output.shape = reshaped(output.shape, leading, *spec.reshape, spec.dims);
    return Status();
}

// Whether the bytes are those of the shape.
Status check_size(const ModelIdentity& model, const Tensor& output) {
    std::optional<int64_t> elements = output.shape.element_count();
    if (!elements) {
        return fault(model, output,
                     "expected a shape without negative dimensions whose product fits 64 bits, "
                     "but got shape " + output.shape.to_string());
    }
    if (output.data_type == DataType::kBytes) {
        BytesScan scan = scan_bytes(output.data);
        if (scan.element_count != *elements || scan.fault != BytesFault::kNone) {
            bool whole = scan.fault == BytesFault::kNone;
            return fault(model, output,
                         "expected " + std::to_string(*elements) +
                             " string elements for shape " + output.shape.to_string() +
                             ", but got " + std::to_string(scan.element_count) +
                             (whole ? "" : " and then an incomplete one"));
        }
        return Status();
    }
    std::optional<size_t> bytes = byte_size(output.data_type, output.shape.dims());
    if (!bytes || *bytes != output.data.size()) {
        return fault(model, output,
                     "expected " + (bytes ? std::to_string(*bytes) : "countless") +
                         " bytes for shape " + output.shape.to_string() + " and datatype " +
                         std::string(wire_name(output.data_type)) + ", but got " +
                         std::to_string(output.data.size()));
    }
    return Status();
}

Status check_one(const ModelIdentity& model, Tensor& output) {
    const TensorSpec* spec = model.find_output(output.name);
    if (spec == nullptr) {
        return fault(model, output, "the model has no such output");
    }
    if (output.data_type != spec->data_type) {
        return wrong_type(model, *spec, output);
    }
    size_t leading = model.max_batch_size > 0 ? 1 : 0;
    if (!fits(output.shape, leading, spec->backend_dims())) {
        return wrong_shape(model, leading, spec->backend_dims(), output);
    }
    TRITONPY_RETURN_IF_ERROR(check_size(model, output));
    if (spec->reshape) {
        output.shape = reshaped(output.shape, leading, *spec->reshape, spec->dims);
    }
    return Status();
}

bool is_wanted(const InferenceRequest& request, const std::string& name) {
    return request.outputs.empty() ||
           std::any_of(request.outputs.begin(), request.outputs.end(),
                       [&](const RequestedOutput& output) { return output.name == name; });
}

}  // namespace

Status check_response(const ModelIdentity& model, const InferenceRequest& request,
                      std::vector<Tensor>& outputs) {
    std::erase_if(outputs,
                  [&](const Tensor& output) { return !is_wanted(request, output.name); });
    for (size_t index = 0; index < outputs.size(); ++index) {
        Tensor& output = outputs[index];
        if (std::any_of(outputs.begin(), outputs.begin() + static_cast<ptrdiff_t>(index),
                        [&](const Tensor& earlier) { return earlier.name == output.name; })) {
            return fault(model, output, "it is there twice");
        }
        TRITONPY_RETURN_IF_ERROR(check_one(model, output));
    }
    return Status();
}

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
