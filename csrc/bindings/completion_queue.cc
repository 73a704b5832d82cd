#include "bindings/completion_queue.h"

#include <pybind11/pybind11.h>

#include <iterator>
#include <utility>

#include "base/check.h"

namespace tritonpy {

CompletionQueue::CompletionQueue(std::shared_ptr<InferenceServer> server)
    : server_(std::move(server)), delivered_(wakeup_) {
    TRITONPY_CHECK(wakeup_.ok());
    delivered_.arm();  // its reader sleeps from the start
}

CompletionQueue::~CompletionQueue() { close(); }

void CompletionQueue::deliver(std::unique_ptr<InferenceResponse> response) {
    bool final = response->final;
    delivered_.push(std::move(response));
    if (final) {
        in_flight_.leave();  // last: the queue may go as soon as nobody is inside
    }
}

Result<uint64_t> CompletionQueue::submit(std::unique_ptr<InferenceRequest> request) {
    if (!in_flight_.try_enter()) {
        return unavailable("the completion queue is closed");
    }
    // Leaves again unless the core took the request, also when the machine has no memory left.
    struct LeaveUnlessTaken {
        Gate& gate;
        std::unique_ptr<InferenceRequest>& request;
        ~LeaveUnlessTaken() {
            if (request != nullptr) {
                gate.leave();
            }
        }
    } guard{in_flight_, request};
    uint64_t tag = ++last_tag_;
    request->sink = this;
    request->tag = tag;
    TRITONPY_RETURN_IF_ERROR(server_->infer(request));
    return tag;
}

std::vector<std::unique_ptr<InferenceResponse>> CompletionQueue::drain() {
    wakeup_.acknowledge();
    std::vector<std::unique_ptr<InferenceResponse>> taken;
    delivered_.take_all(taken);
    while (!delivered_.arm()) {
        std::vector<std::unique_ptr<InferenceResponse>> more;
        delivered_.take_all(more);
        taken.insert(taken.end(), std::make_move_iterator(more.begin()),
                     std::make_move_iterator(more.end()));
    }
    return taken;
}

void CompletionQueue::close() { in_flight_.close_and_wait(); }

void CloseWithoutGil::operator()(CompletionQueue* queue) const {
    std::unique_ptr<CompletionQueue> owned(queue);
    pybind11::gil_scoped_release release;
    owned->close();
}

}  // namespace tritonpy
