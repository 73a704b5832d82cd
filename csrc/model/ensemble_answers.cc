#include "model/ensemble_answers.h"

#include <utility>

namespace tritonpy {

void EnsembleAnswers::respond(const InferenceRequest& request,
                              std::unique_ptr<InferenceResponse> response) {
    stats_.count_first_response(request, clock_);
    response->final = false;
    response->model = identity_;
    response->tag = request.tag;
    request.sink->deliver(std::move(response));
}

void EnsembleAnswers::finish(std::unique_ptr<InferenceRequest> request,
                             std::unique_ptr<InferenceResponse> response) {
    const int64_t now_ns = clock_.now_ns();
    if (response->status.ok()) {
        cell_.count_ensemble(*request, now_ns);
    } else {
        stats_.count_failure(FailureReason::kOther, now_ns - request->trace.request_start_ns);
    }
    if (!identity_->decoupled || !response->status.ok()) {  // the last of many is empty
        stats_.count_first_response(*request, clock_);
    }
    ResponseSink& sink = *request->sink;
    response->final = true;
    response->model = identity_;
    response->tag = request->tag;
    response->request = std::move(request);
    sink.deliver(std::move(response));
    in_flight_.remove(1);
}

}  // namespace tritonpy
