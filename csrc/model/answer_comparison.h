// Whether two versions of a model gave the same answer: the pure half of shadow traffic.
//
// Answers are the same when they have the same outputs, by name, type and shape, and every element
// of the second is within `atol + rtol * |first|` of the first. Integers that 53 bits do not hold
// are compared as what they are closest to; BYTES and BOOL must be equal.
//
// Threads: compatible; pure functions.
#pragma once

#include <vector>

#include "tensor/tensor.h"

namespace tritonpy {

struct Tolerance {
    double relative = 0;
    double absolute = 0;
};

struct AnswerComparison {
    bool equal = true;
    double max_difference = 0;  // of numbers that can be compared
};

// A NaN is like a NaN, and like nothing else.
AnswerComparison compare_answers(const std::vector<Tensor>& first,
                                 const std::vector<Tensor>& second, const Tolerance& tolerance);

}  // namespace tritonpy
