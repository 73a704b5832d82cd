// What the calls of one gRPC connection share.
//
// Threads: confined(io). Borrows: everything but the budget, which requests in the core share.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "frontend/connection.h"
#include "frontend/frontend_options.h"
#include "frontend/grpc_budget.h"
#include "frontend/io_context.h"
#include "wire/http2_session.h"
#include "wire/out_queue.h"

namespace tritonpy {

class GrpcCall;

struct GrpcLink {
    IoContext& context;
    const GrpcListenerOptions& options;
    Connection& connection;
    Http2Session& session;
    // Shared: a request may come home from the core after the connection has gone.
    std::shared_ptr<GrpcBudget> budget;
    OutQueue message;              // being framed; empty between calls of send
    size_t partial_messages = 0;   // calls whose client owes the rest of a message
    std::vector<GrpcCall*> calls;  // until their streams close
};

}  // namespace tritonpy
