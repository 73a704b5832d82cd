#include "frontend/grpc_inference.h"

#include <utility>

namespace tritonpy {

Result<GrpcInference*> GrpcInference::start(InferCalls& calls, std::shared_ptr<GrpcBudget> budget,
                                            std::unique_ptr<InferenceRequest> request,
                                            const ClientHeaders& headers, GrpcCharge charge,
                                            Owner& owner) {
    if (const size_t more = headers.size(); more > 0) {
        if (!charge.try_resize(charge.size() + more)) {
            return unavailable(std::string(kTooMuchHeld));
        }
        headers.add_to(*request);
    }
    auto inference = std::make_unique<GrpcInference>(std::move(budget));
    TRITONPY_ASSIGN_OR_RETURN(inference->call_, calls.submit(std::move(request), *inference));
    inference->calls_ = &calls;
    inference->owner_ = &owner;
    inference->charge_ = std::move(charge);
    return inference.release();  // on_response frees it, with the final one
}

void GrpcInference::abandon() {
    owner_ = nullptr;
    budget_->add_abandoned();
    calls_->ask_to_stop(*call_);
}

void GrpcInference::on_response(std::unique_ptr<InferenceResponse> response) {
    std::unique_ptr<GrpcInference> ending(response->final ? this : nullptr);
    if (owner_ != nullptr) {
        owner_->on_response(*this, std::move(response));
    } else if (ending != nullptr) {
        budget_->remove_abandoned();
    }
}

}  // namespace tritonpy
