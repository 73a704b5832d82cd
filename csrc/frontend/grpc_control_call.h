// A call that the control plane answers, handed over message by message.
//
// An answer of the control plane is taken as the answer to its oldest message: none of the calls
// it serves answers several messages with one. So what it has not answered is bounded, whatever
// the client sends.
//
// Threads: confined(io). Borrows: the call.
// Limits: limits::kControlMessagesInFlight messages at the control plane; one answer above
// kMaxUnwritten, since each must be taken before the next one comes.
#pragma once

#include <memory>

#include "frontend/grpc_call.h"
#include "wire/http2_headers.h"

namespace tritonpy {

// Starts the call at the control plane. Errors as ControlCalls::start.
Result<std::unique_ptr<GrpcMethod>> make_grpc_control_call(GrpcCall& call,
                                                           const Http2Headers& headers);

}  // namespace tritonpy
