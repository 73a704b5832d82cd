#include "infer/batch.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "base/check.h"
#include "base/result.h"
#include "tensor/bytes_tensor.h"
#include "tensor/reshape.h"

namespace tritonpy {

namespace {

bool wants(const InferenceRequest& request, std::string_view name) {
    return request.outputs.empty() ||
           std::ranges::any_of(request.outputs, [name](const RequestedOutput& output) {
               return output.name == name;
           });
}

bool have_equal_rows(const Shape& a, const Shape& b) {
    if (a.rank() != b.rank()) {
        return false;
    }
    return a.rank() == 0 || std::ranges::equal(a.row_dims(), b.row_dims());
}

// Elements of input `index` in the whole batch. They cannot overflow: all are there.
int64_t count_elements(const Batch& batch, size_t index) {
    int64_t elements = 0;
    for (const auto& request : batch.requests) {
        elements += request->inputs[index].shape.element_count().value_or(0);
    }
    return elements;
}

// Input `index` of every request, one after the other in one block.
Result<BufferRef> concatenate(const Batch& batch, size_t index, BlockPool& pool) {
    size_t bytes = 0;
    for (const auto& request : batch.requests) {
        TRITONPY_CHECK(request->inputs.size() == batch.requests.front()->inputs.size());
        if (__builtin_add_overflow(bytes, request->inputs[index].data.size(), &bytes)) {
            return unavailable("their sizes add up to more than the address space");
        }
    }
    TRITONPY_ASSIGN_OR_RETURN(BufferRef buffer, pool.allocate(bytes));
    std::byte* to = buffer->data();
    for (const auto& request : batch.requests) {
        std::span<const std::byte> from = request->inputs[index].data;
        if (!from.empty()) {
            std::memcpy(to, from.data(), from.size());
            to += from.size();
        }
    }
    return buffer;
}

// Hands out an output's bytes from the front, some elements at a time.
class OutputSlicer {
  public:
    OutputSlicer(const Batch& batch, const Tensor& output)
        : batch_(batch), output_(output), rest_(output.data) {}

    // Whether the output can be sliced at all. Comes before everything else.
    Status open() {
        const Shape& shape = output_.shape;
        std::optional<int64_t> elements = shape.element_count();
        if (!elements) {
            return fault("expected a shape without negative dimensions whose product fits 64 "
                         "bits, but got shape " + shape.to_string());
        }
        elements_ = *elements;
        if (output_.data_type == DataType::kBytes) {
            return Status();
        }
        std::optional<size_t> bytes = byte_size(output_.data_type, shape.dims());
        if (!bytes || *bytes != rest_.size()) {
            return fault("expected " + (bytes ? std::to_string(*bytes) : "countless") +
                         " bytes for shape " + shape.to_string() + " and datatype " +
                         std::string(wire_name(output_.data_type)) + ", but got " +
                         std::to_string(rest_.size()));
        }
        return Status();
    }

    // Elements of the whole output.
    int64_t elements() const { return elements_; }

    // The bytes of the next `count` elements.
    Result<std::span<const std::byte>> take(int64_t count) {
        TRITONPY_CHECK(count <= elements_ - taken_);
        size_t bytes = size_of(output_.data_type) * static_cast<size_t>(count);
        if (output_.data_type == DataType::kBytes) {
            BytesScan scan = scan_bytes(rest_, count);
            if (scan.element_count != count) {
                bool at_end = scan.fault == BytesFault::kNone;
                return element_fault(std::to_string(taken_ + scan.element_count) +
                                     (at_end ? "" : " and then an incomplete one"));
            }
            bytes = scan.consumed_bytes;
        }
        taken_ += count;
        std::span<const std::byte> slice = rest_.first(bytes);
        rest_ = rest_.subspan(bytes);
        return slice;
    }

    // Comes after the last element was taken.
    Status close() const { return rest_.empty() ? Status() : element_fault("more"); }

