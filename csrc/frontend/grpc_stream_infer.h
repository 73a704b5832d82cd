// ModelStreamInfer: many requests at once, their answers on one stream.
//
// Answers of models that give one response keep the order of their requests; those of decoupled
// models go out as they come. A request that fails is answered in the stream with its id, unless
// the client asked that the first error ends the stream. When the client has said its last, the
// stream ends with the last answer. Every request has the headers that the stream began with.
//
// Threads: confined(io). Borrows: the call.
// Limits: limits::kStreamRequestsInFlight; kMaxUnwritten bytes of answers, above which no further
// requests are taken.
#pragma once

#include <memory>

#include "frontend/client_headers.h"
#include "frontend/grpc_call.h"

namespace tritonpy {

std::unique_ptr<GrpcMethod> make_grpc_stream_infer(GrpcCall& call, ClientHeaders headers,
                                                   bool errors_end_stream);

}  // namespace tritonpy
