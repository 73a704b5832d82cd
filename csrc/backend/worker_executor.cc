#include "backend/worker_executor.h"

#include <chrono>
#include <climits>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/limits.h"

namespace tritonpy {

namespace {

class WorkerFactory final : public ExecutorFactory {
  public:
    WorkerFactory(const ExecutorConfig& config, const ExecutorContext& context)
        : config_(config), context_(context) {}

    Result<std::unique_ptr<Executor>> create(const InstanceSpec& instance) override {
        TRITONPY_ASSIGN_OR_RETURN(std::unique_ptr<WorkerExecutor> executor,
                                  WorkerExecutor::create(config_, context_, instance));
        return std::unique_ptr<Executor>(std::move(executor));
    }

    void update(const ExecutorConfig& config) override { config_ = config; }

  private:
    ExecutorConfig config_;
    const ExecutorContext context_;
};

// What a worker knows as its model's inputs, in its order.
std::vector<TensorSpec> inputs_of(const ExecutorConfig& config) {
    std::vector<TensorSpec> inputs = config.inputs;
    inputs.insert(inputs.end(), config.sequence_inputs.begin(), config.sequence_inputs.end());
    return inputs;
}

}  // namespace

Result<std::unique_ptr<ExecutorFactory>> make_worker_factory(const ExecutorConfig& config,
                                                             const ExecutorContext& context) {
    if (context.worker_launcher == nullptr) {
        return invalid_arg("model '" + config.model_name +
                           "' needs a worker process, but this server can start none");
    }
    return std::unique_ptr<ExecutorFactory>(std::make_unique<WorkerFactory>(config, context));
}

Result<std::unique_ptr<WorkerExecutor>> WorkerExecutor::create(const ExecutorConfig& config,
                                                               const ExecutorContext& context,
                                                               const InstanceSpec& instance) {
    auto executor = std::make_unique<WorkerExecutor>(config, context, instance);
    WorkerExecutor& self = *executor;
    if (!self.wakeup_.ok()) {
        return unavailable("no descriptor is left for instance '" + instance.name + "'");
    }
    try {
        self.keeper_.emplace("k." + instance.name, [&self] { self.keep(); });
    } catch (const std::system_error& error) {  // thrown by std::thread
        return internal_error("unable to start the keeper's thread of instance '" +
                              instance.name + "': " + error.what());
    }
    std::unique_lock lock(self.mutex_);
    self.changed_.wait(lock, [&self] { return self.first_launch_.has_value(); });
    if (!self.first_launch_->ok()) {
        return *self.first_launch_;
    }
    return executor;
}

WorkerExecutor::WorkerExecutor(const ExecutorConfig& config, const ExecutorContext& context,
                               const InstanceSpec& instance)
    : config_(config),
      context_(context),
      instance_(instance),
      timeout_ns_(config.worker_timeout_s * 1'000'000'000),
      inputs_(inputs_of(config)),
      open_(instance.name, config.decoupled),
      calls_(context.door, wakeup_) {}

WorkerExecutor::~WorkerExecutor() { stop(); }

Status WorkerExecutor::execute(Batch&) {
    return internal_error("instance '" + instance_.name + "' takes requests, not batches");
}

// ---- whoever runs batches

Status WorkerExecutor::run(Batch& batch, RequestTrace& times) {
    Session session = session_now();
    if (session == nullptr) {
        return unavailable(unhealthy_text());
    }
    TRITONPY_ASSIGN_OR_RETURN(
        const bool started, start(std::move(session), batch, times, limits::kMaxWorkerMessage));
    if (!started) {
        return invalid_arg("the requests to model '" + config_.model_name +
                           "' have parameters or dimensions of more than " +
                           std::to_string(limits::kMaxWorkerMessage) + " bytes");
    }
    while (!receive()) {
    }
    return finish(times);
}

// What is no longer than PIPE_BUF fits into a pipe that the worker has emptied.
Result<bool> WorkerExecutor::try_start(Batch& batch, RequestTrace& times) {
    Session session = session_now();
    if (session == nullptr || inputs_size(batch.requests) > limits::kMaxGuestInputs) {
        return false;
    }
    return start(std::move(session), batch, times, PIPE_BUF);
}

Result<bool> WorkerExecutor::start(Session session, Batch& batch, RequestTrace& times,
                                   size_t most_bytes) {
    TRITONPY_RETURN_IF_ERROR(open_.reserve(batch.requests.size(), keys_));
    Result<bool> sent = send_execute(*session, batch, times, most_bytes);
    if (sent.ok() && sent.value()) {
        running_ = std::move(session);
    } else {
        open_.give_up(keys_);
    }
    return sent;
}

bool WorkerExecutor::receive() {
    MessageStream& stream = running_->execute_stream();
    const bool is_open = stream.receive();
    executed_ = stream.next();
    return executed_ || !is_open || stream.broken();
}

Status WorkerExecutor::finish(RequestTrace& times) {
    const Session session = std::exchange(running_, nullptr);
    execute_start_ns_.store(0, std::memory_order_relaxed);
    Result<ExecutedMessage> executed = take_executed(*session);
    times.compute_output_start_ns = now_ns();
    if (executed.ok() && !executed.value().failure.ok()) {
        for (const OpenRequestKey& key : keys_) {
            open_.fail(key.key, executed.value().failure);
        }
        return executed.value().failure;
    }
    Status status = executed.ok() ? hand_over(*session, std::move(executed).value())
                                  : executed.status();
    if (!status.ok()) {
        retire(session);
        open_.fail_all(status);
    }
    return status;
}

WorkerExecutor::Session WorkerExecutor::session_now() {
    std::lock_guard lock(mutex_);
    return session_;
}

Result<bool> WorkerExecutor::send_execute(WorkerSession& session, Batch& batch,
                                          RequestTrace& times, size_t most_bytes) {
    BlockPlace place;
    SharedArena::Block block;
    if (uint64_t size = inputs_size(batch.requests); size > 0) {
        TRITONPY_ASSIGN_OR_RETURN(block, session.inputs().allocate(size));
        place = {block.offset, session.inputs().size()};
    }
    for (size_t index = 0; index < batch.requests.size(); ++index) {
        if (batch.requests[index]->cancellation == nullptr) {
            keys_[index].cancel_index = OpenRequestKey::kNotCancellable;
        } else {
            session.inputs().set_flag(keys_[index].cancel_index, false);
        }
    }
    encode_execute(batch.requests, keys_, inputs_, config_.outputs, place,
                   execute_message_);
    if (execute_message_.size() > most_bytes) {
        if (place.offset != 0) {
            session.inputs().take_back(block);
        }
        return false;
    }
    if (place.offset != 0) {
        copy_inputs(batch.requests, block.data);
    }
    times.compute_input_end_ns = now_ns();
    for (size_t index = 0; index < batch.requests.size(); ++index) {
        batch.requests[index]->trace.compute_input_end_ns = times.compute_input_end_ns;
        open_.put(keys_[index], std::move(batch.requests[index]));
    }
    batch.requests.clear();
    execute_start_ns_.store(times.compute_input_end_ns, std::memory_order_relaxed);
    wake_keeper_for_ticks();
    // A failure shows again when the answer is read.
    (void)session.execute_stream().send(execute_message_);
    return true;
}

void WorkerExecutor::wake_keeper_for_ticks() {
    if (!ticking_.load(std::memory_order_seq_cst)) {
        ticking_.store(true, std::memory_order_seq_cst);
        wakeup_.signal();
    }
}

Result<ExecutedMessage> WorkerExecutor::take_executed(WorkerSession& session) {
    const auto message = std::exchange(executed_, std::nullopt);
    if (!message) {
        return lost_error(session);
    }
    if (message->kind != WorkerMessageKind::kExecuted) {
        return internal_error("malformed message of a worker: EXECUTED was due");
    }
    session.set_proven();
    return decode_executed(message->body, config_.outputs);
}

Status WorkerExecutor::hand_over(WorkerSession& session, ExecutedMessage message) {
    if (message.answers.size() != keys_.size()) {
        return internal_error("malformed EXECUTED message of a worker: " +
                              std::to_string(message.answers.size()) + " answers to " +
                              std::to_string(keys_.size()) + " requests");
    }
    MessageBlocks blocks = session.blocks_of(message.arena_size);
    for (size_t index = 0; index < keys_.size(); ++index) {
        WorkerAnswer& answer = message.answers[index];
        if (answer.kind == WorkerAnswer::Kind::kOpen) {
            continue;
        }
        if (answer.kind == WorkerAnswer::Kind::kRescheduled) {
            open_.reschedule(keys_[index].key);
            continue;
        }
        TRITONPY_ASSIGN_OR_RETURN(
            auto response, WorkerSession::response_of(std::move(answer.response), blocks));
        open_.answer(keys_[index].key, std::move(response), true);
    }
    return Status();
}

bool WorkerExecutor::wait_until_healthy() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::nanoseconds(limits::kWorkerTickNs),
                             [this] { return session_ != nullptr; });
}

