#include "bindings/read_frontend_options.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "bindings/python_attribute.h"
#include "bindings/python_status.h"

namespace py = pybind11;

namespace tritonpy {

namespace {

constexpr int64_t kMsPerSecond = 1000;

// A pathlib.Path; empty for None.
std::string path_of(py::handle path) {
    return path.is_none() ? std::string() : py::str(path).cast<std::string>();
}

std::optional<TlsFiles> read_tls(py::handle files) {
    if (files.is_none()) {
        return std::nullopt;
    }
    return TlsFiles{path_of(files.attr("server_cert")), path_of(files.attr("server_key")),
                    path_of(files.attr("root_cert")), attribute<bool>(files, "mutual")};
}

int read_compression_level(py::handle options) {
    constexpr std::array<std::string_view, 4> kLevels = {"none", "low", "medium", "high"};
    auto name = attribute<std::string>(options, "compression_level");
    auto found = std::find(kLevels.begin(), kLevels.end(), name);
    if (found == kLevels.end()) {
        throw py::value_error("unknown compression level '" + name + "'");
    }
    return static_cast<int>(found - kLevels.begin());
}

std::shared_ptr<const HeaderPattern> read_forward_pattern(py::handle options,
                                                          HeaderPattern::Case letters) {
    const auto pattern = attribute<std::string>(options, "header_forward_pattern");
    return value_or_raise(HeaderPattern::make(pattern, letters));
}

GrpcKeepalive read_keepalive(py::handle keepalive) {
    GrpcKeepalive read;
    read.time_ms = attribute<int64_t>(keepalive, "time_ms");
    read.timeout_ms = attribute<int64_t>(keepalive, "timeout_ms");
    read.permit_without_calls = attribute<bool>(keepalive, "permit_without_calls");
    read.max_pings_without_data = attribute<int>(keepalive, "max_pings_without_data");
    read.min_recv_ping_interval_ms = attribute<int64_t>(keepalive, "min_recv_ping_interval_ms");
    read.max_ping_strikes = attribute<int>(keepalive, "max_ping_strikes");
    read.max_connection_age_ms = attribute<int64_t>(keepalive, "max_connection_age_ms");
    read.max_connection_age_grace_ms =
        attribute<int64_t>(keepalive, "max_connection_age_grace_ms");
    return read;
}

}  // namespace

FrontendOptions read_connection_options(py::handle options) {
    FrontendOptions read;
    read.io_threads = attribute<size_t>(options, "io_threads");
    read.max_connections = attribute<size_t>(options, "max_connections");
    read.idle_timeout_ms = attribute<int64_t>(options, "idle_timeout_s") * kMsPerSecond;
    read.request_timeout_ms = attribute<int64_t>(options, "request_timeout_s") * kMsPerSecond;
    return read;
}

HttpListenerOptions read_http_options(py::handle options, int descriptor) {
    HttpListenerOptions read;
    read.descriptor = descriptor;
    read.max_input_size = attribute<size_t>(options, "max_input_size");
    read.forwarded_headers = read_forward_pattern(options, HeaderPattern::Case::kIgnored);
    read.tls = read_tls(options.attr("tls"));
    return read;
}

GrpcListenerOptions read_grpc_options(py::handle options, int descriptor) {
    GrpcListenerOptions read;
    read.descriptor = descriptor;
    read.max_receive_message_size = attribute<size_t>(options, "max_receive_message_size");
    read.compression_level = read_compression_level(options);
    read.keepalive = read_keepalive(options.attr("keepalive"));
    read.forwarded_headers = read_forward_pattern(options, HeaderPattern::Case::kMinded);
    read.tls = read_tls(options.attr("tls"));
    return read;
}

}  // namespace tritonpy
