// The classification extension: an output's largest values as text instead of the tensor.
//
// Each becomes "<value>:<index>" or "<value>:<index>:<label>", the value as std::to_string prints
// it. Equal values come in index order, NaN after all numbers, so that the answer is always the
// same.
//
// Threads: compatible; a pure function.
// Limits: limits::kMaxClassificationElements elements in one batch row.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "infer/model_identity.h"
#include "tensor/tensor.h"

namespace tritonpy {

// A BYTES tensor made by the encoder.
struct Classes {
    Shape shape;       // [rows, min(count, elements)]; without the first for models without batches
    std::string data;  // the V2 serialisation
};

// The `count` largest elements of each batch row of `output`, which `model` made; count is cut to
// what a row has. invalid_arg for types without an order and for rows beyond the limit; internal
// when the data is not what the shape says.
Result<Classes> classify(const Tensor& output, uint32_t count, const ModelIdentity& model);

}  // namespace tritonpy
