#include "wire/v2_route.h"

#include <algorithm>
#include <cstddef>

#include "wire/model_version.h"

namespace tritonpy {

namespace {

constexpr std::string_view kModels = "/v2/models/";
constexpr std::string_view kVersions = "versions/";

bool take_prefix(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) {
        return false;
    }
    text.remove_prefix(prefix.size());
    return true;
}

// Takes a path segment and the slash behind it; empty when either is not there.
std::string_view take_segment(std::string_view& path) {
    size_t slash = path.find('/');
    if (slash == std::string_view::npos || slash == 0) {
        return {};
    }
    std::string_view segment = path.substr(0, slash);
    path.remove_prefix(slash + 1);
    return segment;
}

bool is_number(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char character) { return character >= '0' && character <= '9'; });
}

// The path of a target in either form, "/path?query" or "scheme://authority/path?query".
std::string_view path_of(std::string_view target) {
    if (!target.starts_with('/')) {
        size_t authority = target.find("://");
        if (authority == std::string_view::npos) {
            return {};
        }
        target.remove_prefix(authority + 3);
        target.remove_prefix(std::min(target.find_first_of("/?#"), target.size()));
    }
    target = target.substr(0, target.find('?'));
    return target.substr(0, target.find('#'));
}

// What is asked of a model; kControl when the path is no such one.
V2Route route_model(std::string_view path) {
    V2Route route;
    route.model = take_segment(path);
    if (route.model.empty()) {
        return {};
    }
    if (take_prefix(path, kVersions)) {
        route.version = take_segment(path);
        if (route.version.empty() ||
            !(is_number(route.version) || is_version_label(route.version))) {
            return {};
        }
    }
    if (path == "infer") {
        route.operation = V2Operation::kInfer;
    } else if (path == "ready") {
        route.operation = V2Operation::kModelReady;
    } else {
        return {};
    }
    return route;
}

}  // namespace

V2Route route_http(std::string_view method, std::string_view target) {
    std::string_view path = path_of(target);
    V2Route route;
    if (take_prefix(path, kModels)) {
        route = route_model(path);
    } else if (path == "/v2/health/live") {
        route.operation = V2Operation::kServerLive;
    } else if (path == "/v2/health/ready") {
        route.operation = V2Operation::kServerReady;
    }
    bool answered = route.operation == V2Operation::kInfer ? method == "POST"
                                                           : method == "GET" || method == "HEAD";
    return answered ? route : V2Route();
}

V2Route route_grpc(std::string_view path) {
    V2Route route;
    if (!take_prefix(path, "/inference.GRPCInferenceService/")) {
        return route;
    }
    if (path == "ModelInfer") {
        route.operation = V2Operation::kInfer;
    } else if (path == "ModelStreamInfer") {
        route.operation = V2Operation::kStreamInfer;
    } else if (path == "ServerLive") {
        route.operation = V2Operation::kServerLive;
    } else if (path == "ServerReady") {
        route.operation = V2Operation::kServerReady;
    } else if (path == "ModelReady") {
        route.operation = V2Operation::kModelReady;
    }
    return route;
}

}  // namespace tritonpy
