#include "frontend/grpc_health_call.h"

#include <string>
#include <string_view>
#include <utility>

#include "frontend/requested_version.h"
#include "wire/protobuf_reader.h"
#include "wire/protobuf_writer.h"

namespace tritonpy {

namespace {

// Of ModelReadyRequest; the requests of the other calls have no fields.
constexpr uint32_t kName = protobuf_tag(1, WireType::kLength);
constexpr uint32_t kVersion = protobuf_tag(2, WireType::kLength);
// The one field of all three responses.
constexpr uint32_t kAnswer = 1;

class GrpcHealthCall final : public GrpcMethod {
  public:
    GrpcHealthCall(GrpcCall& call, V2Operation operation) : call_(call), operation_(operation) {}

    bool takes_messages() const override { return true; }
    void on_message(GrpcMessage message) override;
    void on_half_close() override {}
    void on_drained() override {}
    void stop() override {}

  private:
    Result<bool> answer(const BufferRef& message) const;
    Result<bool> is_model_ready(std::string_view name, std::string_view version) const;
    std::string_view request_name() const;

    GrpcCall& call_;
    const V2Operation operation_;
};

void GrpcHealthCall::on_message(GrpcMessage message) {
    Result<bool> yes = answer(message.bytes);
    if (!yes.ok()) {
        call_.fail(yes.status());
        return;
    }
    ProtobufWriter out;
    if (yes.value()) {  // false is what is not there
        out.varint_field(kAnswer, 1);
    }
    EncodedBody body;
    body.append_owned(out.take());
    call_.send(std::move(body), nullptr);
    call_.finish(GrpcStatus::kOk, "");
}

Result<bool> GrpcHealthCall::answer(const BufferRef& message) const {
    ProtobufReader reader({message->data(), message->size()});
    std::string_view name;
    std::string_view version;
    while (reader.next()) {
        if (operation_ == V2Operation::kModelReady && reader.tag() == kName) {
            name = reader.string();
        } else if (operation_ == V2Operation::kModelReady && reader.tag() == kVersion) {
            version = reader.string();
        } else {
            reader.skip();
        }
    }
    if (reader.failure() != nullptr) {
        return invalid_arg("failed to parse " + std::string(request_name()) + ": " +
                           reader.failure());
    }
    if (operation_ == V2Operation::kModelReady) {
        return is_model_ready(name, version);
    }
    const ServerHealth& health = call_.link().context.health;
    if (health.exiting.load(std::memory_order_relaxed)) {
        return unavailable("Server exiting");
    }
    return operation_ == V2Operation::kServerLive || health.ready.load(std::memory_order_relaxed);
}

Result<bool> GrpcHealthCall::is_model_ready(std::string_view name,
                                            std::string_view version) const {
    const InferenceServer& server = call_.link().context.infer_calls.server();
    TRITONPY_ASSIGN_OR_RETURN(int64_t number, requested_version(server, name, version));
    return server.check_ready(name, number).ok();
}

std::string_view GrpcHealthCall::request_name() const {
    switch (operation_) {
        case V2Operation::kServerLive:
            return "ServerLiveRequest";
        case V2Operation::kServerReady:
            return "ServerReadyRequest";
        default:
            return "ModelReadyRequest";
    }
}

}  // namespace

std::unique_ptr<GrpcMethod> make_grpc_health_call(GrpcCall& call, V2Operation operation) {
    return std::make_unique<GrpcHealthCall>(call, operation);
}

}  // namespace tritonpy
