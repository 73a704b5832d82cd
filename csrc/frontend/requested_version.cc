#include "frontend/requested_version.h"

#include <optional>
#include <utility>

#include "wire/model_version.h"

namespace tritonpy {

Result<int64_t> requested_version(const InferenceServer& server, std::string_view model,
                                  std::string_view text) {
    if (is_version_label(text)) {
        if (auto labelled = server.labelled_version(model, text)) {
            return *std::move(labelled);
        }
    }
    return parse_model_version(text);
}

Status resolve_label(const InferenceServer& server, DecodedGrpcInfer& decoded) {
    if (decoded.version_label.empty()) {
        return Status();
    }
    InferenceRequest& request = *decoded.request;
    TRITONPY_ASSIGN_OR_RETURN(
        request.model_version,
        requested_version(server, request.model_name, decoded.version_label));
    return Status();
}

V2Route route_request(const InferenceServer& server, std::string_view method,
                      std::string_view target) {
    const V2Route route = route_http(method, target);
    const bool is_unknown = is_version_label(route.version) &&
                            !server.labelled_version(route.model, route.version).has_value();
    return is_unknown ? V2Route() : route;
}

}  // namespace tritonpy
