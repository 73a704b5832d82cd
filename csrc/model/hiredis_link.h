// The redis connections of a server, with the library hiredis.
//
// A server may be built without hiredis (the CMake option TRITONPY_REDIS); then nobody connects.
//
// Threads: thread-safe.
#pragma once

#include "model/redis_link.h"

namespace tritonpy {

// What connects to one server and sees to it that commands will be accepted. It blocks, for names
// to be resolved too, gives internal errors with Triton's text (`failed to connect to Redis
// (host:port): ...`, and what the server says to a missing or wrong password), and REQUIRES that
// SIGPIPE is ignored, as Python does. unsupported where the server was built without hiredis.
Result<ConnectRedis> redis_connector(const RedisOptions& options);

}  // namespace tritonpy
