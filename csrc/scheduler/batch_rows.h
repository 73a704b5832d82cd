// What a request takes of a batch: one without rows counts as one.
//
// Threads: compatible; a function only.
#pragma once

#include <algorithm>
#include <cstdint>

#include "infer/request.h"

namespace tritonpy {

inline int64_t rows_of(const InferenceRequest& request) {
    return std::max<int64_t>(request.rows, 1);
}

}  // namespace tritonpy
