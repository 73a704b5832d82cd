// What a native front end was asked to be.
//
// Threads: immutable once the front end runs, but `http` and `grpc`, which are set as their
// listener begins, before its first connection. Times are milliseconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "frontend/tls_context.h"
#include "wire/header_pattern.h"

namespace tritonpy {

struct HttpListenerOptions {
    int descriptor = -1;  // bound and listening; taken by the front end
    size_t max_input_size = 64 << 20;
    std::shared_ptr<const HeaderPattern> forwarded_headers{};  // null: none
    std::optional<TlsFiles> tls;
};

struct GrpcKeepalive {
    int64_t time_ms = 7'200'000;
    int64_t timeout_ms = 20'000;
    bool permit_without_calls = false;
    int max_pings_without_data = 2;
    int64_t min_recv_ping_interval_ms = 300'000;
    int max_ping_strikes = 2;
    int64_t max_connection_age_ms = 0;        // 0: unlimited
    int64_t max_connection_age_grace_ms = 0;  // 0: unlimited
};

struct GrpcListenerOptions {
    int descriptor = -1;  // bound and listening; taken by the front end
    size_t max_receive_message_size = 2147483647;
    // Of infer responses; 0: none. What gRPC's core makes of its levels: low is gzip, medium and
    // high are deflate; the client must accept it.
    int compression_level = 0;  // 0 none, 1 low, 2 medium, 3 high
    GrpcKeepalive keepalive;
    std::shared_ptr<const HeaderPattern> forwarded_headers{};  // null: none
    std::optional<TlsFiles> tls;
};

struct FrontendOptions {
    size_t io_threads = 0;       // 0: one for each core, at most limits::kDefaultIoThreads
    size_t max_connections = 0;  // over both listeners; 0: what the process's descriptors allow
    int64_t idle_timeout_ms = 3'600'000;
    int64_t request_timeout_ms = 60'000;  // from a request's first byte to its last
    std::optional<HttpListenerOptions> http;
    std::optional<GrpcListenerOptions> grpc;
};

}  // namespace tritonpy