void WorkerExecutor::stop() {
    if (stopping_.exchange(true)) {
        return;
    }
    if (std::string waiting = open_.described(); !waiting.empty()) {
        TRITONPY_LOG(context_.log, LogLevel::kInfo,
                     "Python model instance '" + instance_.name + "' ends when it has answered " +
                         waiting);
    }
    if (!open_.wait_until_empty(limits::kWorkerFarewellNs)) {
        open_.fail_all(unavailable("model '" + config_.model_name +
                                   "' was unloaded before it answered"));
        (void)open_.wait_until_empty(limits::kWorkerFarewellNs);
    }
    {
        std::lock_guard lock(mutex_);
        state_ = State::kStopped;
    }
    changed_.notify_all();
    wakeup_.signal();
    keeper_.reset();
    calls_.close();
}

// ---- both threads

void WorkerExecutor::retire(const Session& session) {
    {
        std::lock_guard lock(mutex_);
        if (session_ == session) {
            session_ = nullptr;
            ++lost_lives_;
            if (state_ == State::kHealthy) {
                state_ = State::kStarting;
            }
        }
    }
    session->break_off();
    wakeup_.signal();
}

void WorkerExecutor::set_state(State state, Session session) {
    {
        std::lock_guard lock(mutex_);
        if (state_ != State::kStopped) {
            state_ = state;
        }
        session_ = std::move(session);
    }
    changed_.notify_all();
}

std::string WorkerExecutor::unhealthy_text() const {
    return "Stub process '" + instance_.name + "' is not healthy.";
}

Status WorkerExecutor::lost_error(const WorkerSession& session) const {
    if (session.timed_out()) {
        return internal_error("Python model instance '" + instance_.name +
                              "' did not answer within " +
                              std::to_string(config_.worker_timeout_s) +
                              " seconds and was restarted");
    }
    return internal_error(unhealthy_text());
}

}  // namespace tritonpy
