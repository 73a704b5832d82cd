// The one table from the core's codes to HTTP and gRPC statuses, and how gRPC spells a message.
//
// Threads: compatible; pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tritonpy {

// Triton's statuses: 404 not_found, 500 internal, 501 unsupported, 503 unavailable, else 400.
int http_status_of(StatusCode code);

// "OK", "Bad Request" ...: the words behind a status; "Unknown" for one that has none here.
std::string_view http_reason_of(int status);

// The numbers of grpc-status.
enum class GrpcStatus : uint8_t {
    kOk = 0,
    kCancelled = 1,
    kUnknown = 2,
    kInvalidArgument = 3,
    kDeadlineExceeded = 4,
    kNotFound = 5,
    kAlreadyExists = 6,
    kResourceExhausted = 8,
    kUnimplemented = 12,
    kInternal = 13,
    kUnavailable = 14,
};

GrpcStatus grpc_status_of(StatusCode code);

// The value of grpc-message: percent-encoded (everything outside 0x20..0x7E, and '%'). Of one that
// is then over 6 KiB, what fits in 6 KiB and "...", since clients refuse 8 KiB of trailers. Never
// cut inside a UTF-8 sequence.
std::string encode_grpc_message(std::string_view text);

}  // namespace tritonpy
