// One request of a gRPC call in the core, until the core has let go of it.
//
// A call that ends early frees itself at once, but its request still runs, or waits in a queue,
// and holds memory: it stays charged to its connection, and counted there, until it comes home.
//
// Threads: confined(io).
// Owns: itself, from start to the final response; the request's charge.
// Borrows: the owner, until abandon.
// Invariant: an owner hears of every response until the final one or abandon.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "frontend/client_headers.h"
#include "frontend/grpc_budget.h"
#include "frontend/infer_calls.h"
#include "infer/request.h"
#include "infer/response.h"

namespace tritonpy {

class GrpcInference final : public ResponseReceiver {
  public:
    // Whom it answers.
    // Threads: confined(io).
    class Owner {
      public:
        virtual ~Owner() = default;
        // After a final response the inference is gone when this returns. Its charge goes with it,
        // or with whoever took it: not before the answer is charged, or else the connection's work
        // would seem to become less, and credit to be due, while one turns into the other.
        virtual void on_response(GrpcInference& inference,
                                 std::unique_ptr<InferenceResponse> response) = 0;
    };

    // What a stream must know of a request when its responses come.
    struct InStream {
        std::string request_id;
        uint64_t place = 0;        // in the order of answers
        bool decoupled = false;    // its answers have no order
        bool empty_final = false;  // the client wants a final response without outputs too
        size_t index = 0;          // among the owner's inferences
    };

    explicit GrpcInference(std::shared_ptr<GrpcBudget> budget) : budget_(std::move(budget)) {}

    // Hands the request to the core, with the headers of its call. Errors as InferCalls::submit;
    // unavailable where there is no room for the headers. Then request and charge are gone.
    static Result<GrpcInference*> start(InferCalls& calls, std::shared_ptr<GrpcBudget> budget,
                                        std::unique_ptr<InferenceRequest> request,
                                        const ClientHeaders& headers, GrpcCharge charge,
                                        Owner& owner);

    // The owner hears no more; the core is asked to stop.
    void abandon();

    GrpcCharge take_charge() { return std::move(charge_); }
    InStream& in_stream() { return in_stream_; }

    void on_response(std::unique_ptr<InferenceResponse> response) override;

  private:
    const std::shared_ptr<GrpcBudget> budget_;  // shared: see GrpcCharge
    InferCalls* calls_ = nullptr;
    InferCall* call_ = nullptr;
    Owner* owner_ = nullptr;  // null: abandoned
    GrpcCharge charge_;
    InStream in_stream_;
};

}  // namespace tritonpy
