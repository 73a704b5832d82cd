// An encoded answer as one gRPC message in a queue.
//
// Threads: compatible; a function.
#pragma once

#include <memory>

#include "infer/response.h"
#include "wire/content_coding.h"
#include "wire/encoded_body.h"
#include "wire/out_queue.h"

namespace tritonpy {

// Appends the prefix and the body, in the coding when that makes it smaller. Small bodies are
// copied, so that `response` (which may be null), from which the body may borrow, goes at once;
// large pieces are borrowed, and then response and body live until the last of them was written.
void append_grpc_message(EncodedBody body, std::unique_ptr<InferenceResponse> response,
                         ContentCoding coding, int level, OutQueue& out);

}  // namespace tritonpy
