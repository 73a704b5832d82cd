#include "bindings/completion_queue.h"

#include <pybind11/pybind11.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "base/check.h"

namespace tritonpy {

CompletionQueue::CompletionQueue(std::shared_ptr<InferenceServer> server)
    : server_(std::move(server)), event_descriptor_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    TRITONPY_CHECK(event_descriptor_ >= 0);
}

CompletionQueue::~CompletionQueue() {
    close();
    ::close(event_descriptor_);
}

void CompletionQueue::deliver(std::unique_ptr<InferenceResponse> response) {
    bool final = response->final;
    bool was_empty = false;
    {
        std::lock_guard lock(mutex_);
        was_empty = delivered_.empty();
        delivered_.push_back(std::move(response));
    }
    if (was_empty) {
        eventfd_write(event_descriptor_, 1);
    }
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
    eventfd_t count = 0;
    eventfd_read(event_descriptor_, &count);
    std::lock_guard lock(mutex_);
    return std::exchange(delivered_, {});
}

void CompletionQueue::close() { in_flight_.close_and_wait(); }

void CloseWithoutGil::operator()(CompletionQueue* queue) const {
    std::unique_ptr<CompletionQueue> owned(queue);
    pybind11::gil_scoped_release release;
    owned->close();
}

}  // namespace tritonpy
