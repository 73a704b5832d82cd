#include "base/status.h"

namespace tritonpy {

std::string_view code_name(StatusCode code) {
    switch (code) {
        case StatusCode::kUnknown:
            return "Unknown";
        case StatusCode::kInternal:
            return "Internal";
        case StatusCode::kNotFound:
            return "Not found";
        case StatusCode::kInvalidArg:
            return "Invalid argument";
        case StatusCode::kUnavailable:
            return "Unavailable";
        case StatusCode::kUnsupported:
            return "Unsupported";
        case StatusCode::kAlreadyExists:
            return "Already exists";
        case StatusCode::kCancelled:
            return "Cancelled";
    }
    return "Unknown";
}

}  // namespace tritonpy
