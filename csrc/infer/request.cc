#include "infer/request.h"

namespace tritonpy {

std::string request_prefix(const InferenceRequest& request) {
    return "[request id: " + (request.id.empty() ? "<id_unknown>" : request.id) + "] ";
}

}  // namespace tritonpy
