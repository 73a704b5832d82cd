// An output as it goes onto the wire: the tensor that the model made, or its classes when the
// request asked for classification.
//
// Threads: compatible. Owns: the classes. Borrows: the response.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "infer/response.h"
#include "wire/classification.h"
#include "wire/encoded_body.h"

namespace tritonpy {

class WireOutput {
  public:
    // `tensor` is one of the response's. Fails as classify does.
    static Result<WireOutput> make(const Tensor& tensor, const InferenceResponse& response);

    const std::string& name() const { return tensor_->name; }
    DataType data_type() const { return classes_ ? DataType::kBytes : tensor_->data_type; }
    std::span<const int64_t> dims() const {
        return classes_ ? classes_->shape.dims() : tensor_->shape.dims();
    }
    std::span<const std::byte> data() const {
        return classes_ ? std::as_bytes(std::span(classes_->data)) : tensor_->data;
    }
    // Whether V2 JSON sends it behind the JSON.
    bool binary_data(bool by_default) const {
        return requested_ != nullptr ? requested_->binary_data.value_or(by_default) : by_default;
    }

    // Appends the data: classes move into the body, tensors are borrowed.
    void append_data(EncodedBody& body) &&;

  private:
    WireOutput(const Tensor& tensor, const RequestedOutput* requested)
        : tensor_(&tensor), requested_(requested) {}

    const Tensor* tensor_;
    const RequestedOutput* requested_;  // null: the client did not name it
    std::optional<Classes> classes_;
};

}  // namespace tritonpy
