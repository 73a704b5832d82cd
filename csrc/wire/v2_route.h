// Which operation a request asks for: the few that the native front end answers itself, or control.
//
// Path segments are taken as they arrive, without percent-decoding, as Triton does.
//
// Threads: compatible; pure functions.
#pragma once

#include <cstdint>
#include <string_view>

namespace tritonpy {

enum class V2Operation : uint8_t {
    kControl,  // everything else: the control plane answers, errors included
    kInfer,
    kStreamInfer,  // gRPC only
    kServerLive,
    kServerReady,
    kModelReady,  // over gRPC the names are in the message
};

struct V2Route {
    V2Operation operation = V2Operation::kControl;
    std::string_view model;    // HTTP only
    std::string_view version;  // HTTP only; digits, a label, or empty for the newest
};

// `target` is what follows the method, scheme and authority, query and fragment included (they are
// ignored). Infer is POST; live and ready are GET and HEAD. Any other method on these paths is
// control's to refuse.
V2Route route_http(std::string_view method, std::string_view target);

// `path` is :path, e.g. "/inference.GRPCInferenceService/ModelInfer".
V2Route route_grpc(std::string_view path);

}  // namespace tritonpy
