#include "model/model_instance.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "model/deferred_wakes.h"
#include "model/implicit_state.h"
#include "model/instance_set.h"
#include "model/output_check.h"

namespace tritonpy {

ModelInstance::ModelInstance(const InstanceSpec& spec, size_t index,
                             std::unique_ptr<Executor> executor, const InstanceContext& context)
    : spec_(spec),
      index_(index),
      context_(context),
      cell_(context.stats.add_cell()),
      outlet_(context.identity, context.scheduler, context.stats, cell_, context.in_flight,
              context.clock),
      executor_(std::move(executor)),
      requests_(executor_->request_executor()),
      takes_guests_(requests_ != nullptr && !context.scheduler.has_lanes()) {
    if (requests_ != nullptr) {
        requests_->open(outlet_);
    }
}

ModelInstance::~ModelInstance() { context_.stats.release_cell(cell_); }

Status ModelInstance::start() {
    try {
        thread_.emplace(name(), [this] { loop(); });
    } catch (const std::system_error& error) {  // thrown by std::thread
        return internal_error("unable to start the thread of instance '" + name() +
                              "': " + error.what());
    }
    return Status();
}

void ModelInstance::join() {
    stopping_.store(true, std::memory_order_relaxed);
    thread_.reset();
    if (requests_ != nullptr) {
        requests_->stop();
    }
}

// Before a pull siblings may do the work. Its model may also have died while it slept over an empty
// queue: then what it was woken for waits for the successor.
void ModelInstance::wait_until_healthy() {
    tell_health();
    while (!executor_->healthy() && !requests_->wait_until_healthy() &&
           !stopping_.load(std::memory_order_relaxed) &&
           (!requests_->hopeless() || (!busy() && context_.siblings.any_healthy()))) {
    }
    tell_health();
}

// What a model that died knew of sequences is gone, and so are those that are in hand.
void ModelInstance::tell_health() {
    const bool healthy = executor_->healthy();
    const uint64_t deaths = requests_->deaths();
    if (deaths == seen_deaths_ && healthy == was_healthy_) {
        return;
    }
    const Status lost = unavailable("Stub process '" + name() + "' is not healthy.");
    if (deaths != seen_deaths_) {
        context_.scheduler.set_available(index_, false, lost, dropped_);
        answer_dropped();
        const bool has_sequences = std::ranges::any_of(batch_.requests, [](const auto& request) {
            return request->sequence_slot != InferenceRequest::kNoSlot;
        });
        if (has_sequences) {
            refuse_batch(lost);
            context_.scheduler.executed(index_);
        }
    }
    context_.scheduler.set_available(index_, healthy, lost, dropped_);
    seen_deaths_ = deaths;
    was_healthy_ = healthy;
}

void ModelInstance::loop() {
    Pull pull;
    while (pull.kind != Pull::Kind::kStopped) {
        if (requests_ != nullptr) {
            wait_until_healthy();
        }
        pull = context_.scheduler.pull(index_, takes_guests_ ? &seat_ : nullptr, batch_, dropped_);
        answer_dropped();
        if (requests_ != nullptr && busy() && !running_) {
            wait_until_healthy();  // which may refuse the batch
        }
        if (busy()) {
            begin();
            complete();
        }
    }
}

Pull ModelInstance::take() {
    TRITONPY_CHECK(!busy());
    Pull pull = context_.scheduler.try_pull(index_, context_.clock.now_ns(), batch_, dropped_);
    answer_dropped();
    if (busy()) {
        begin();
    }
    return pull;
}

Pull ModelInstance::run_once() {
    Pull pull = take();
    if (busy()) {
        complete();
    }
    return pull;
}

void ModelInstance::run_until_stopped() {
    if (busy()) {
        complete();
    }
    while (run_once().kind != Pull::Kind::kStopped) {
    }
    join();
}

void ModelInstance::begin() {
    if (running_) {
        return;  // a guest has done it
    }
    stamp(&RequestTrace::compute_start_ns);
    if (requests_ != nullptr) {
        return;  // which takes them as they are
    }
    gathered_ = context_.padding ? gather_padded(*context_.padding, batch_, context_.pool)
                                 : gather_inputs(batch_, context_.pool);
    if (gathered_.ok()) {
        gathered_ = add_batch_inputs(context_.batch_inputs, batch_, context_.pool);
    }
    stamp(&RequestTrace::compute_input_end_ns);
}

void ModelInstance::complete_requests() {
    DeferredWakes wakes;
    DeferredWakes::Burst burst(wakes);  // its answers come together, when all have run
    RequestTrace times = running_ ? *running_ : batch_.requests.front()->trace;
    while (running_ && !requests_->receive()) {
    }
    const Status status = running_ ? requests_->finish(times) : requests_->run(batch_, times);
    end_requests(status, times);
}

void ModelInstance::end_requests(const Status& status, RequestTrace times) {
    running_.reset();
    if (status.ok()) {
        times.compute_end_ns = context_.clock.now_ns();
        cell_.count_execution(batch_.rows, times);
    } else {
        refuse_batch(status);
    }
    batch_.clear();
}

// Fails what is left of the batch.
void ModelInstance::refuse_batch(const Status& status) {
    discard_nulls();
    if (size_t refused = batch_.requests.size(); refused > 0) {
        answer_failed(status, FailureReason::kBackend);
        context_.in_flight.remove(refused);
    }
    batch_.clear();
}

void ModelInstance::complete() {
    if (requests_ != nullptr) {
        complete_requests();
    } else {
        complete_gathered();
    }
    context_.scheduler.executed(index_);
}

void ModelInstance::complete_gathered() {
    Status status = std::exchange(gathered_, Status());
    FailureReason reason = FailureReason::kOther;
    if (status.ok()) {
        reason = FailureReason::kBackend;
        status = execute();
    }
    // Requests go home with all references on their buffers, which may not be let go on this
    // thread.
    batch_.inputs.clear();
    batch_.outputs.clear();
    discard_nulls();
    const size_t requests = batch_.requests.size();
    if (status.ok()) {
        answer_executed();
    } else {
        answer_failed(status, reason);
    }
    batch_.clear();
    context_.in_flight.remove(requests);
}

Status ModelInstance::execute() {
    TRITONPY_RETURN_IF_ERROR(executor_->execute(batch_));
    stamp(&RequestTrace::compute_output_start_ns);
    bool batching = context_.identity->max_batch_size > 0;
    TRITONPY_RETURN_IF_ERROR(
        keep_states(context_.identity->name, context_.states, batching, batch_));
    TRITONPY_RETURN_IF_ERROR(check_outputs(*context_.identity, batch_));
    TRITONPY_RETURN_IF_ERROR(scatter_outputs(batch_, batching, outputs_of_request_,
                                             context_.identity->outputs));
    if (context_.padding) {
        TRITONPY_RETURN_IF_ERROR(
            cut_padding(*context_.padding, batch_, outputs_of_request_, context_.pool));
    }
    stamp(&RequestTrace::compute_end_ns);
    return Status();
}

// Requests that only filled the batch up, with their outputs; batch_.rows still counts them.
void ModelInstance::discard_nulls() {
    size_t kept = 0;
    for (size_t index = 0; index < batch_.requests.size(); ++index) {
        if (batch_.requests[index]->is_null) {
            continue;
        }
        std::swap(batch_.requests[kept], batch_.requests[index]);
        if (index < outputs_of_request_.size()) {
            std::swap(outputs_of_request_[kept], outputs_of_request_[index]);
        }
        ++kept;
    }
    batch_.requests.resize(kept);
}

void ModelInstance::answer_executed() {
    cell_.count_executed(batch_);
    DeferredWakes wakes;
    DeferredWakes::Burst burst(wakes);
    for (size_t index = 0; index < batch_.requests.size(); ++index) {
        context_.stats.count_first_response(*batch_.requests[index], context_.clock);
        auto response = final_response(context_.identity, std::move(batch_.requests[index]));
        response->outputs = std::move(outputs_of_request_[index]);
        response->parameters = batch_.response_parameters;
        context_.scheduler.deliver(std::move(response));
    }
}

void ModelInstance::answer_failed(const Status& status, FailureReason reason) {
    for (std::vector<Tensor>& outputs : outputs_of_request_) {
        outputs.clear();  // what a scatter that failed half-way has left
    }
    int64_t now_ns = context_.clock.now_ns();
    for (auto& request : batch_.requests) {
        context_.stats.count_failure(reason, now_ns - request->trace.request_start_ns);
        context_.stats.count_first_response(*request, context_.clock);
        auto response = final_response(context_.identity, std::move(request));
        response->status = status;
        context_.scheduler.deliver(std::move(response));
    }
}

void ModelInstance::answer_dropped() {
    tritonpy::answer_dropped(dropped_, {context_.identity, context_.scheduler, context_.stats,
                                        context_.in_flight, context_.clock});
}

void ModelInstance::stamp(int64_t RequestTrace::*station) {
    int64_t now_ns = context_.clock.now_ns();
    for (auto& request : batch_.requests) {
        request->trace.*station = now_ns;
    }
}

// ---- a guest

void ModelInstance::drive(InstanceHost& host) {
    if (!executor_->healthy() || requests_->deaths() != seen_deaths_) {
        seat_.hand_back({});  // its thread knows what is to be done
        return;
    }
    Scheduler& scheduler = context_.scheduler;
    const Pull pull = scheduler.try_pull(index_, context_.clock.now_ns(), batch_, dropped_);
    answer_dropped();
    switch (pull.kind) {
        case Pull::Kind::kBatch:
            if (std::optional<Pull> rest = start_batch(host)) {
                seat_.hand_back(*rest);
            }
            return;
        case Pull::Kind::kIdle:
            seat_.give_up();
            return;
        case Pull::Kind::kWait:
            seat_.give_up();
            scheduler.wake();  // somebody's sleep is to end in time
            return;
        case Pull::Kind::kStopped:
            seat_.hand_back(pull);
            return;
    }
}

std::optional<Pull> ModelInstance::start_batch(InstanceHost& host) {
    begin();
    RequestTrace times = batch_.requests.front()->trace;
    const Result<bool> started = requests_->try_start(batch_, times);
    if (!started.ok()) {
        end_requests(started.status(), times);
        context_.scheduler.executed(index_);
        return Pull{};
    }
    if (!started.value()) {
        return Pull{.kind = Pull::Kind::kBatch};
    }
    running_ = times;
    if (!host.watch(*this)) {
        return Pull{.kind = Pull::Kind::kBatch};
    }
    return std::nullopt;
}

void ModelInstance::finish() {
    RequestTrace times = *running_;
    const Status status = requests_->finish(times);
    end_requests(status, times);
    context_.scheduler.executed(index_);
    if (status.ok()) {
        seat_.give_up();
    } else {
        seat_.hand_back({});  // perhaps the model has died
    }
}

}  // namespace tritonpy
