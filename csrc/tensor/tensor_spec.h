// What a model says about one of its inputs or outputs.
//
// Threads: immutable once built.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tensor/data_type.h"
#include "tensor/shape.h"

namespace tritonpy {

struct TensorSpec {
    std::string name;
    DataType data_type = DataType::kInvalid;
    // As clients see it, without the batch dimension; -1 is a variable dimension.
    Shape dims;
    // As the backend sees it, when the config says `reshape`; same element count as dims.
    std::optional<Shape> reshape;
    bool optional = false;  // inputs only: a request may leave it out
    bool ragged = false;    // inputs only: see Tensor::ragged
    // Outputs only: the input whose shape says what part of a batch's output is a request's, each
    // variable dimension being as long as the same dimension there; empty: rows say it.
    std::string scatter_source;
    // Outputs only: labels of the classification extension by element index; may be empty.
    std::vector<std::string> labels;

    // The shape that the backend sees.
    const Shape& backend_dims() const { return reshape ? *reshape : dims; }
};

}  // namespace tritonpy
