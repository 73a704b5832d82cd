#include "infer/padding.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <span>
#include <utility>

#include "base/result.h"
#include "tensor/data_type.h"

namespace tritonpy {

namespace {

// How long a request is; check_lengths has seen that all inputs agree.
int64_t length_of(const PaddingSpec& spec, const InferenceRequest& request) {
    const size_t input = *find_input(request, spec.inputs.front().name);
    return request.inputs[input].shape[spec.axis];
}

int64_t longest_of(const PaddingSpec& spec, const Batch& batch) {
    int64_t longest = 0;
    for (const auto& request : batch.requests) {
        longest = std::max(longest, length_of(spec, *request));
    }
    return longest;
}

bool is_padded(const PaddingSpec& spec, const Batch& batch) {
    const int64_t first = length_of(spec, *batch.requests.front());
    return std::ranges::any_of(batch.requests, [&](const auto& request) {
        return length_of(spec, *request) != first;
    });
}

size_t product(std::span<const int64_t> dims) {
    return std::accumulate(dims.begin(), dims.end(), size_t{1}, [](size_t all, int64_t dim) {
        return all * static_cast<size_t>(dim);
    });
}

// A tensor seen as `runs` stretches of `length` units of `unit` bytes: what lies before the axis
// counts the stretches, what lies behind it is the unit.
struct Runs {
    Runs(const Tensor& tensor, size_t axis)
        : runs(product(tensor.shape.dims().first(axis))),
          unit(product(tensor.shape.dims().subspan(axis + 1)) * size_of(tensor.data_type)),
          length(static_cast<size_t>(tensor.shape[axis])) {}

    size_t runs;
    size_t unit;
    size_t length;
};

void copy(std::byte* to, const std::byte* from, size_t bytes) {
    if (bytes > 0) {
        std::memcpy(to, from, bytes);
    }
}

// Writes the tensor with every stretch `longest` units long; returns where it ends.
std::byte* write_padded(const Tensor& tensor, size_t axis, size_t longest,
                        const std::string& element, std::byte* to) {
    const Runs from(tensor, axis);
    const std::byte* source = tensor.data.data();
    for (size_t run = 0; run < from.runs; ++run) {
        copy(to, source, from.length * from.unit);
        source += from.length * from.unit;
        to += from.length * from.unit;
        std::byte* const end = to + (longest - from.length) * from.unit;
        for (; to != end; to += element.size()) {
            std::memcpy(to, element.data(), element.size());
        }
    }
    return to;
}

// Input `index` of every request in one block; `padded` is null for one that has no length.
Result<BufferRef> gather_one(const PaddingSpec& spec, const PaddedInput* padded,
                             const Batch& batch, size_t index, size_t longest, BlockPool& pool) {
    size_t bytes = 0;
    for (const auto& request : batch.requests) {
        const Tensor& input = request->inputs[index];
        size_t share = input.data.size();
        if (padded != nullptr) {
            const Runs runs(input, spec.axis);
            if (__builtin_mul_overflow(runs.runs, runs.unit, &share) ||
                __builtin_mul_overflow(share, longest, &share)) {
                return unavailable("padded they are larger than the address space");
            }
        }
        if (__builtin_add_overflow(bytes, share, &bytes)) {
            return unavailable("padded they are larger than the address space");
        }
    }
    TRITONPY_ASSIGN_OR_RETURN(BufferRef buffer, pool.allocate(bytes));
    std::byte* to = buffer->data();
    for (const auto& request : batch.requests) {
        const Tensor& input = request->inputs[index];
        if (padded != nullptr) {
            to = write_padded(input, spec.axis, longest, padded->element, to);
        } else {
            copy(to, input.data.data(), input.data.size());
            to += input.data.size();
        }
    }
    return buffer;
}

// Cuts every stretch of `output` back to `length` units.
Status cut(Tensor& output, size_t axis, size_t length, BlockPool& pool) {
    const Runs from(output, axis);
    const size_t kept = length * from.unit;
    output.shape.set(axis, static_cast<int64_t>(length));
    if (from.runs <= 1) {
        output.data = output.data.first(from.runs * kept);
        return Status();
    }
    Result<BufferRef> allocated = pool.allocate(from.runs * kept);
    if (!allocated.ok()) {
        return Status(allocated.status().code(), "unable to cut the padding from output '" +
                                                     output.name + "': " +
                                                     std::string(allocated.status().message()));
    }
    BufferRef buffer = std::move(allocated).value();
    for (size_t run = 0; run < from.runs; ++run) {
        copy(buffer->data() + run * kept, output.data.data() + run * from.length * from.unit,
             kept);
    }
    output.data = {buffer->data(), buffer->size()};
    output.buffer = std::move(buffer);
    return Status();
}

}  // namespace

Status check_lengths(const PaddingSpec& spec, const InferenceRequest& request) {
    const Tensor& first = request.inputs[*find_input(request, spec.inputs.front().name)];
    for (const PaddedInput& padded : spec.inputs) {
        const Tensor& input = request.inputs[*find_input(request, padded.name)];
        if (input.shape[spec.axis] != first.shape[spec.axis]) {
            return invalid_arg(request_prefix(request) + "inputs '" + first.name + "' and '" +
                               input.name + "' of model '" + request.model_name +
                               "' are padded together and must be equally long, but got shapes " +
                               first.shape.to_string() + " and " + input.shape.to_string());
        }
    }
    return Status();
}

Status gather_padded(const PaddingSpec& spec, Batch& batch, BlockPool& pool) {
    if (!is_padded(spec, batch)) {
        return gather_inputs(batch, pool);
    }
    const int64_t longest = longest_of(spec, batch);
    batch.inputs = batch.requests.front()->inputs;
    for (size_t index = 0; index < batch.inputs.size(); ++index) {
        Tensor& input = batch.inputs[index];
        const auto found = std::ranges::find(spec.inputs, input.name, &PaddedInput::name);
        const PaddedInput* padded = found == spec.inputs.end() ? nullptr : &*found;
        Result<BufferRef> buffer =
            gather_one(spec, padded, batch, index, static_cast<size_t>(longest), pool);
        if (!buffer.ok()) {
            return unable_to_gather(batch, input.name, buffer.status());
        }
        input.buffer = std::move(buffer).value();
        input.data = {input.buffer->data(), input.buffer->size()};
        input.shape.set(0, batch.rows);
        if (padded != nullptr) {
            input.shape.set(spec.axis, longest);
        }
    }
    return Status();
}

Status cut_padding(const PaddingSpec& spec, const Batch& batch,
                   std::vector<std::vector<Tensor>>& outputs_of_request, BlockPool& pool) {
    if (!is_padded(spec, batch)) {
        return Status();
    }
    const int64_t longest = longest_of(spec, batch);
    for (size_t index = 0; index < batch.requests.size(); ++index) {
        const int64_t length = length_of(spec, *batch.requests[index]);
        for (Tensor& output : outputs_of_request[index]) {
            if (std::ranges::find(spec.outputs, output.name) == spec.outputs.end()) {
                continue;
            }
            if (output.shape.rank() <= spec.axis || output.shape[spec.axis] != longest) {
                return internal_error(
                    "unexpected output '" + output.name + "' of model '" +
                    batch.requests.front()->model_name + "': expected dimension " +
                    std::to_string(spec.axis) + " to be " + std::to_string(longest) +
                    ", to which its batch is padded, but got shape " + output.shape.to_string());
            }
            if (length < longest) {
                TRITONPY_RETURN_IF_ERROR(
                    cut(output, spec.axis, static_cast<size_t>(length), pool));
            }
        }
    }
    return Status();
}

}  // namespace tritonpy
