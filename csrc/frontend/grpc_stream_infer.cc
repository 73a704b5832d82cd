#include "frontend/grpc_stream_infer.h"

#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "frontend/grpc_inference.h"
#include "frontend/grpc_unary_infer.h"
#include "frontend/requested_version.h"
#include "frontend/stream_order.h"
#include "wire/v2_protobuf.h"

namespace tritonpy {

namespace {

// The last answer of a request.
struct StreamAnswer {
    std::string request_id;
    Status error;                                 // without a response: why there is none
    std::unique_ptr<InferenceResponse> response;  // of a model
    GrpcCharge charge;                            // what it holds while it waits for its turn
};

class GrpcStreamInfer final : public GrpcMethod, public GrpcInference::Owner {
  public:
    GrpcStreamInfer(GrpcCall& call, ClientHeaders headers, bool errors_end_stream)
        : call_(call), headers_(std::move(headers)), errors_end_stream_(errors_end_stream) {}

    bool takes_messages() const override {
        return open_ < limits::kStreamRequestsInFlight && call_.unsent() < limits::kMaxUnwritten;
    }
    void on_message(GrpcMessage message) override;
    void on_half_close() override;
    void on_drained() override { call_.read_on(); }
    void stop() override;

    void on_response(GrpcInference& inference,
                     std::unique_ptr<InferenceResponse> response) override;

  private:
    void submit(DecodedGrpcInfer decoded, GrpcCharge charge);
    void fail_request(std::string request_id, const Status& error, GrpcCharge charge);
    void take_out(GrpcInference& inference);
    void cut_off(GrpcInference& inference);
    void hold(StreamAnswer& answer);
    void put(uint64_t place, StreamAnswer answer);
    void write_last(StreamAnswer answer);
    void write(const std::string& request_id, std::unique_ptr<InferenceResponse> response);
    void write_error(const std::string& request_id, const Status& error);
    void go_on();

