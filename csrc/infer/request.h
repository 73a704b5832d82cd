// One inference request, from a front end's decoder to the response that takes it home.
//
// The object changes hands by moving its unique_ptr: front end -> queue -> instance -> final
// response -> front end, so its input buffers are released on the thread that received them.
//
// Threads: confined to whoever holds the unique_ptr; only `cancellation` is shared.
// Owns: references on its input buffers. Borrows: `sink`, which must outlive the final response.
// Limits: limits::kMaxTensorsPerRequest inputs and outputs, limits::kMaxParameters parameters.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "infer/parameter.h"
#include "infer/trace.h"
#include "tensor/tensor.h"

namespace tritonpy {

class ResponseSink;

// What a client calls a sequence of requests; 0 and "": none.
using CorrelationId = std::variant<uint64_t, std::string>;

// One output that the client named. When it named none, it gets all.
struct RequestedOutput {
    std::string name;
    uint32_t classification_count = 0;   // > 0: the top classes instead of the tensor
    std::optional<bool> binary_data;     // V2 JSON: how the data comes; unset: as the request says
};

// Set by the front end when its client has gone, read when the request is next looked at.
// Threads: thread-safe.
struct Cancellation {
    std::atomic<bool> requested{false};  // relaxed: late by one look is fine
};

// A header of the client's that a rollout decides by.
struct RequestHeader {
    std::string name;  // in lower case
    std::string value;
};

struct InferenceRequest {
    std::string model_name;
    int64_t model_version = -1;  // -1: the newest ready version
    std::string id;

    std::vector<Tensor> inputs;
    std::vector<RequestedOutput> outputs;
    std::vector<Parameter> parameters;  // custom parameters only
    std::vector<RequestHeader> headers;  // those that rollouts name, and no others
    bool binary_data_output = false;    // V2 JSON: the default of outputs that do not say

    uint64_t priority = 0;
    uint64_t timeout_us = 0;
    CorrelationId correlation_id = uint64_t{0};
    uint32_t flags = 0;  // kSequenceStart | kSequenceEnd

    static constexpr uint32_t kSequenceStart = 1;
    static constexpr uint32_t kSequenceEnd = 2;

    // Of sequence schedulers alone: the slot that it runs in, and what its execution left for the
    // next request of its sequence, by the states of the configuration.
    static constexpr size_t kNoSlot = SIZE_MAX;
    size_t sequence_slot = kNoSlot;
    std::vector<Tensor> next_states;
    // Fills an empty slot of a batch: it runs with the others, and is nobody's: never answered, not
    // counted, without a sink.
    bool is_null = false;

    // Rows along the batch dimension; set by the request check, 1 for models without one.
    int64_t rows = 1;
    // Its place in the order of responses; given and used by the scheduler alone.
    uint64_t order_ticket = 0;
    RequestTrace trace;
    // Whether it has had a response; for the histogram of first responses alone, which takes
    // requests as they are.
    mutable bool has_first_response = false;

    // Whom to answer, and how that one knows which request it was.
    ResponseSink* sink = nullptr;
    uint64_t tag = 0;
    // Null when the front end never cancels; shared because canceller and core race for its life.
    std::shared_ptr<Cancellation> cancellation;

    bool is_cancelled() const {
        return cancellation && cancellation->requested.load(std::memory_order_relaxed);
    }
};

// "[request id: 42] ", or "[request id: <id_unknown>] " for a request without an id: how Triton's
// messages about one request start.
std::string request_prefix(const InferenceRequest& request);

}  // namespace tritonpy
