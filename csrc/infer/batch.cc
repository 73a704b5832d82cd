#include "infer/batch.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "base/check.h"
#include "base/result.h"
#include "tensor/bytes_tensor.h"

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

// Hands out an output's bytes from the front, some rows at a time.
class RowSlicer {
  public:
    // `rows`: how many rows the whole output has.
    RowSlicer(const Batch& batch, const Tensor& output, int64_t rows)
        : batch_(batch), output_(output), rows_(rows), rest_(output.data) {}

    // Whether the output can be sliced at all. Comes before everything else.
    Status open(bool batching) {
        const Shape& shape = output_.shape;
        if (batching && (shape.rank() == 0 || shape[0] != rows_)) {
            return fault("expected first dimension " + std::to_string(rows_) +
                         ", the rows of its batch, but got shape " + shape.to_string());
        }
        std::optional<int64_t> elements = shape.element_count();
        if (!elements) {
            return fault("expected a shape without negative dimensions whose product fits 64 "
                         "bits, but got shape " + shape.to_string());
        }
        elements_per_row_ = rows_ > 0 ? *elements / rows_ : 0;
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
        bytes_per_row_ = rows_ > 0 ? *bytes / static_cast<size_t>(rows_) : 0;
        return Status();
    }

    // The bytes of the next `rows` rows.
    Result<std::span<const std::byte>> take(int64_t rows) {
        TRITONPY_CHECK(rows <= rows_ - taken_rows_);
        taken_rows_ += rows;
        size_t bytes = bytes_per_row_ * static_cast<size_t>(rows);
        if (output_.data_type == DataType::kBytes) {
            int64_t wanted = elements_per_row_ * rows;
            BytesScan scan = scan_bytes(rest_, wanted);
            taken_elements_ += scan.element_count;
            if (scan.element_count != wanted) {
                bool at_end = scan.fault == BytesFault::kNone;
                return element_fault(std::to_string(taken_elements_) +
                                     (at_end ? "" : " and then an incomplete one"));
            }
            bytes = scan.consumed_bytes;
        }
        std::span<const std::byte> slice = rest_.first(bytes);
        rest_ = rest_.subspan(bytes);
        return slice;
    }

    // Comes after the last row was taken.
    Status close() const {
        return rest_.empty() ? Status() : element_fault("more");
    }

  private:
    Status fault(const std::string& what) const {
        return internal_error("unexpected output '" + output_.name + "' of model '" +
                              batch_.requests.front()->model_name + "': " + what);
    }

    Status element_fault(const std::string& came) const {
        return fault("expected " + std::to_string(output_.shape.element_count().value_or(0)) +
                     " string elements for shape " + output_.shape.to_string() + ", but got " +
                     came);
    }

    const Batch& batch_;
    const Tensor& output_;
    const int64_t rows_;
    std::span<const std::byte> rest_;
    int64_t taken_rows_ = 0;
    int64_t taken_elements_ = 0;    // BYTES only
    int64_t elements_per_row_ = 0;  // BYTES only
    size_t bytes_per_row_ = 0;      // other types only
};

Status scatter_output(const Batch& batch, bool batching, const Tensor& output,
                      std::vector<std::vector<Tensor>>& outputs_of_request) {
    RowSlicer slicer(batch, output, batching ? batch.rows : 1);
    TRITONPY_RETURN_IF_ERROR(slicer.open(batching));
    for (size_t index = 0; index < batch.requests.size(); ++index) {
        const InferenceRequest& request = *batch.requests[index];
        TRITONPY_ASSIGN_OR_RETURN(std::span<const std::byte> slice,
                                  slicer.take(batching ? request.rows : 1));
        if (!wants(request, output.name)) {
            continue;
        }
        Tensor& part = outputs_of_request[index].emplace_back(output);
        part.data = slice;
        if (batching) {
            part.shape.set(0, request.rows);
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
        return left.data_type == right.data_type && have_equal_rows(left.shape, right.shape) &&
               left.name == right.name;
    });
}

Status gather_inputs(Batch& batch, BlockPool& pool) {
    TRITONPY_CHECK(!batch.requests.empty());
    const std::vector<Tensor>& first = batch.requests.front()->inputs;
    batch.inputs = first;
    if (batch.requests.size() == 1) {
        return Status();
    }
    for (size_t index = 0; index < first.size(); ++index) {
        Result<BufferRef> buffer = concatenate(batch, index, pool);
        if (!buffer.ok()) {
            return Status(buffer.status().code(),
                          "unable to gather input '" + first[index].name + "' of " +
                              std::to_string(batch.requests.size()) + " requests to model '" +
                              batch.requests.front()->model_name +
                              "': " + std::string(buffer.status().message()));
        }
        Tensor& input = batch.inputs[index];
        input.buffer = std::move(buffer).value();
        input.data = {input.buffer->data(), input.buffer->size()};
        TRITONPY_CHECK(input.shape.rank() > 0);
        input.shape.set(0, batch.rows);
    }
    return Status();
}

Status scatter_outputs(Batch& batch, bool batching,
                       std::vector<std::vector<Tensor>>& outputs_of_request) {
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
        TRITONPY_RETURN_IF_ERROR(scatter_output(batch, batching, output, outputs_of_request));
    }
    return Status();
}

}  // namespace tritonpy
