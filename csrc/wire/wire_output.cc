#include "wire/wire_output.h"

#include <algorithm>
#include <utility>

namespace tritonpy {

namespace {

// A response that is not its request's last carries no request: then nothing was asked for.
const RequestedOutput* find_requested(const InferenceRequest* request, std::string_view name) {
    if (request == nullptr) {
        return nullptr;
    }
    auto found = std::find_if(request->outputs.begin(), request->outputs.end(),
                              [&](const RequestedOutput& output) { return output.name == name; });
    return found == request->outputs.end() ? nullptr : &*found;
}

}  // namespace

Result<WireOutput> WireOutput::make(const Tensor& tensor, const InferenceResponse& response) {
    const RequestedOutput* requested = find_requested(response.request.get(), tensor.name);
    WireOutput output(tensor, requested);
    if (requested != nullptr && requested->classification_count > 0) {
        TRITONPY_ASSIGN_OR_RETURN(
            output.classes_, classify(tensor, requested->classification_count, *response.model));
    }
    return output;
}

void WireOutput::append_data(EncodedBody& body) && {
    if (data().empty()) {
        return;
    }
    if (classes_) {
        body.append_owned(std::move(classes_->data));
    } else {
        body.append_borrowed(tensor_->data);
    }
}

}  // namespace tritonpy
