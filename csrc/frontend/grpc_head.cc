#include "frontend/grpc_head.h"

#include <string>

namespace tritonpy {

namespace {

constexpr std::string_view kContentType = "application/grpc";
constexpr int kMethodNotAllowed = 405;
constexpr int kUnsupportedMediaType = 415;

// "application/grpc", "application/grpc+proto", "application/grpc;..."
bool is_grpc(std::string_view content_type) {
    if (!content_type.starts_with(kContentType)) {
        return false;
    }
    std::string_view rest = content_type.substr(kContentType.size());
    return rest.empty() || rest.front() == '+' || rest.front() == ';';
}

bool lists(std::string_view list, ContentCoding coding) {
    while (!list.empty()) {
        size_t end = list.find(',');
        if (content_coding_of(list.substr(0, end)) == coding) {
            return true;
        }
        list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
    }
    return false;
}

// The first thing that is wrong is the one that is told.
void refuse(GrpcHead& head, GrpcStatus status, std::string text) {
    if (head.error.status == GrpcStatus::kOk) {
        head.error = {status, std::move(text)};
    }
}

void read_field(std::string_view name, std::string_view value, GrpcHead& head) {
    if (name == "grpc-timeout") {
        head.timeout_ns = parse_grpc_timeout(value);
        if (!head.timeout_ns) {
            refuse(head, GrpcStatus::kInternal,
                   "malformed grpc-timeout: '" + std::string(value) + "'");
        }
    } else if (name == "grpc-encoding") {
        if (auto coding = content_coding_of(value)) {
            head.coding = *coding;
        } else {
            refuse(head, GrpcStatus::kUnimplemented,
                   "grpc-encoding '" + std::string(value) + "' is not supported");
        }
    } else if (name == "triton_grpc_error") {
        head.errors_end_stream |= value == "true";
    }
}

}  // namespace

GrpcHead read_grpc_head(const Http2Headers& headers) {
    GrpcHead head;
    std::string_view method;
    std::string_view content_type;
    for (size_t index = 0; index < headers.count(); ++index) {
        const auto [name, value] = headers.at(index);
        if (name == ":path") {
            head.path = value;
        } else if (name == ":method") {
            method = value;
        } else if (name == "content-type") {
            content_type = value;
        } else if (!name.empty() && (name[0] == 'g' || name[0] == 't')) {
            read_field(name, value, head);
        }
    }
    if (method != "POST") {
        head.http_status = kMethodNotAllowed;
        head.error = {GrpcStatus::kInternal,
                      "method '" + std::string(method) + "' is not gRPC's, which is POST"};
    } else if (!is_grpc(content_type)) {
        head.http_status = kUnsupportedMediaType;
        head.error = {GrpcStatus::kInternal,
                      "content-type '" + std::string(content_type) + "' is not gRPC's"};
    }
    return head;
}

bool accepts_coding(const Http2Headers& headers, ContentCoding coding) {
    for (size_t index = 0; index < headers.count(); ++index) {
        const auto [name, value] = headers.at(index);
        if (name == "grpc-accept-encoding" && lists(value, coding)) {
            return true;
        }
    }
    return false;
}

}  // namespace tritonpy