    GrpcCall& call_;
    const ClientHeaders headers_;
    const bool errors_end_stream_;
    bool half_closed_ = false;
    bool stopped_ = false;
    size_t open_ = 0;  // requests whose last answer was not written
    std::vector<GrpcInference*> in_core_;
    StreamOrder<StreamAnswer> order_;
};

void GrpcStreamInfer::on_message(GrpcMessage message) {
    BlockPool& pool = call_.link().context.infer_calls.server().pool();
    ++open_;
    Result<DecodedGrpcInfer> decoded = decode_infer_protobuf(message.bytes, pool);
    if (decoded.ok()) {
        message.bytes = BufferRef();  // the request has what it needs of it
        submit(std::move(decoded).value(), std::move(message.charge));
    } else {
        fail_request(infer_protobuf_id(message.bytes), decoded.status(),
                     std::move(message.charge));
    }
}

void GrpcStreamInfer::submit(DecodedGrpcInfer decoded, GrpcCharge charge) {
    GrpcLink& link = call_.link();
    InferCalls& calls = link.context.infer_calls;
    const InferenceRequest& request = *decoded.request;
    std::string request_id = request.id;
    if (Status known = resolve_label(calls.server(), decoded); !known.ok()) {
        fail_request(std::move(request_id), known, std::move(charge));
        return;
    }
    auto model = calls.server().model_identity(request.model_name, request.model_version);
    if (!model.ok()) {
        fail_request(std::move(request_id), model.status(), std::move(charge));
        return;
    }
    bool decoupled = model.value()->decoupled;
    auto inference = GrpcInference::start(calls, link.budget, std::move(decoded.request),
                                          headers_, std::move(charge), *this);
    if (inference.ok()) {
        inference.value()->in_stream() = {std::move(request_id),
                                          decoupled ? 0 : order_.add(),
                                          decoupled,
                                          decoded.enable_empty_final_response,
                                          in_core_.size()};
        in_core_.push_back(inference.value());
    } else if (decoupled) {
        write_last({std::move(request_id), inference.status(), nullptr, {}});
        go_on();
    } else {
        fail_request(std::move(request_id), inference.status(), {});
    }
}

// A request that did not come into the core is answered in its turn.
void GrpcStreamInfer::fail_request(std::string request_id, const Status& error,
                                   GrpcCharge charge) {
    put(order_.add(), {std::move(request_id), error, nullptr, std::move(charge)});
}

void GrpcStreamInfer::on_response(GrpcInference& inference,
                                  std::unique_ptr<InferenceResponse> response) {
    GrpcInference::InStream& request = inference.in_stream();
    if (!response->final) {
        if (call_.unsent() < limits::kMaxHeldPerConnection) {
            write(request.request_id, std::move(response));
        } else {
            cut_off(inference);
        }
        return;
    }
    take_out(inference);
    bool silent = request.decoupled && response->status.ok() && response->outputs.empty() &&
                  !request.empty_final;
    StreamAnswer answer{std::move(request.request_id), Status(), std::move(response),
                        inference.take_charge()};
    if (!request.decoupled) {
        hold(answer);
        put(request.place, std::move(answer));
        return;
    }
    if (silent) {
        --open_;
    } else {
        write_last(std::move(answer));
    }
    go_on();
}

void GrpcStreamInfer::take_out(GrpcInference& inference) {
    const size_t index = inference.in_stream().index;
    in_core_.back()->in_stream().index = index;
    std::swap(in_core_[index], in_core_.back());
    in_core_.pop_back();
}

// The client reads too slowly for a model that goes on answering.
void GrpcStreamInfer::cut_off(GrpcInference& inference) {
    take_out(inference);
    inference.abandon();
    write_last({std::move(inference.in_stream().request_id), reads_too_slowly(call_.unsent()),
                nullptr,
                {}});
    go_on();
}

// The answer may wait for others: it counts with what it holds now.
void GrpcStreamInfer::hold(StreamAnswer& answer) {
    size_t size = answer.charge.size();
    for (const Tensor& output : answer.response->outputs) {
        size += output.data.size();
    }
    if (!answer.charge.try_resize(size)) {
        answer.response.reset();
        answer.error = unavailable(std::string(kTooMuchHeld));
    }
}

void GrpcStreamInfer::put(uint64_t place, StreamAnswer answer) {
    order_.put(place, std::move(answer));
    while (std::optional<StreamAnswer> next = order_.take()) {
        write_last(*std::move(next));
    }
    go_on();
}

void GrpcStreamInfer::write_last(StreamAnswer answer) {
    --open_;
    if (answer.response != nullptr) {
        write(answer.request_id, std::move(answer.response));
    } else {
        write_error(answer.request_id, answer.error);
    }
}

void GrpcStreamInfer::write(const std::string& request_id,
                            std::unique_ptr<InferenceResponse> response) {
    if (!response->status.ok()) {
        if (errors_end_stream_) {
            write_error(request_id, response->status);
            return;
        }
        response->status = visible_infer_error(call_.link(), response->status);
    }
    EncodedBody body;
    if (Status status = encode_stream_infer_protobuf(*response, request_id, body); !status.ok()) {
        write_error(request_id, status);
        return;
    }
    call_.send(std::move(body), std::move(response));
}

void GrpcStreamInfer::write_error(const std::string& request_id, const Status& error) {
    Status visible = visible_infer_error(call_.link(), error);
    if (errors_end_stream_) {
        call_.fail(visible);
        return;
    }
    EncodedBody body;
    body.append_owned(encode_stream_error_protobuf(visible.message(), request_id));
    call_.send(std::move(body), nullptr);
}

// After answers were written: there may be room for requests that wait, or nothing left to do.
void GrpcStreamInfer::go_on() {
    if (stopped_) {
        return;
    }
    call_.read_on();
    if (!stopped_ && half_closed_ && open_ == 0) {
        call_.finish(GrpcStatus::kOk, "");
    }
}

void GrpcStreamInfer::on_half_close() {
    half_closed_ = true;
    go_on();
}

void GrpcStreamInfer::stop() {
    stopped_ = true;
    for (GrpcInference* inference : in_core_) {
        inference->abandon();
    }
    in_core_.clear();
}

}  // namespace

std::unique_ptr<GrpcMethod> make_grpc_stream_infer(GrpcCall& call, ClientHeaders headers,
                                                   bool errors_end_stream) {
    return std::make_unique<GrpcStreamInfer>(call, std::move(headers), errors_end_stream);
}

}  // namespace tritonpy
