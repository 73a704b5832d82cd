#include "frontend/client_headers.h"

#include <algorithm>
#include <array>
#include <string>
#include <variant>

#include "wire/ascii_text.h"
#include "wire/utf8.h"

namespace tritonpy {

namespace {

// Parameters that say how a request is run.
bool is_reserved(std::string_view name) {
    constexpr std::array<std::string_view, 7> kNames = {
        "sequence_id", "sequence_start", "sequence_end",      "priority",
        "timeout",     "headers",        "binary_data_output"};
    constexpr std::string_view kPrefix = "triton_";
    const auto is_name = [&](std::string_view known) { return equals_ignoring_case(name, known); };
    return equals_ignoring_case(name.substr(0, kPrefix.size()), kPrefix) ||
           std::ranges::any_of(kNames, is_name);
}

// What no client of gRPC has written itself, and what is no text.
bool is_of_grpc_itself(std::string_view name) {
    return name.starts_with(':') || name.starts_with("grpc-") || name.ends_with("-bin") ||
           name == "te" || name == "content-type";
}

}  // namespace

void ClientHeaders::add_to(InferenceRequest& request) const {
    request.parameters.insert(request.parameters.end(), parameters.begin(), parameters.end());
    request.headers = headers;
}

size_t ClientHeaders::size() const {
    size_t size = parameters.size() * sizeof(Parameter) + headers.size() * sizeof(RequestHeader);
    for (const Parameter& parameter : parameters) {
        size += parameter.name.size() + std::get<std::string>(parameter.value).size();
    }
    for (const RequestHeader& header : headers) {
        size += header.name.size() + header.value.size();
    }
    return size;
}

Status ClientHeaderReader::read(std::string_view name, std::string_view value) {
    if (protocol_ == Protocol::kGrpc && is_of_grpc_itself(name)) {
        return Status();
    }
    if (routing_ != nullptr) {
        const auto is_it = [&](const std::string& known) {
            return equals_ignoring_case(name, known);
        };
        const auto known = std::ranges::find_if(*routing_, is_it);
        if (known != routing_->end()) {
            taken_.headers.push_back({*known, std::string(value)});
        }
    }
    return pattern_ != nullptr && pattern_->matches(name) ? forward(name, value) : Status();
}

Status ClientHeaderReader::forward(std::string_view name, std::string_view value) {
    if (protocol_ == Protocol::kHttp && is_reserved(name)) {
        return invalid_arg("Header '" + std::string(name) +
                           "' is reserved for Triton usage and cannot be forwarded.");
    }
    if (is_utf8(value)) {
        taken_.parameters.push_back({std::string(name), std::string(value)});
    }
    return Status();
}

}  // namespace tritonpy
