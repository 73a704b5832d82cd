#include "frontend/grpc_control_call.h"

#include <deque>
#include <string>
#include <utility>

#include "base/limits.h"
#include "frontend/control_bridge.h"

namespace tritonpy {

namespace {

class GrpcControlCall final : public GrpcMethod, public ControlReceiver {
  public:
    explicit GrpcControlCall(GrpcCall& call) : call_(call) {}

    Status start(ControlEvent head);

    bool takes_messages() const override {
        return unanswered_.size() < limits::kControlMessagesInFlight &&
               call_.unsent() < limits::kMaxUnwritten;
    }
    void on_message(GrpcMessage message) override;
    void on_half_close() override { tell(ControlEvent::Kind::kHalfClose, {}); }
    void on_drained() override;
    void stop() override;

    void on_answer(ControlAnswer answer) override;

  private:
    void tell(ControlEvent::Kind kind, BufferRef body);
    ControlCalls& calls() { return call_.link().context.control_calls; }

    GrpcCall& call_;
    uint64_t call_id_ = 0;
    bool running_ = false;  // at the control plane
    size_t untaken_ = 0;    // pieces whose kTaken is owed
    std::deque<GrpcCharge> unanswered_;  // of messages that the control plane has
};

Status GrpcControlCall::start(ControlEvent head) {
    TRITONPY_ASSIGN_OR_RETURN(call_id_, calls().start(std::move(head), *this));
    running_ = true;
    return Status();
}

void GrpcControlCall::tell(ControlEvent::Kind kind, BufferRef body) {
    ControlEvent event;
    event.kind = kind;
    event.call_id = call_id_;
    event.body = std::move(body);
    calls().send(std::move(event));
}

void GrpcControlCall::on_message(GrpcMessage message) {
    unanswered_.push_back(std::move(message.charge));
    tell(ControlEvent::Kind::kGrpcMessage, std::move(message.bytes));
}

void GrpcControlCall::on_answer(ControlAnswer answer) {
    if (answer.kind == ControlAnswer::Kind::kEnd) {
        running_ = false;
        call_.finish(static_cast<GrpcStatus>(answer.status), answer.bytes);
        return;
    }
    if (!unanswered_.empty()) {
        unanswered_.pop_front();
    }
    EncodedBody body;
    body.append_owned(std::move(answer.bytes));
    call_.send(std::move(body), nullptr);
    if (call_.over()) {  // there was no room for it
        return;
    }
    ++untaken_;
    if (call_.unsent() < limits::kMaxUnwritten) {
        on_drained();
    }
}

void GrpcControlCall::on_drained() {
    for (; untaken_ != 0; --untaken_) {
        tell(ControlEvent::Kind::kTaken, {});
    }
    call_.read_on();
}

void GrpcControlCall::stop() {
    unanswered_.clear();
    if (std::exchange(running_, false)) {
        calls().cancel(call_id_);
    }
}

}  // namespace

Result<std::unique_ptr<GrpcMethod>> make_grpc_control_call(GrpcCall& call,
                                                           const Http2Headers& headers) {
    ControlEvent head;
    head.kind = ControlEvent::Kind::kGrpcCall;
    head.headers.reserve(headers.count());
    for (size_t index = 0; index < headers.count(); ++index) {
        const auto [name, value] = headers.at(index);
        if (name == ":path") {
            head.target = value;
        } else if (!name.starts_with(':')) {
            head.headers.emplace_back(name, value);
        }
    }
    auto method = std::make_unique<GrpcControlCall>(call);
    TRITONPY_RETURN_IF_ERROR(method->start(std::move(head)));
    return std::unique_ptr<GrpcMethod>(std::move(method));
}

}  // namespace tritonpy
