// How a request's shared-memory region is found. No region can be registered, so none ever is.
//
// Threads: compatible; a pure function.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace tritonpy {

// not_found with Triton's text.
inline Status unknown_shared_memory(std::string_view region) {
    return not_found("Unable to find shared memory region: '" + std::string(region) + "'");
}

}  // namespace tritonpy
