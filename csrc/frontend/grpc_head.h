// What a gRPC server must know of a request's headers.
//
// Threads: compatible; pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "wire/content_coding.h"
#include "wire/grpc_message.h"
#include "wire/http2_headers.h"

namespace tritonpy {

struct GrpcHead {
    std::string_view path;                            // borrowed from the headers
    std::optional<int64_t> timeout_ns;                // what the client waits at most, from now
    ContentCoding coding = ContentCoding::kIdentity;  // of its compressed messages
    bool errors_end_stream = false;  // metadata triton_grpc_error: true

    // Why this is no call that can be served; 200 and OK when it is.
    int http_status = 200;
    GrpcError error;
};

// 405 for another method than POST, 415 for another content type than gRPC's, both with a status
// of gRPC; UNIMPLEMENTED for an encoding that is not known, INTERNAL for a timeout that cannot be
// read.
GrpcHead read_grpc_head(const Http2Headers& headers);

// Whether the client's grpc-accept-encoding lists, which may be several, name a coding. Apart, for
// servers that compress nothing need not know.
bool accepts_coding(const Http2Headers& headers, ContentCoding coding);

}  // namespace tritonpy
