// When a request passed each station of its journey.
//
// Statistics are made from these; each is written by the thread that has the request at that time.
//
// Threads: compatible. Times are Clock nanoseconds; 0 means not reached.
#pragma once

#include <cstdint>

namespace tritonpy {

struct RequestTrace {
    int64_t request_start_ns = 0;         // infer() took the request
    int64_t queue_start_ns = 0;           // it entered the model's queue
    int64_t compute_start_ns = 0;         // an instance took it
    int64_t compute_input_end_ns = 0;     // its inputs are where the executor wants them
    int64_t compute_output_start_ns = 0;  // the executor is done
    int64_t compute_end_ns = 0;           // its outputs are its own
};

}  // namespace tritonpy
