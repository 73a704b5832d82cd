#include "infer/batch_input.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "base/result.h"
#include "tensor/tensor.h"

namespace tritonpy {

namespace {

const Shape& source_shape(const InferenceRequest& request, size_t source) {
    return request.inputs[source].shape;
}

int64_t count_of(const InferenceRequest& request, size_t source) {
    return source_shape(request, source).element_count().value_or(0);
}

int64_t max_count(const Batch& batch, size_t source) {
    int64_t count = 0;
    for (const auto& request : batch.requests) {
        count = std::max(count, count_of(*request, source));
    }
    return count;
}

std::vector<int64_t> counts(const Batch& batch, size_t source, bool accumulated) {
    std::vector<int64_t> values;
    int64_t total = 0;
    for (const auto& request : batch.requests) {
        const int64_t count = count_of(*request, source);
        total += count;
        values.push_back(accumulated ? total : count);
    }
    return values;
}

std::vector<int64_t> item_shapes(const Batch& batch, size_t source) {
    std::vector<int64_t> values;
    for (const auto& request : batch.requests) {
        const Shape& shape = source_shape(*request, source);
        for (int64_t row = 0; row < shape[0]; ++row) {
            values.insert(values.end(), shape.row_dims().begin(), shape.row_dims().end());
        }
    }
    return values;
}

template <typename T>
void write_as(std::span<const int64_t> values, std::byte* to) {
    for (int64_t value : values) {
        const auto element = static_cast<T>(value);
        std::memcpy(to, &element, sizeof(T));
        to += sizeof(T);
    }
}

Result<Tensor> make_batch_input(const BatchInputSpec& spec, const Batch& batch, BlockPool& pool) {
    const std::string subject = "batch input for '" + spec.source_input + "' of model '" +
                                batch.requests.front()->model_name + "': ";
    const std::optional<size_t> source = find_input(*batch.requests.front(), spec.source_input);
    if (!source) {
        return internal_error(subject + "its source is not in the batch");
    }
    const std::vector<int64_t> values = batch_input_values(spec.kind, batch, *source);
    Tensor tensor;
    tensor.data_type = spec.data_type;
    tensor.shape = batch_input_shape(spec.kind, batch, *source);
    const std::optional<size_t> size = byte_size(spec.data_type, tensor.shape.dims());
    if (!size) {
        return internal_error(subject + "shape " + tensor.shape.to_string() + " is impossible");
    }
    Result<BufferRef> block = pool.allocate(*size);
    if (!block.ok()) {
        return Status(block.status().code(), subject + std::string(block.status().message()));
    }
    tensor.buffer = std::move(block).value();
    tensor.data = {tensor.buffer->data(), tensor.buffer->size()};
    if (spec.kind == BatchInputKind::kMaxElementCountAsShape) {
        std::memset(tensor.buffer->data(), 0, *size);
        return tensor;
    }
    if (spec.data_type == DataType::kFp32) {
        write_as<float>(values, tensor.buffer->data());
        return tensor;
    }
    const auto largest = std::ranges::max_element(values);
    if (largest != values.end() && *largest > std::numeric_limits<int32_t>::max()) {
        return internal_error(subject + std::to_string(*largest) + " does not fit INT32");
    }
    write_as<int32_t>(values, tensor.buffer->data());
    return tensor;
}

}  // namespace

Shape batch_input_shape(BatchInputKind kind, const Batch& batch, size_t source) {
    const auto requests = static_cast<int64_t>(batch.requests.size());
    int64_t rows = 0;
    int64_t row_rank = 0;
    for (const auto& request : batch.requests) {
        rows += source_shape(*request, source)[0];
        row_rank = static_cast<int64_t>(source_shape(*request, source).rank()) - 1;
    }
    switch (kind) {
        case BatchInputKind::kElementCount:
        case BatchInputKind::kAccumulatedElementCount:
            return {requests};
        case BatchInputKind::kAccumulatedElementCountWithZero:
            return {requests + 1};
        case BatchInputKind::kMaxElementCountAsShape:
            return {max_count(batch, source)};
        case BatchInputKind::kItemShape:
            return {rows, row_rank};
        case BatchInputKind::kItemShapeFlatten:
            return {rows * row_rank};
    }
    return {};
}

std::vector<int64_t> batch_input_values(BatchInputKind kind, const Batch& batch, size_t source) {
    switch (kind) {
        case BatchInputKind::kElementCount:
            return counts(batch, source, false);
        case BatchInputKind::kAccumulatedElementCount:
            return counts(batch, source, true);
        case BatchInputKind::kAccumulatedElementCountWithZero: {
            std::vector<int64_t> values = counts(batch, source, true);
            values.insert(values.begin(), 0);
            return values;
        }
        case BatchInputKind::kMaxElementCountAsShape:
            return {};
        case BatchInputKind::kItemShape:
        case BatchInputKind::kItemShapeFlatten:
            return item_shapes(batch, source);
    }
    return {};
}

Status add_batch_inputs(std::span<const BatchInputSpec> specs, Batch& batch, BlockPool& pool) {
    for (const BatchInputSpec& spec : specs) {
        TRITONPY_ASSIGN_OR_RETURN(Tensor tensor, make_batch_input(spec, batch, pool));
        for (const std::string& name : spec.target_names) {
            batch.inputs.push_back(tensor);
            batch.inputs.back().name = name;
        }
    }
    return Status();
}

}  // namespace tritonpy
