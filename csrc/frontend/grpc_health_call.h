// ServerLive, ServerReady and ModelReady: whether somebody would be answered.
//
// Threads: confined(io). Borrows: the call.
#pragma once

#include <memory>

#include "frontend/grpc_call.h"
#include "wire/v2_route.h"

namespace tritonpy {

// REQUIRES: one of the three operations.
std::unique_ptr<GrpcMethod> make_grpc_health_call(GrpcCall& call, V2Operation operation);

}  // namespace tritonpy
