// ModelInfer: one request, one response.
//
// Threads: confined(io). Borrows: the call.
#pragma once

#include <memory>

#include "frontend/client_headers.h"
#include "frontend/grpc_call.h"

namespace tritonpy {

std::unique_ptr<GrpcMethod> make_grpc_unary_infer(GrpcCall& call, ClientHeaders headers);

// What a client of either inference call hears of an error: one of a server that stops has a text
// of its own.
Status visible_infer_error(const GrpcLink& link, const Status& error);

}  // namespace tritonpy
