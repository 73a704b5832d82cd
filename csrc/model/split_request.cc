#include "model/split_request.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/result.h"
#include "infer/derived_request.h"
#include "tensor/bytes_tensor.h"

namespace tritonpy {

namespace {

size_t count_parts(const ModelIdentity& model, const InferenceRequest& whole) {
    return static_cast<size_t>((whole.rows - 1) / model.max_batch_size + 1);
}

Status fault(const ModelIdentity& model, const Tensor& output, const std::string& what) {
    return internal_error("unexpected output '" + output.name + "' of model '" + model.name +
                          "': " + what);
}

// Whether two parts of one output go together.
bool fit_together(const Tensor& a, const Tensor& b) {
    return a.name == b.name && a.data_type == b.data_type && a.shape.rank() == b.shape.rank() &&
           a.shape.rank() > 0 && std::ranges::equal(a.shape.row_dims(), b.shape.row_dims());
}

}  // namespace

std::shared_ptr<SplitRequest> SplitRequest::create(std::shared_ptr<const ModelIdentity> model,
                                                   BlockPool& pool,
                                                   std::unique_ptr<InferenceRequest> whole) {
    auto split = std::make_shared<SplitRequest>(std::move(model), pool, std::move(whole));
    split->self_ = split;
    return split;
}

SplitRequest::SplitRequest(std::shared_ptr<const ModelIdentity> model, BlockPool& pool,
                           std::unique_ptr<InferenceRequest> whole)
    : model_(std::move(model)),
      pool_(pool),
      count_(count_parts(*model_, *whole)),
      rows_left_(whole->rows),
      whole_(std::move(whole)),
      waiting_(count_),
      outputs_(count_) {
    for (const Tensor& input : whole_->inputs) {
        cursors_.push_back({input.data, input.shape.element_count().value_or(0) / rows_left_});
    }
    if (whole_->cancellation == nullptr) {
        whole_->cancellation = std::make_shared<Cancellation>();
    }
}

// ---- the parts

std::unique_ptr<InferenceRequest> SplitRequest::next_part() {
    if (rows_left_ == 0) {
        return nullptr;
    }
    std::unique_ptr<InferenceRequest> part = derived_request(*whole_);
    part->model_name = whole_->model_name;
    part->model_version = whole_->model_version;
    part->outputs = whole_->outputs;
    part->trace = whole_->trace;
    part->rows = std::min<int64_t>(rows_left_, model_->max_batch_size);
    for (size_t index = 0; index < whole_->inputs.size(); ++index) {
        part->inputs.push_back(next_rows(whole_->inputs[index], cursors_[index], part->rows));
    }
    part->sink = this;
    part->tag = made_++;
    rows_left_ -= part->rows;
    return part;
}

Tensor SplitRequest::next_rows(const Tensor& input, Cursor& cursor, int64_t rows) const {
    const int64_t elements = cursor.elements_per_row * rows;
    const size_t bytes = input.data_type == DataType::kBytes
                             ? scan_bytes(cursor.rest, elements).consumed_bytes
                             : size_of(input.data_type) * static_cast<size_t>(elements);
    Tensor part = input;
    part.shape.set(0, rows);
    part.data = cursor.rest.first(bytes);
    cursor.rest = cursor.rest.subspan(bytes);
    return part;
}

void SplitRequest::refuse_rest(const Status& status) {
    std::unique_lock lock(mutex_);
    waiting_ -= count_ - (made_ - 1);
    rows_left_ = 0;
    note(status);
    answer_if_complete(lock);
}

std::unique_ptr<InferenceRequest> SplitRequest::give_back() {
    self_.reset();  // the caller holds another
    return std::move(whole_);
}

// ---- their answers

void SplitRequest::deliver(std::unique_ptr<InferenceResponse> response) {
    TRITONPY_CHECK(response->final);  // configuration refuses decoupled models
    const auto index = static_cast<size_t>(response->tag);
    response->request.reset();  // before the whole goes home
    std::unique_lock lock(mutex_);
    note(response->status);
    outputs_[index] = std::move(response->outputs);
    if (index == 0) {
        parameters_ = std::move(response->parameters);
    }
    --waiting_;
    answer_if_complete(lock);
}

void SplitRequest::note(const Status& status) {
    if (!status.ok() && (status_.ok() || status_.code() == StatusCode::kCancelled)) {
        status_ = status;
    }
    if (!status_.ok() && whole_ != nullptr) {
        whole_->cancellation->requested.store(true, std::memory_order_relaxed);
    }
}

void SplitRequest::answer_if_complete(std::unique_lock<std::mutex>& lock) {
    if (waiting_ > 0) {
        return;
    }
    const std::shared_ptr<SplitRequest> self = std::move(self_);
    auto response = joined();
    lock.unlock();
    ResponseSink& sink = *response->request->sink;
    sink.deliver(std::move(response));
}

std::unique_ptr<InferenceResponse> SplitRequest::joined() {
    auto response = std::make_unique<InferenceResponse>();
    response->model = model_;
    response->status = status_.ok() ? join(response->outputs) : status_;
    if (response->status.ok()) {
        response->parameters = std::move(parameters_);
    } else {
        response->outputs.clear();
    }
    outputs_.clear();
    response->tag = whole_->tag;
    response->request = std::move(whole_);
    return response;
}

Status SplitRequest::join(std::vector<Tensor>& outputs) {
    for (size_t place = 0; place < outputs_.front().size(); ++place) {
        const Tensor& first = outputs_.front()[place];
        Tensor& output = outputs.emplace_back(first);
        size_t bytes = 0;
        int64_t rows = 0;
        for (const std::vector<Tensor>& part : outputs_) {
            if (part.size() != outputs_.front().size() || !fit_together(first, part[place])) {
                return fault(*model_, first, "the parts of a request that was split have other "
                                             "outputs or shapes than " + first.shape.to_string());
            }
            rows += part[place].shape[0];
            bytes += part[place].data.size();
        }
        Result<BufferRef> block = pool_.allocate(bytes);
        if (!block.ok()) {
            return Status(block.status().code(),
                          "unable to join output '" + output.name + "' of model '" + model_->name +
                              "': " + std::string(block.status().message()));
        }
        output.shape.set(0, rows);
        output.buffer = std::move(block).value();
        output.data = {output.buffer->data(), bytes};
        std::byte* to = output.buffer->data();
        for (const std::vector<Tensor>& part : outputs_) {
            const std::span<const std::byte> from = part[place].data;
            if (!from.empty()) {
                std::memcpy(to, from.data(), from.size());
                to += from.size();
            }
        }
    }
    return Status();
}

}  // namespace tritonpy
