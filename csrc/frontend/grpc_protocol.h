// V2 over gRPC on one HTTP/2 connection.
//
// Unary infer, ModelStreamInfer, live and ready are answered here; every other call goes to the
// control plane, message by message. Flow control, deadlines, cancellation, compression,
// keepalive pings and the connection's age are as gRPC specifies and Triton's options say.
//
// Threads: confined(io). Borrows: the context, the connection.
#pragma once

#include <memory>

#include "frontend/connection.h"
#include "frontend/io_context.h"

namespace tritonpy {

std::unique_ptr<Protocol> make_grpc_protocol(IoContext& context, Connection& connection);

}  // namespace tritonpy
