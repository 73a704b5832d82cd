#include "backend/worker_calls.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/limits.h"
#include "memory/shared_arena.h"

namespace tritonpy {

namespace {

// Answers are sent in pieces of about so many bytes of messages.
constexpr size_t kSentTogether = size_t{16} << 10;

// What an answer takes of the room for unread ones: a small one has a block of its own, too.
uint64_t charge_of(const InferenceResponse& response) {
    return std::max(outputs_size(response), uint64_t{SharedArena::kSmallestBlock});
}

// Travels with a call's request, so that the box is there for as long as the server has that.
struct CallInServer : Cancellation {
    std::shared_ptr<AnswerBox> box;  // shared, see AnswerBox
};

}  // namespace

Status WorkerCalls::start(InferMessage message, WorkerSession& session) {
    MessageBlocks blocks = session.blocks_of(message.arena_size);
    TRITONPY_RETURN_IF_ERROR(
        blocks.place(message.block, std::move(message.inputs), message.request->inputs));
    uint64_t handle = message.call;
    Status status = submit(message, ++last_tag_);
    if (!status.ok()) {
        auto answer = std::make_unique<InferenceResponse>();
        answer->status = std::move(status);
        queue_answer({handle}, std::move(answer), session);
    }
    return Status();
}

Status WorkerCalls::check(InferMessage& message) const {
    InferenceRequest& request = *message.request;
    const std::string& name = request.model_name;
    if (door_ == nullptr) {
        return unavailable("this server runs no models for other models");
    }
    if (calls_.size() >= limits::kMaxWorkerCalls) {
        return unavailable("too many inference requests of one model instance are under way");
    }
    auto model = door_->model_identity(name, request.model_version);
    if (model.ok() && !message.version_label.empty()) {
        TRITONPY_ASSIGN_OR_RETURN(request.model_version,
                                  door_->labelled_version(name, message.version_label));
        model = door_->model_identity(name, request.model_version);
    }
    if (!model.ok()) {
        return Status(model.status().code(),
                      "Failed for execute the inference request. Model '" + name +
                          "' is not ready.");
    }
    if (model.value()->decoupled && !message.decoupled_allowed) {
        return unsupported(
            "Model " + name +
            " is using the decoupled. The current BLS request call doesn't support models using "
            "the decoupled transaction policy. Please use 'decoupled=True' argument to the "
            "'exec' or 'async_exec' calls for decoupled models.'");
    }
    return Status();
}

Status WorkerCalls::submit(InferMessage& message, uint64_t tag) {
    TRITONPY_RETURN_IF_ERROR(check(message));
    InferenceRequest& request = *message.request;
    auto state = std::make_shared<CallInServer>();
    state->box = box_;
    request.sink = box_.get();
    request.tag = tag;
    request.cancellation = state;
    calls_.emplace(tag, Call{message.call, std::move(state), 0, {}});
    Status status = door_->infer(message.request);
    if (!status.ok()) {
        calls_.erase(tag);
    }
    return status;
}

WorkerCalls::Calls::iterator WorkerCalls::call_of(uint64_t handle) {
    return std::find_if(calls_.begin(), calls_.end(),
                        [handle](const auto& one) { return one.second.handle == handle; });
}

void WorkerCalls::cancel(uint64_t handle, WorkerSession& session) {
    if (auto call = call_of(handle); call != calls_.end()) {
        call->second.cancellation->requested.store(true, std::memory_order_relaxed);
        send_answers(call, session);
    }
}

void WorkerCalls::take_read(const ReadMessage& message, WorkerSession& session) {
    if (auto call = call_of(message.call); call != calls_.end()) {
        uint64_t& unread = call->second.unread;
        unread -= std::min(unread, message.charge);
        send_answers(call, session);
    }
}

void AnswerBox::deliver(std::unique_ptr<InferenceResponse> response) {
    const std::shared_ptr<AnswerBox> self = shared_from_this();  // the response may be the last
    answers_.push(std::move(response));
}

void WorkerCalls::drain(WorkerSession& session) {
    MessageStream& stream = session.calls_stream();
    while (!stream.has_unsent() || stream.queue().size() < kSentTogether || send_some(stream)) {
        std::unique_ptr<InferenceResponse> response = next();
        if (response == nullptr) {
            return;
        }
        auto call = calls_.find(response->tag);
        if (call == calls_.end()) {
            continue;  // of a worker that has died
        }
        if (call->second.waiting.size() >= kMaxWaiting) {
            give_up(call->second, *response);
        }
        call->second.waiting.push_back(std::move(response));
        send_answers(call, session);
    }
}

void WorkerCalls::give_up(Call& call, InferenceResponse& latest) const {
    call.cancellation->requested.store(true, std::memory_order_relaxed);
    call.waiting.clear();
    latest.outputs.clear();
    latest.final = true;
    latest.status = unavailable("model '" + latest.model->name + "' has answered " +
                                std::to_string(kMaxWaiting) +
                                " times more than the model that asked it has read");
}

void WorkerCalls::send_answers(Calls::iterator place, WorkerSession& session) {
    Call& call = place->second;
    const bool wanted = !call.cancellation->requested.load(std::memory_order_relaxed);
    while (!call.waiting.empty() && (call.unread < kMaxUnread || !wanted)) {
        std::unique_ptr<InferenceResponse> response = std::move(call.waiting.front());
        call.waiting.pop_front();
        const bool final = response->final;
        if (wanted || final) {
            const AnswerKey key{call.handle, charge_of(*response)};
            call.unread += key.charge;
            queue_answer(key, std::move(response), session);
        }
        if (final) {
            calls_.erase(place);
            return;
        }
    }
}

// Whether the worker has read enough to be told more. A stream that fails shows when it is read.
bool WorkerCalls::send_some(MessageStream& stream) {
    return stream.flush() && !stream.has_unsent();
}

std::unique_ptr<InferenceResponse> WorkerCalls::next() {
    if (next_ == taken_.size()) {
        taken_.clear();
        next_ = 0;
        if (!box_->answers().take_all(taken_)) {
            return nullptr;
        }
    }
    return std::move(taken_[next_++]);
}

void WorkerCalls::queue_answer(AnswerKey key, std::unique_ptr<InferenceResponse> response,
                               WorkerSession& session) {
    BlockPlace place;
    if (uint64_t size = outputs_size(*response); size > 0) {
        auto block = session.inputs().allocate(size);
        if (block.ok()) {
            copy_outputs(*response, block.value().data);
            place = {block.value().offset, session.inputs().size()};
        } else {
            response->status = block.status();
            response->outputs.clear();
        }
    }
    encode_answer(key, *response, place, session.calls_stream().queue());
}

void WorkerCalls::abandon() {
    for (auto& [tag, call] : calls_) {
        call.cancellation->requested.store(true, std::memory_order_relaxed);
    }
    calls_.clear();
    taken_.clear();
    next_ = 0;
}

void WorkerCalls::close() {
    abandon();
    box_->answers().close();
}

}  // namespace tritonpy
