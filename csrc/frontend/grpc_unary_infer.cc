#include "frontend/grpc_unary_infer.h"

#include <utility>

#include "frontend/grpc_inference.h"
#include "frontend/requested_version.h"
#include "wire/v2_protobuf.h"

namespace tritonpy {

namespace {

Status decoupled_error() {
    return unsupported("ModelInfer RPC doesn't support models with decoupled transaction policy");
}

class GrpcUnaryInfer final : public GrpcMethod, public GrpcInference::Owner {
  public:
    GrpcUnaryInfer(GrpcCall& call, ClientHeaders headers)
        : call_(call), headers_(std::move(headers)) {}

    bool takes_messages() const override { return true; }
    void on_message(GrpcMessage message) override;
    void on_half_close() override {}
    void on_drained() override {}
    void stop() override;

    void on_response(GrpcInference& inference,
                     std::unique_ptr<InferenceResponse> response) override;

  private:
    Status submit(GrpcMessage message);
    void fail(const Status& error) { call_.fail(visible_infer_error(call_.link(), error)); }

    GrpcCall& call_;
    const ClientHeaders headers_;
    GrpcInference* inference_ = nullptr;  // in the core
};

void GrpcUnaryInfer::on_message(GrpcMessage message) {
    if (Status status = submit(std::move(message)); !status.ok()) {
        fail(status);
    }
}

Status GrpcUnaryInfer::submit(GrpcMessage message) {
    GrpcLink& link = call_.link();
    InferCalls& calls = link.context.infer_calls;
    InferenceServer& server = calls.server();
    TRITONPY_ASSIGN_OR_RETURN(DecodedGrpcInfer decoded,
                              decode_infer_protobuf(message.bytes, server.pool()));
    TRITONPY_RETURN_IF_ERROR(resolve_label(server, decoded));
    const InferenceRequest& request = *decoded.request;
    TRITONPY_ASSIGN_OR_RETURN(auto model,
                              server.model_identity(request.model_name, request.model_version));
    if (model->decoupled) {
        return decoupled_error();
    }
    message.bytes = BufferRef();  // the request has what it needs of it
    TRITONPY_ASSIGN_OR_RETURN(inference_,
                              GrpcInference::start(calls, link.budget, std::move(decoded.request),
                                                   headers_, std::move(message.charge), *this));
    return Status();
}

void GrpcUnaryInfer::on_response(GrpcInference&, std::unique_ptr<InferenceResponse> response) {
    if (!response->final) {  // the model became decoupled between our look and the core's
        fail(decoupled_error());
        return;
    }
    inference_ = nullptr;
    if (!response->status.ok()) {
        fail(response->status);
        return;
    }
    EncodedBody body;
    if (Status status = encode_infer_protobuf(*response, body); !status.ok()) {
        fail(status);
        return;
    }
    call_.send(std::move(body), std::move(response));
    call_.finish(GrpcStatus::kOk, "");
}

void GrpcUnaryInfer::stop() {
    if (inference_ != nullptr) {
        std::exchange(inference_, nullptr)->abandon();
    }
}

}  // namespace

std::unique_ptr<GrpcMethod> make_grpc_unary_infer(GrpcCall& call, ClientHeaders headers) {
    return std::make_unique<GrpcUnaryInfer>(call, std::move(headers));
}

Status visible_infer_error(const GrpcLink& link, const Status& error) {
    if (error.code() == StatusCode::kUnavailable &&
        link.context.health.exiting.load(std::memory_order_relaxed)) {
        return unavailable("GRPC server is shutting down and has stopped accepting new requests.");
    }
    return error;
}

}  // namespace tritonpy
