#include "bindings/completion_queue.h"

#include <pybind11/pybind11.h>

#include <bit>
#include <utility>

#include "base/check.h"
#include "base/limits.h"
#include "frontend/held_bytes.h"

namespace tritonpy {

namespace {

// What a response holds beside its tensors: its objects here and in Python, and the rest of the
// block that a small tensor lies in.
constexpr size_t kResponseOverhead = 4 << 10;

CompletionCall& call_of(uint64_t tag) {
    return *std::bit_cast<CompletionCall*>(static_cast<uintptr_t>(tag));
}

size_t held_by(const InferenceResponse& response) {
    size_t size = kResponseOverhead;
    for (const Tensor& output : response.outputs) {
        size += output.data.size();
    }
    return size;
}

}  // namespace

uint64_t CompletionCall::tag() const {
    return static_cast<uint64_t>(std::bit_cast<uintptr_t>(this));
}

CompletionShare::CompletionShare(CompletionCall& call, size_t size)
    : call_(call.shared_from_this()),
      size_(size),
      counted_by_all_(call.held_by_all_->try_add(size)) {
    size_t before = call.held_.fetch_add(size, std::memory_order_relaxed);
    fits_ = before == 0 || (counted_by_all_ && before + size <= limits::kMaxHeldPerConnection);
}

CompletionShare::~CompletionShare() {
    if (call_ == nullptr) {
        return;
    }
    call_->held_.fetch_sub(size_, std::memory_order_relaxed);
    if (counted_by_all_) {
        call_->held_by_all_->remove(size_);
    }
}

CompletionQueue::CompletionQueue(std::shared_ptr<InferenceServer> server,
                                 std::shared_ptr<const HeaderPattern> forwarded)
    : server_(std::move(server)), forwarded_(std::move(forwarded)), delivered_(wakeup_) {
    TRITONPY_CHECK(wakeup_.ok());
    delivered_.arm();  // its reader sleeps from the start
}

CompletionQueue::~CompletionQueue() { close(); }

void CompletionQueue::deliver(std::unique_ptr<InferenceResponse> response) {
    bool final = response->final;
    CompletionCall& call = call_of(response->tag);
    if (!final && call.cut_off_.load(std::memory_order_relaxed)) {
        return;
    }
    std::shared_ptr<CompletionCall> shared =
        final ? std::move(call.in_core_) : call.shared_from_this();
    CompletionShare share(call, held_by(*response));
    if (final || share.fits()) {
        delivered_.push({std::move(shared), std::move(share), std::move(response)});
    } else {
        cut_off(shared, *response);
    }
    if (final) {
        in_flight_.leave();  // last: the queue may go as soon as nobody is inside
    }
}

void CompletionQueue::cut_off(const std::shared_ptr<CompletionCall>& call,
                              const InferenceResponse& too_much) {
    call->cut_off_.store(true, std::memory_order_relaxed);
    call->cancellation->requested.store(true, std::memory_order_relaxed);
    auto farewell = std::make_unique<InferenceResponse>();
    farewell->status = reads_too_slowly(call->held_.load(std::memory_order_relaxed));
    farewell->model = too_much.model;
    farewell->tag = too_much.tag;
    delivered_.push({call, CompletionShare(*call, held_by(*farewell)), std::move(farewell)});
}

Status CompletionQueue::submit(std::unique_ptr<InferenceRequest> request, CompletionCall& call) {
    if (!in_flight_.try_enter()) {
        return unavailable("the completion queue is closed");
    }
    // Leaves again unless the core took the request, also when the machine has no memory left.
    struct LeaveUnlessTaken {
        Gate& gate;
        CompletionCall& call;
        std::unique_ptr<InferenceRequest>& request;
        ~LeaveUnlessTaken() {
            if (request != nullptr) {
                call.in_core_.reset();
                gate.leave();
            }
        }
    } guard{in_flight_, call, request};
    call.held_by_all_ = held_;
    call.in_core_ = call.shared_from_this();
    request->sink = this;
    request->tag = call.tag();
    request->cancellation = call.cancellation;
    return server_->infer(request);
}

std::vector<Completion> CompletionQueue::drain() {
    wakeup_.acknowledge();
    std::vector<Completion> taken;
    std::vector<Completion> more;
    do {
        delivered_.take_all(more);
        for (Completion& completion : more) {
            // Who was cut off has heard the last already; the request comes home all the same.
            bool heard = completion.response->request != nullptr &&
                         completion.call->cut_off_.load(std::memory_order_relaxed);
            if (!heard) {
                taken.push_back(std::move(completion));
            }
        }
        more.clear();
    } while (!delivered_.arm());
    return taken;
}

void CompletionQueue::close() { in_flight_.close_and_wait(); }

void CloseWithoutGil::operator()(CompletionQueue* queue) const {
    std::unique_ptr<CompletionQueue> owned(queue);
    pybind11::gil_scoped_release release;
    owned->close();
}

}  // namespace tritonpy
