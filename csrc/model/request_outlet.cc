#include "model/request_outlet.h"

#include <utility>

#include "model/output_check.h"

namespace tritonpy {

void RequestOutlet::complete(const InferenceRequest& request, InferenceResponse& response) const {
    response.model = identity_;
    response.tag = request.tag;
    if (response.status.ok()) {
        response.status = check_response(*identity_, request, response.outputs);
    }
    if (!response.status.ok()) {
        response.outputs.clear();
    }
}

void RequestOutlet::respond(const InferenceRequest& request,
                            std::unique_ptr<InferenceResponse> response) {
    if (request.is_null) {
        return;
    }
    response->final = false;
    stats_.count_first_response(request, clock_);
    complete(request, *response);
    scheduler_.respond(request, std::move(response));
}

void RequestOutlet::reschedule(std::unique_ptr<InferenceRequest> request) {
    if (request->is_null) {
        return;
    }
    Status taken = scheduler_.reschedule(request);
    if (!taken.ok()) {
        auto response = std::make_unique<InferenceResponse>();
        response->status = std::move(taken);
        finish(std::move(request), std::move(response));
    }
}

void RequestOutlet::finish(std::unique_ptr<InferenceRequest> request,
                           std::unique_ptr<InferenceResponse> response) {
    if (request->is_null) {
        return;  // nobody waits for it
    }
    if (response == nullptr) {
        response = std::make_unique<InferenceResponse>();
    } else {
        stats_.count_first_response(*request, clock_);
    }
    response->final = true;
    request->trace.compute_output_start_ns = clock_.now_ns();
    complete(*request, *response);
    const int64_t now_ns = clock_.now_ns();
    request->trace.compute_end_ns = now_ns;
    if (response->status.ok()) {
        cell_.count_success(*request);
    } else {
        const bool gone = response->status.code() == StatusCode::kCancelled;
        stats_.count_failure(gone ? FailureReason::kCanceled : FailureReason::kBackend,
                             now_ns - request->trace.request_start_ns);
    }
    response->request = std::move(request);
    scheduler_.deliver(std::move(response));
    in_flight_.remove(1);
}

}  // namespace tritonpy
