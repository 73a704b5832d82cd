#include "wire/status_codes.h"

#include <array>
#include <cstddef>

namespace tritonpy {

namespace {

// Clients refuse trailing metadata over 8 KiB; a message travels percent-encoded inside it.
constexpr size_t kMaxMessage = size_t{6} << 10;
constexpr size_t kMaxSequence = 4;  // bytes of one character in UTF-8

bool is_plain(char character) {
    return character >= ' ' && character <= '~' && character != '%';
}

bool is_continuation(char character) { return (static_cast<uint8_t>(character) & 0xC0) == 0x80; }

}  // namespace

int http_status_of(StatusCode code) {
    switch (code) {
        case StatusCode::kNotFound:
            return 404;
        case StatusCode::kInternal:
            return 500;
        case StatusCode::kUnsupported:
            return 501;
        case StatusCode::kUnavailable:
            return 503;
        case StatusCode::kUnknown:
        case StatusCode::kInvalidArg:
        case StatusCode::kAlreadyExists:
        case StatusCode::kCancelled:
            break;
    }
    return 400;
}

std::string_view http_reason_of(int status) {
    struct Reason {
        int status;
        std::string_view words;
    };
    static constexpr std::array kReasons{
        Reason{200, "OK"},
        Reason{400, "Bad Request"},
        Reason{404, "Not Found"},
        Reason{100, "Continue"},
        Reason{204, "No Content"},
        Reason{403, "Forbidden"},
        Reason{405, "Method Not Allowed"},
        Reason{408, "Request Timeout"},
        Reason{413, "Content Too Large"},
        Reason{417, "Expectation Failed"},
        Reason{429, "Too Many Requests"},
        Reason{431, "Request Header Fields Too Large"},
        Reason{500, "Internal Server Error"},
        Reason{501, "Not Implemented"},
        Reason{503, "Service Unavailable"},
        Reason{505, "HTTP Version Not Supported"},
    };
    for (const Reason& reason : kReasons) {
        if (reason.status == status) {
            return reason.words;
        }
    }
    return "Unknown";
}

GrpcStatus grpc_status_of(StatusCode code) {
    switch (code) {
        case StatusCode::kUnknown:
            break;
        case StatusCode::kInternal:
            return GrpcStatus::kInternal;
        case StatusCode::kNotFound:
            return GrpcStatus::kNotFound;
        case StatusCode::kInvalidArg:
            return GrpcStatus::kInvalidArgument;
        case StatusCode::kUnavailable:
            return GrpcStatus::kUnavailable;
        case StatusCode::kUnsupported:
            return GrpcStatus::kUnimplemented;
        case StatusCode::kAlreadyExists:
            return GrpcStatus::kAlreadyExists;
        case StatusCode::kCancelled:
            return GrpcStatus::kCancelled;
    }
    return GrpcStatus::kUnknown;
}

std::string encode_grpc_message(std::string_view text) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string encoded;
    encoded.reserve(text.size() < kMaxMessage ? text.size() : kMaxMessage);
    size_t character_at = 0;          // in `text`, of the character that a byte belongs to
    size_t character_encoded_at = 0;  // the same in `encoded`
    for (size_t at = 0; at < text.size(); ++at) {
        if (!is_continuation(text[at]) || at - character_at == kMaxSequence) {
            character_at = at;
            character_encoded_at = encoded.size();
        }
        if (is_plain(text[at])) {
            encoded.push_back(text[at]);
        } else {
            auto byte = static_cast<uint8_t>(text[at]);
            encoded.push_back('%');
            encoded.push_back(kDigits[byte >> 4]);
            encoded.push_back(kDigits[byte & 0xF]);
        }
        if (encoded.size() > kMaxMessage) {
            encoded.resize(character_encoded_at);
            return encoded + "...";
        }
    }
    return encoded;
}

}  // namespace tritonpy