    Status fault(const std::string& what) const {
        return internal_error("unexpected output '" + output_.name + "' of model '" +
                              batch_.requests.front()->model_name + "': " + what);
    }

  private:
    Status element_fault(const std::string& came) const {
        return fault("expected " + std::to_string(elements_) + " string elements for shape " +
                     output_.shape.to_string() + ", but got " + came);
    }

    const Batch& batch_;
    const Tensor& output_;
    std::span<const std::byte> rest_;
    int64_t elements_ = 0;
    int64_t taken_ = 0;
};

// Appends the rows of each request to `parts_of(index)`, where that is not null.
template <typename PartsOf>
Status scatter_rows(const Batch& batch, bool batching, const Tensor& output, PartsOf parts_of) {
    const Shape& shape = output.shape;
    OutputSlicer slicer(batch, output);
    if (batching && (shape.rank() == 0 || shape[0] != batch.rows)) {
        return slicer.fault("expected first dimension " + std::to_string(batch.rows) +
                            ", the rows of its batch, but got shape " + shape.to_string());
    }
    TRITONPY_RETURN_IF_ERROR(slicer.open());
    const int64_t rows = batching ? batch.rows : 1;
    const int64_t elements_per_row = rows > 0 ? slicer.elements() / rows : 0;
    for (size_t index = 0; index < batch.requests.size(); ++index) {
        const InferenceRequest& request = *batch.requests[index];
        TRITONPY_ASSIGN_OR_RETURN(
            std::span<const std::byte> slice,
            slicer.take(elements_per_row * (batching ? request.rows : 1)));
        std::vector<Tensor>* parts = parts_of(index);
        if (parts == nullptr) {
            continue;
        }
        Tensor& part = parts->emplace_back(output);
        part.data = slice;
        if (batching) {
            part.shape.set(0, request.rows);
        }
    }
    return slicer.close();
}

// What a request gets of an output with a scatter source, which has the shape `source` in it.
Shape part_shape(const TensorSpec& spec, bool batching, const Shape& source) {
    Shape shape;
    if (batching) {
        shape.append(source[0]);
    }
    for (int64_t dim : spec.backend_dims().dims()) {
        TRITONPY_CHECK(dim != -1 || shape.rank() < source.rank());  // configuration sees to it
        shape.append(dim == -1 ? source[shape.rank()] : dim);
    }
    return shape;
}

Status scatter_by_source(const Batch& batch, bool batching, const Tensor& output,
                         const TensorSpec& spec,
                         std::vector<std::vector<Tensor>>& outputs_of_request) {
    OutputSlicer slicer(batch, output);
    TRITONPY_RETURN_IF_ERROR(slicer.open());
    const std::optional<size_t> source = find_input(*batch.requests.front(), spec.scatter_source);
    if (!source) {
        return slicer.fault("input '" + spec.scatter_source +
                            "', whose shape says what is whose, is not in the batch");
    }
    int64_t expected = 0;
    bool countable = true;
    for (const auto& request : batch.requests) {
        const Shape part = part_shape(spec, batching, request->inputs[*source].shape);
        const std::optional<int64_t> elements = part.element_count();
        countable = countable && elements &&
                    !__builtin_add_overflow(expected, *elements, &expected);
    }
    if (!countable || expected != slicer.elements()) {
        return slicer.fault("expected " + (countable ? std::to_string(expected) : "countless") +
                            " elements, as input '" + spec.scatter_source +
                            "' of its batch has it, but got shape " + output.shape.to_string());
    }
    for (size_t index = 0; index < batch.requests.size(); ++index) {
        const InferenceRequest& request = *batch.requests[index];
        Shape shape = part_shape(spec, batching, request.inputs[*source].shape);
        TRITONPY_ASSIGN_OR_RETURN(std::span<const std::byte> slice,
                                  slicer.take(*shape.element_count()));
        if (wants(request, output.name)) {
            Tensor& part = outputs_of_request[index].emplace_back(output);
            part.data = slice;
            part.shape = spec.reshape ? reshaped(shape, batching ? 1 : 0, *spec.reshape, spec.dims)
                                      : std::move(shape);
        }
    }
    return slicer.close();
}

}  // namespace

void Batch::clear() {
    requests.clear();
    rows = 0;
    inputs.clear();
    outputs.clear();
    response_parameters = {};
}

bool Batch::wants_output(std::string_view name) const {
    return std::ranges::any_of(requests,
                               [name](const auto& request) { return wants(*request, name); });
}

bool may_share_batch(const InferenceRequest& a, const InferenceRequest& b) {
    return std::ranges::equal(a.inputs, b.inputs, [](const Tensor& left, const Tensor& right) {
        return left.data_type == right.data_type &&
               (left.ragged || have_equal_rows(left.shape, right.shape)) &&
               left.name == right.name;
    });
}

std::optional<size_t> find_input(const InferenceRequest& request, std::string_view name) {
    const auto found = std::ranges::find(request.inputs, name, &Tensor::name);
    if (found == request.inputs.end()) {
        return std::nullopt;
    }
    return static_cast<size_t>(found - request.inputs.begin());
}

Status unable_to_gather(const Batch& batch, const std::string& input, const Status& why) {
    return Status(why.code(), "unable to gather input '" + input + "' of " +
                                  std::to_string(batch.requests.size()) + " requests to model '" +
                                  batch.requests.front()->model_name +
                                  "': " + std::string(why.message()));
}

Status gather_inputs(Batch& batch, BlockPool& pool) {
    TRITONPY_CHECK(!batch.requests.empty());
    const bool is_alone = batch.requests.size() == 1;
    batch.inputs = batch.requests.front()->inputs;
    for (size_t index = 0; index < batch.inputs.size(); ++index) {
        Tensor& input = batch.inputs[index];
        if (!is_alone) {
            Result<BufferRef> buffer = concatenate(batch, index, pool);
            if (!buffer.ok()) {
                return unable_to_gather(batch, input.name, buffer.status());
            }
            input.buffer = std::move(buffer).value();
            input.data = {input.buffer->data(), input.buffer->size()};
        }
        if (input.ragged) {
            input.shape = {count_elements(batch, index)};
        } else if (!is_alone) {
            TRITONPY_CHECK(input.shape.rank() > 0);
            input.shape.set(0, batch.rows);
        }
    }
    return Status();
}

Status scatter_outputs(Batch& batch, bool batching,
                       std::vector<std::vector<Tensor>>& outputs_of_request,
                       std::span<const TensorSpec> specs) {
    TRITONPY_CHECK(batching || batch.requests.size() == 1);
    outputs_of_request.resize(batch.requests.size());
    for (std::vector<Tensor>& outputs : outputs_of_request) {
        outputs.clear();
        outputs.reserve(batch.outputs.size());
    }
    for (const Tensor& output : batch.outputs) {
        if (!batch.wants_output(output.name)) {
            continue;  // not worth an error either
        }
        const auto spec = std::ranges::find(specs, output.name, &TensorSpec::name);
        const bool has_source = spec != specs.end() && !spec->scatter_source.empty();
        const auto parts_of = [&](size_t index) {
            const bool wanted = wants(*batch.requests[index], output.name);
            return wanted ? &outputs_of_request[index] : nullptr;
        };
        TRITONPY_RETURN_IF_ERROR(
            has_source ? scatter_by_source(batch, batching, output, *spec, outputs_of_request)
                       : scatter_rows(batch, batching, output, parts_of));
    }
    return Status();
}

Status scatter_one(const Batch& batch, bool batching, const Tensor& output,
                   std::vector<Tensor>& parts) {
    return scatter_rows(batch, batching, output, [&](size_t) { return &parts; });
}

}  // namespace tritonpy
