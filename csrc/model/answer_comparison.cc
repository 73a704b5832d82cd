#include "model/answer_comparison.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>

namespace tritonpy {

namespace {

// The 16 bits of half and brain floats.
struct Half {
    uint16_t bits;
};
struct Brain {
    uint16_t bits;
};

template <typename T>
double number_of(T value) {
    return static_cast<double>(value);
}

double number_of(Brain value) {
    return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16);
}

double number_of(Half value) {
    const int exponent = (value.bits >> 10) & 0x1F;
    const double fraction = value.bits & 0x3FF;
    double magnitude = 0;
    if (exponent == 0) {
        magnitude = std::ldexp(fraction, -24);
    } else if (exponent == 0x1F) {
        magnitude = fraction == 0 ? HUGE_VAL : NAN;
    } else {
        magnitude = std::ldexp(1024 + fraction, exponent - 25);
    }
    return (value.bits & 0x8000) != 0 ? -magnitude : magnitude;
}

void compare(double first, double second, const Tolerance& tolerance, AnswerComparison& result) {
    if (first == second || (std::isnan(first) && std::isnan(second))) {
        return;
    }
    const double difference = std::abs(first - second);
    if (std::isfinite(difference)) {
        result.max_difference = std::max(result.max_difference, difference);
    }
    // Not `>`, which is false for a NaN.
    if (!(difference <= tolerance.absolute + tolerance.relative * std::abs(first))) {
        result.equal = false;
    }
}

template <typename T>
void compare_all(const Tensor& first, const Tensor& second, const Tolerance& tolerance,
                 AnswerComparison& result) {
    for (size_t at = 0; at + sizeof(T) <= first.data.size(); at += sizeof(T)) {
        T left;
        T right;
        std::memcpy(&left, first.data.data() + at, sizeof(T));
        std::memcpy(&right, second.data.data() + at, sizeof(T));
        compare(number_of(left), number_of(right), tolerance, result);
    }
}

// REQUIRES: the same type and size, other bytes.
void compare_elements(const Tensor& first, const Tensor& second, const Tolerance& tolerance,
                      AnswerComparison& result) {
    switch (first.data_type) {
        case DataType::kUint8:
            return compare_all<uint8_t>(first, second, tolerance, result);
        case DataType::kUint16:
            return compare_all<uint16_t>(first, second, tolerance, result);
        case DataType::kUint32:
            return compare_all<uint32_t>(first, second, tolerance, result);
        case DataType::kUint64:
            return compare_all<uint64_t>(first, second, tolerance, result);
        case DataType::kInt8:
            return compare_all<int8_t>(first, second, tolerance, result);
        case DataType::kInt16:
            return compare_all<int16_t>(first, second, tolerance, result);
        case DataType::kInt32:
            return compare_all<int32_t>(first, second, tolerance, result);
        case DataType::kInt64:
            return compare_all<int64_t>(first, second, tolerance, result);
        case DataType::kFp16:
            return compare_all<Half>(first, second, tolerance, result);
        case DataType::kBf16:
            return compare_all<Brain>(first, second, tolerance, result);
        case DataType::kFp32:
            return compare_all<float>(first, second, tolerance, result);
        case DataType::kFp64:
            return compare_all<double>(first, second, tolerance, result);
        default:
            result.equal = false;  // other bytes are another value
    }
}

}  // namespace

AnswerComparison compare_answers(const std::vector<Tensor>& first,
                                 const std::vector<Tensor>& second,
                                 const Tolerance& tolerance) {
    AnswerComparison result;
    result.equal = first.size() == second.size();
    for (const Tensor& tensor : first) {
        const auto other = std::ranges::find(second, tensor.name, &Tensor::name);
        if (other == second.end() || other->data_type != tensor.data_type ||
            !(other->shape == tensor.shape)) {
            result.equal = false;
        } else if (!std::ranges::equal(tensor.data, other->data)) {
            if (tensor.data.size() == other->data.size()) {
                compare_elements(tensor, *other, tolerance, result);
            } else {
                result.equal = false;
            }
        }
    }
    return result;
}

}  // namespace tritonpy
