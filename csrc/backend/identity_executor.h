// The identity backend: every INPUT<i> comes back as OUTPUT<i>, of any type and shape.
//
// It is what schedulers and front ends are tried and measured with, so it costs nothing itself: an
// output shares its input's bytes. On request it is slow (parameters `creation_delay_sec`,
// `execute_delay_ms`, `instance_wise_delay_multiplier`): then it sleeps, which is a feature.
// Every response carries the parameters param0 (string), param1 (int64), param2 (bool) and param3
// (double).
//
// Threads: an executor is confined(instance), the factory confined(loader).
#pragma once

#include <cstdint>
#include <memory>

#include "backend/executor.h"

namespace tritonpy {

// The delays that a model's parameters ask for.
struct IdentityDelays {
    uint64_t creation_sec = 0;
    uint64_t execute_ms = 0;
    uint64_t instance_wise_multiplier = 0;

    // Milliseconds that one execution of the instance created as number `index` (from 0) takes:
    // `execute_ms`, times multiplier and index where neither is 0; held at the largest int64.
    int64_t execute_ms_of(uint64_t index) const;
};

// A factory of identity executors. invalid_arg when a parameter is no number, or when inputs and
// outputs are not pairs INPUT<i>, OUTPUT<i> of one type and shape; the text names the tensor.
Result<std::unique_ptr<ExecutorFactory>> make_identity_factory(const ExecutorConfig& config);

}  // namespace tritonpy
