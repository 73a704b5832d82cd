#include "frontend/infer_calls.h"

#include <bit>
#include <utility>

#include "base/check.h"

namespace tritonpy {

namespace {

// A call is found again by the tag of its responses, which is its address.
uint64_t tag_of(const InferCall& call) {
    return static_cast<uint64_t>(std::bit_cast<uintptr_t>(&call));
}
InferCall& call_of(uint64_t tag) {
    return *std::bit_cast<InferCall*>(static_cast<uintptr_t>(tag));
}

}  // namespace

InferCalls::InferCalls(EventLoop& loop, InferenceServer& server)
    : loop_(loop), server_(server), driven_(loop), delivered_(loop.wakeup()) {
    loop.add_source(*this);
}

InferCalls::~InferCalls() { TRITONPY_CHECK(in_flight_.holders() == 0); }

Result<InferCall*> InferCalls::submit(std::unique_ptr<InferenceRequest> request,
                                      ResponseReceiver& receiver) {
    if (!in_flight_.try_enter()) {
        return unavailable("the front end is closed");
    }
    std::unique_ptr<InferCall> call;
    if (free_.empty()) {
        call = std::make_unique<InferCall>();
    } else {
        call = std::move(free_.back());
        free_.pop_back();
    }
    if (call->cancellation_ == nullptr) {
        call->cancellation_ = std::make_shared<Cancellation>();
    }
    call->receiver_ = &receiver;
    request->sink = this;
    request->tag = tag_of(*call);
    request->cancellation = call->cancellation_;
    Status status = server_.infer(request, wakes_);
    if (!status.ok()) {
        request.reset();
        give_back(std::move(call));
        in_flight_.leave();
        return status;
    }
    if (unwoken_++ == 0) {
        loop_.call_at_turn_end(*this);
    } else if (unwoken_ % limits::kMaxUnwoken == 0) {
        wakes_.wake_all(&driven_);
    }
    return call.release();  // call_of finds it again; drain owns it from the final response on
}

void InferCalls::cancel(InferCall& call) {
    call.receiver_ = nullptr;
    ask_to_stop(call);
}

void InferCalls::ask_to_stop(InferCall& call) {
    call.cancellation_->requested.store(true, std::memory_order_relaxed);
}

void InferCalls::hand_back_all() { driven_.hand_back_all(); }

void InferCalls::close_and_wait() { in_flight_.close_and_wait(); }

void InferCalls::deliver(std::unique_ptr<InferenceResponse> response) {
    bool final = response->final;
    delivered_.push(std::move(response));
    if (final) {
        in_flight_.leave();  // last: this may be freed as soon as nobody is inside
    }
}

bool InferCalls::drain() {
    if (!delivered_.take_all(taken_)) {
        return false;
    }
    for (std::unique_ptr<InferenceResponse>& response : taken_) {
        InferCall& call = call_of(response->tag);
        ResponseReceiver* receiver = call.receiver_;
        if (response->final) {
            response->request->cancellation.reset();  // so that the call can use it again
            give_back(std::unique_ptr<InferCall>(&call));
        }
        if (receiver != nullptr) {
            receiver->on_response(std::move(response));
        }
    }
    taken_.clear();
    return true;
}

bool InferCalls::arm() { return delivered_.arm(); }

void InferCalls::on_turn_end() {
    unwoken_ = 0;
    wakes_.wake_all(&driven_);
}

void InferCalls::give_back(std::unique_ptr<InferCall> call) {
    call->receiver_ = nullptr;
    // A cancelled request may still be looked at by whoever holds its flag.
    if (call->cancellation_->requested.load(std::memory_order_relaxed) ||
        call->cancellation_.use_count() > 1) {
        call->cancellation_.reset();
    }
    if (free_.size() < limits::kMaxFreeCalls) {
        free_.push_back(std::move(call));
    }
}

}  // namespace tritonpy
