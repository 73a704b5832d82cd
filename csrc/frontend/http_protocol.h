// V2 over HTTP/1.1 on one connection.
//
// Requests run one after another: the next is read when the last was answered, so pipelined answers
// are in order by themselves. Infer, live and ready are answered here; every other request goes
// whole to the control plane. Errors have the status, headers and JSON body that Triton's have.
//
// A head is read where it arrived; only when it, or the body behind it, comes in parts is anything
// kept of it. Whatever comes while a request runs is kept too, up to a bound, and then the client
// is not read from. A request that is refused before its body has come ends the connection, and so
// does what is no HTTP. A client that says its last while its request runs has gone, as has one
// that closes: the request is cancelled.
//
// Threads: confined(io). Borrows: the context, the connection.
// Limits: those of Http1Head and HttpRequestBody; limits::kReadSize, and what one read adds to it,
// of bytes that wait; limits::kMaxUnwritten of answers before the next request is looked at.
#pragma once

#include <memory>

#include "frontend/connection.h"
#include "frontend/io_context.h"

namespace tritonpy {

// REQUIRES: the context's options have `http`.
std::unique_ptr<Protocol> make_http_protocol(IoContext& context, Connection& connection);

}  // namespace tritonpy
