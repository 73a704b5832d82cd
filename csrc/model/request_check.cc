#include "model/request_check.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/result.h"
#include "tensor/bytes_tensor.h"
#include "tensor/input_shape.h"
#include "tensor/reshape.h"

namespace tritonpy {

namespace {

constexpr std::string_view kBatchDimensionNote =
    " NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to "
    "be prepended to each input shape. If you want to specify the full shape including the batch "
    "dim in your input dims config, try setting max_batch_size to zero. See the model "
    "configuration docs for more info on max_batch_size.";

// How many leading dimensions of the model's tensors are the batch's.
size_t leading_dims(const ModelIdentity& model) { return model.max_batch_size > 0 ? 1 : 0; }

// Calls visit(spec, input) for each input. REQUIRES: the inputs are in config order.
template <typename Visit>
Status for_each_input(const ModelIdentity& model, InferenceRequest& request, Visit visit) {
    auto spec = model.inputs.begin();
    for (Tensor& input : request.inputs) {
        while (spec->name != input.name) {
            ++spec;
        }
        TRITONPY_RETURN_IF_ERROR(visit(*spec, input));
        ++spec;
    }
    return Status();
}

std::string quoted(std::string_view name) { return "'" + std::string(name) + "'"; }

std::string quoted_list(const std::vector<std::string_view>& names) {
    std::string text = "[";
    for (std::string_view name : names) {
        text += (text.size() > 1 ? "," : "") + quoted(name);
    }
    return text + "]";
}

Status check_requested_outputs(const ModelIdentity& model, const InferenceRequest& request) {
    for (auto output = request.outputs.begin(); output != request.outputs.end(); ++output) {
        if (model.find_output(output->name) == nullptr) {
            return invalid_arg("unexpected inference output " + quoted(output->name) +
                               " for model " + quoted(model.name));
        }
        // Quadratic only in the model's own outputs: a name that is none of them ended the loop.
        if (std::any_of(request.outputs.begin(), output, [&](const RequestedOutput& earlier) {
                return earlier.name == output->name;
            })) {
            return invalid_arg("output " + quoted(output->name) + " already exists in request");
        }
    }
    return Status();
}

// Whether every input is known, none that is required is missing, and all are in config order.
bool inputs_are_in_order(const ModelIdentity& model, const InferenceRequest& request) {
    size_t next = 0;
    for (const TensorSpec& spec : model.inputs) {
        if (next < request.inputs.size() && request.inputs[next].name == spec.name) {
            ++next;
        } else if (!spec.optional) {
            return false;
        }
    }
    return next == request.inputs.size();
}

Status check_no_duplicate_input(const InferenceRequest& request) {
    std::vector<std::string_view> names;
    for (const Tensor& input : request.inputs) {
        names.push_back(input.name);
    }
    std::sort(names.begin(), names.end());
    auto duplicate = std::adjacent_find(names.begin(), names.end());
    if (duplicate != names.end()) {
        return invalid_arg("input " + quoted(*duplicate) + " already exists in request");
    }
    return Status();
}

Status wrong_inputs(const ModelIdentity& model, const InferenceRequest& request) {
    std::vector<std::string_view> got;
    for (const Tensor& input : request.inputs) {
        got.push_back(input.name);
    }
    size_t required = 0;
    std::vector<std::string_view> missing;
    for (const TensorSpec& spec : model.inputs) {
        required += spec.optional ? 0 : 1;
        if (!spec.optional && std::find(got.begin(), got.end(), spec.name) == got.end()) {
            missing.push_back(spec.name);
        }
    }
    size_t all = model.inputs.size();
    std::string expected =
        required == all ? "expected " + std::to_string(all) + " inputs"
                        : "expected number of inputs between " + std::to_string(required) +
                              " and " + std::to_string(all);
    return invalid_arg(request_prefix(request) + expected + " but got " +
                       std::to_string(got.size()) + " inputs for model " + quoted(model.name) +
                       ". Got input(s) " + quoted_list(got) +
                       ", but missing required input(s) " + quoted_list(missing) +
                       ". Please provide all required input(s).");
}

// Brings the inputs into config order, or says which are missing, unknown or there twice.
Status sort_inputs(const ModelIdentity& model, InferenceRequest& request) {
    if (inputs_are_in_order(model, request)) {
        return Status();  // nearly always, and without an allocation
    }
    TRITONPY_RETURN_IF_ERROR(check_no_duplicate_input(request));
    if (request.inputs.size() > model.inputs.size()) {
        return wrong_inputs(model, request);
    }
    std::vector<Tensor*> at_spec(model.inputs.size(), nullptr);
    size_t required_missing = static_cast<size_t>(
        std::count_if(model.inputs.begin(), model.inputs.end(),
                      [](const TensorSpec& spec) { return !spec.optional; }));
    if (request.inputs.size() < required_missing) {
        return wrong_inputs(model, request);
    }
    for (Tensor& input : request.inputs) {
        const TensorSpec* spec = model.find_input(input.name);
        if (spec == nullptr) {
            return invalid_arg("unexpected inference input " + quoted(input.name) +
                               " for model " + quoted(model.name));
        }
        at_spec[static_cast<size_t>(spec - model.inputs.data())] = &input;
        required_missing -= spec->optional ? 0 : 1;
    }
    if (required_missing > 0) {
        return wrong_inputs(model, request);
    }
    std::vector<Tensor> sorted;
    sorted.reserve(request.inputs.size());
    for (Tensor* input : at_spec) {
        if (input != nullptr) {
            sorted.push_back(std::move(*input));
        }
    }
    request.inputs = std::move(sorted);
    return Status();
}

// The rows of the request: the first dimension that all its inputs have in common.
Result<int64_t> count_rows(const ModelIdentity& model, InferenceRequest& request,
                           bool may_be_large) {
    std::optional<int64_t> rows;
    for (const Tensor& input : request.inputs) {
        TRITONPY_RETURN_IF_ERROR(
            check_input_shape(input.name, input.data_type, input.shape.dims()));
        if (model.max_batch_size == 0) {
            continue;
        }
        if (input.shape.rank() == 0) {
            return invalid_arg(request_prefix(request) + "input " + quoted(input.name) +
                               " has no shape but model requires batch dimension for " +
                               quoted(model.name));
        }
        if (rows && *rows != input.shape[0]) {
            return invalid_arg(request_prefix(request) + "input " + quoted(input.name) +
                               " batch size does not match other inputs for " +
                               quoted(model.name));
        }
        rows = input.shape[0];
    }
    if (rows && *rows > model.max_batch_size && !may_be_large) {
        return invalid_arg(request_prefix(request) + "inference request batch-size must be <= " +
                           std::to_string(model.max_batch_size) + " for " + quoted(model.name));
    }
    return rows.value_or(1);
}

// Whether a BYTES input holds exactly as many elements as its shape says.
Status check_string_elements(const ModelIdentity& model, const InferenceRequest& request,
                             const Tensor& input) {
    int64_t expected = input.shape.element_count().value_or(0);
    BytesScan scan = scan_bytes(input.data, expected);
    size_t left = input.data.size() - scan.consumed_bytes;
    if (scan.element_count == expected && left == 0) {
        return Status();
    }
    std::string of_input =
        " for inference input " + quoted(input.name) + " for model " + quoted(model.name);
    if (scan.fault != BytesFault::kTruncatedElement && left > 0 && left < kBytesLengthSize) {
        return invalid_arg(request_prefix(request) + "incomplete string length indicator" +
                           of_input + ", expecting " + std::to_string(kBytesLengthSize) +
                           " bytes but only " + std::to_string(left) +
                           " bytes available. Please make sure the string length indicator is in "
                           "one buffer.");
    }
    if (scan.element_count < expected) {
        return invalid_arg(request_prefix(request) + "expected " + std::to_string(expected) +
                           " string elements" + of_input + ", got " +
                           std::to_string(scan.element_count));
    }
    return invalid_arg(request_prefix(request) + "unexpected number of string elements " +
                       std::to_string(expected + 1) + of_input + ", expecting " +
                       std::to_string(expected));
}

Status check_byte_size(const ModelIdentity& model, const InferenceRequest& request,
                       const Tensor& input) {
    if (input.data_type == DataType::kBytes) {
        return check_string_elements(model, request, input);
    }
    const size_t expected = *byte_size(input.data_type, input.shape.dims());  // shape was checked
    if (expected != input.data.size()) {
        return invalid_arg(request_prefix(request) + "input byte size mismatch for input " +
                           quoted(input.name) + " for model " + quoted(model.name) +
                           ". Expected " + std::to_string(expected) + ", got " +
                           std::to_string(input.data.size()));
    }
    return Status();
}

Status check_input(const ModelIdentity& model, const InferenceRequest& request,
                   const TensorSpec& spec, const Tensor& input) {
    if (input.data_type != spec.data_type) {
        return invalid_arg(request_prefix(request) + "inference input " + quoted(input.name) +
                           " data-type is '" + std::string(wire_name(input.data_type)) +
                           "', but model " + quoted(model.name) + " expects '" +
                           std::string(wire_name(spec.data_type)) + "'");
    }
    bool batching = model.max_batch_size > 0;
    if (!fits(input.shape, leading_dims(model), spec.dims)) {
        Shape expected;
        if (batching) {
            expected.append(-1);
        }
        for (int64_t dim : spec.dims.dims()) {
            expected.append(dim);
        }
        return invalid_arg(request_prefix(request) + "unexpected shape for input " +
                           quoted(input.name) + " for model " + quoted(model.name) +
                           ". Expected " + expected.to_string() + ", got " +
                           input.shape.to_string() + "." +
                           std::string(batching ? kBatchDimensionNote : std::string_view()));
    }
    return check_byte_size(model, request, input);
}

}  // namespace

Status check_request(const ModelIdentity& model, InferenceRequest& request, bool may_be_large) {
    TRITONPY_RETURN_IF_ERROR(check_requested_outputs(model, request));
    TRITONPY_RETURN_IF_ERROR(sort_inputs(model, request));
    TRITONPY_ASSIGN_OR_RETURN(int64_t rows, count_rows(model, request, may_be_large));
    TRITONPY_RETURN_IF_ERROR(
        for_each_input(model, request, [&](const TensorSpec& spec, const Tensor& input) {
            return check_input(model, request, spec, input);
        }));
    // Nothing can fail from here on, so a refused request keeps its shapes.
    request.rows = rows;
    return for_each_input(model, request, [&](const TensorSpec& spec, Tensor& input) {
        input.ragged = spec.ragged;
        if (spec.reshape) {
            input.shape = reshaped(input.shape, leading_dims(model), spec.dims, *spec.reshape);
        }
        return Status();
    });
}

void restore_client_shapes(const ModelIdentity& model, InferenceRequest& request) {
    Status restored = for_each_input(model, request, [&](const TensorSpec& spec, Tensor& input) {
        input.ragged = false;
        if (spec.reshape) {
            input.shape = reshaped(input.shape, leading_dims(model), *spec.reshape, spec.dims);
        }
        return Status();
    });
    TRITONPY_CHECK(restored.ok());
}

}  // namespace tritonpy
