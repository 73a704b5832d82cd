// The keeper's half of WorkerExecutor: launching, serving and burying workers.
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "backend/worker_executor.h"
#include "base/limits.h"

namespace tritonpy {

namespace {

// Ticks without an open request after which the keeper sleeps until it is woken.
constexpr uint32_t kQuietTicks = 20;

int64_t restart_delay_ns(uint32_t deaths) {
    if (deaths == 0) {
        return 0;
    }
    int64_t delay_ns = limits::kFirstRestartDelayNs;
    for (uint32_t i = 1; i < deaths && delay_ns < limits::kLongestRestartDelayNs; ++i) {
        delay_ns *= 2;
    }
    return std::min(delay_ns, limits::kLongestRestartDelayNs);
}

}  // namespace

void WorkerExecutor::keep() {
    bool first = true;
    while (live_once(first)) {
        first = false;
        wait_before_restart();
        if (stopping_) {
            return;
        }
    }
}

// One life of a worker, from launch to burial. Whether there shall be another.
bool WorkerExecutor::live_once(bool first) {
    Result<LaunchedWorker> launched = context_.worker_launcher->launch(config_.worker, instance_);
    Result<Session> session = launched.ok() ? WorkerSession::over(launched.value())
                                            : Result<Session>(launched.status());
    if (!session.ok()) {
        if (launched.ok()) {
            (void)context_.worker_launcher->ended(launched.value().pid);
        }
        ++deaths_;
        if (!first) {
            TRITONPY_LOG(context_.log, LogLevel::kError,
                         "Python model instance '" + instance_.name +
                             "' could not be started again: " +
                             std::string(session.status().message()));
            set_state(State::kFailing, nullptr);
            return !stopping_;
        }
    } else {
        set_state(State::kHealthy, session.value());
        if (!first) {
            context_.worker_launcher->health_changed();
        }
    }
    if (first) {
        std::lock_guard lock(mutex_);
        first_launch_ = session.status();
        changed_.notify_all();
    }
    if (!session.ok()) {
        return false;
    }
    int64_t born_ns = now_ns();
    serve(*session.value());
    bool proven = session.value()->proven() ||
                  now_ns() - born_ns > limits::kWorkerProvenAfterNs;
    deaths_ = proven ? 0 : deaths_ + 1;
    bury(session.value());
    return !stopping_;
}

void WorkerExecutor::serve(WorkerSession& session) {
    quiet_ticks_ = 0;
    while ((!stopping_ || open_.count() > 0) && !session.is_broken_off()) {
        calls_.drain(session);
        if (!session.calls_stream().flush()) {
            return;
        }
        if (sleep(session) && !serve_calls(session)) {
            return;
        }
    }
}

// Sleeps until something is to be done. Whether there may be something to read.
bool WorkerExecutor::sleep(WorkerSession& session) {
    const bool ticks = ticking_.load(std::memory_order_seq_cst);
    const MessageStream& stream = session.calls_stream();
    const bool unread = stream.has_unsent();  // then no answer is of interest
    if (!calls_.arm() && !unread) {
        return true;
    }
    pollfd watched[] = {{wakeup_.descriptor(), POLLIN, 0},
                        {stream.descriptor(), POLLIN, 0},
                        {stream.writing_descriptor(), POLLOUT, 0}};
    constexpr int kTickMs = static_cast<int>(limits::kWorkerTickNs / 1'000'000);
    int ready = poll(watched, unread ? 3 : 2, ticks ? kTickMs : -1);
    wakeup_.disarm();
    if (watched[0].revents != 0) {
        wakeup_.acknowledge();
    }
    if (int64_t steady_ns = SteadyClock().now_ns();
        ticks && (ready == 0 || steady_ns - last_tick_ns_ >= limits::kWorkerTickNs)) {
        last_tick_ns_ = steady_ns;
        tick(session);
    }
    return watched[1].revents != 0;
}

// Takes what the worker said. False when it has gone.
bool WorkerExecutor::serve_calls(WorkerSession& session) {
    MessageStream& stream = session.calls_stream();
    if (!stream.receive()) {
        return false;
    }
    while (std::optional<MessageStream::Message> message = stream.next()) {
        if (Status status = take_message(session, *message); !status.ok()) {
            TRITONPY_LOG(context_.log, LogLevel::kError,
                         "Python model instance '" + instance_.name + "': " +
                             std::string(status.message()));
            return false;
        }
    }
    return !stream.broken();
}

Status WorkerExecutor::take_message(WorkerSession& session,
                                    const MessageStream::Message& message) {
    switch (message.kind) {
        case WorkerMessageKind::kResponse: {
            TRITONPY_ASSIGN_OR_RETURN(ResponseMessage response,
                                      decode_response(message.body, config_.outputs));
            return take_response(session, std::move(response));
        }
        case WorkerMessageKind::kInfer: {
            TRITONPY_ASSIGN_OR_RETURN(InferMessage infer, decode_infer(message.body));
            return calls_.start(std::move(infer), session);
        }
        case WorkerMessageKind::kCancel: {
            TRITONPY_ASSIGN_OR_RETURN(uint64_t call, decode_cancel(message.body));
            calls_.cancel(call, session);
            return Status();
        }
        case WorkerMessageKind::kRead: {
            TRITONPY_ASSIGN_OR_RETURN(ReadMessage read, decode_read(message.body));
            calls_.take_read(read, session);
            return Status();
        }
        default:
            return internal_error("malformed message of a worker: its kind has no place here");
    }
}

Status WorkerExecutor::take_response(WorkerSession& session, ResponseMessage message) {
    std::unique_ptr<InferenceResponse> response;
    if (message.response) {
        MessageBlocks blocks = session.blocks_of(message.arena_size);
        TRITONPY_ASSIGN_OR_RETURN(
            response, WorkerSession::response_of(*std::move(message.response), blocks));
        session.set_proven();
    }
    if (response != nullptr || message.final) {
        open_.answer(message.key, std::move(response), message.final);
    }
    if (message.reschedules) {
        open_.reschedule(message.key);
    }
    return Status();
}

void WorkerExecutor::tick(WorkerSession& session) {
    open_.look_for_cancelled(session.inputs());
    const int64_t start_ns = execute_start_ns_.load(std::memory_order_relaxed);
    if (timeout_ns_ > 0 && start_ns != 0 && now_ns() - start_ns > timeout_ns_ &&
        !session.timed_out()) {
        session.set_timed_out();
        context_.worker_launcher->kill(session.pid());
    }
    quiet_ticks_ = open_.count() > 0 ? 0 : quiet_ticks_ + 1;
    if (quiet_ticks_ >= kQuietTicks) {
        quiet_ticks_ = 0;
        ticking_.store(false, std::memory_order_seq_cst);
        if (open_.count() > 0) {  // it was put before it could see that we stop
            ticking_.store(true, std::memory_order_seq_cst);
        }
    }
}

void WorkerExecutor::bury(const Session& session) {
    const bool wanted = stopping_ && open_.count() == 0;
    if (wanted) {
        set_state(State::kStopped, nullptr);
        session->execute_stream().finish();  // the model's finalize may still call and log
    } else {
        retire(session);
        context_.worker_launcher->health_changed();
        context_.worker_launcher->kill(session->pid());  // nobody hears what it still does
        open_.fail_all(lost_error(*session));
    }
    calls_.abandon();
    std::string how = context_.worker_launcher->ended(session->pid());
    if (!wanted) {
        TRITONPY_LOG(context_.log, LogLevel::kError,
                     "Python model instance '" + instance_.name + "': its worker (process " +
                         std::to_string(session->pid()) + ") has ended: " + how);
    }
}

void WorkerExecutor::wait_before_restart() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::nanoseconds(restart_delay_ns(deaths_)),
                      [this] { return state_ == State::kStopped; });
}

}  // namespace tritonpy
