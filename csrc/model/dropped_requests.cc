#include "model/dropped_requests.h"

#include <utility>

namespace tritonpy {

std::unique_ptr<InferenceResponse> final_response(
    const std::shared_ptr<const ModelIdentity>& model, std::unique_ptr<InferenceRequest> request) {
    auto response = std::make_unique<InferenceResponse>();
    response->model = model;
    response->tag = request->tag;
    response->request = std::move(request);
    return response;
}

void answer_dropped(std::vector<DroppedRequest>& dropped, const DropContext& context) {
    if (dropped.empty()) {
        return;
    }
    const int64_t now_ns = context.clock.now_ns();
    for (DroppedRequest& drop : dropped) {
        const bool was_cancelled = drop.status.code() == StatusCode::kCancelled;
        context.stats.count_failure(
            was_cancelled ? FailureReason::kCanceled : FailureReason::kRejected,
            now_ns - drop.request->trace.request_start_ns);
        context.stats.count_first_response(*drop.request, context.clock);
        auto response = final_response(context.identity, std::move(drop.request));
        response->status = std::move(drop.status);
        context.scheduler.deliver(std::move(response));
    }
    const size_t requests = dropped.size();
    dropped.clear();
    context.in_flight.remove(requests);
}

}  // namespace tritonpy
