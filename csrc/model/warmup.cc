#include "model/warmup.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <utility>

#include "infer/batch.h"
#include "model/request_check.h"

namespace tritonpy {

namespace {

// Takes the answers of one batch and keeps what failed.
// Threads: thread-safe.
class WarmupOutlet final : public ResponseOutlet {
  public:
    void respond(const InferenceRequest&, std::unique_ptr<InferenceResponse> response) override {
        note(response.get(), 0);
    }
    // (A model may want to see a sample again: nobody waits for what comes of it.)
    void reschedule(std::unique_ptr<InferenceRequest>) override { note(nullptr, 1); }
    void finish(std::unique_ptr<InferenceRequest>,
                std::unique_ptr<InferenceResponse> response) override {
        note(response.get(), 1);
    }

    // Blocks until `count` requests more have had their last answer; what went wrong with them.
    std::vector<std::string> wait_for(size_t count) {
        std::unique_lock lock(mutex_);
        came_.wait(lock, [&] { return finished_ == count; });
        finished_ = 0;
        return std::exchange(errors_, {});
    }

  private:
    void note(const InferenceResponse* response, size_t finished) {
        std::lock_guard lock(mutex_);
        if (response != nullptr && !response->status.ok()) {
            errors_.emplace_back(response->status.message());
        }
        finished_ += finished;
        came_.notify_all();  // under the lock: the waiter frees this object
    }

    std::mutex mutex_;  // guards what follows
    std::condition_variable came_;
    size_t finished_ = 0;
    std::vector<std::string> errors_;
};

std::string quoted(std::string_view name) { return "'" + std::string(name) + "'"; }

}  // namespace

Status Warmup::run(std::string_view instance_name, Executor& executor) const {
    const std::string instance =
        "model " + quoted(model_.name) + " instance " + std::string(instance_name);
    for (const WarmupSample& sample : samples_) {
        if (sample.batch_size == 0) {
            TRITONPY_LOG(context_.log, LogLevel::kVerbose,
                         "Skipping batch 0 warmup sample " + quoted(sample.name));
            continue;
        }
        TRITONPY_LOG(context_.log, LogLevel::kVerbose,
                     "Generating warmup sample data for " + quoted(sample.name));
        TRITONPY_ASSIGN_OR_RETURN(const std::vector<Tensor> inputs, make_inputs(sample));
        for (uint32_t iteration = 1; iteration <= sample.count; ++iteration) {
            TRITONPY_ASSIGN_OR_RETURN(
                Requests requests,
                make_requests(sample, inputs, executor.request_executor() != nullptr));
            TRITONPY_LOG(context_.log, LogLevel::kVerbose,
                         instance + " is running warmup sample " + quoted(sample.name) +
                             " for iteration " + std::to_string(iteration));
            const std::vector<std::string> errors = execute(std::move(requests), executor);
            if (errors.empty()) {
                continue;
            }
            TRITONPY_LOG(context_.log, LogLevel::kVerbose,
                         instance + " failed to run warmup sample " + quoted(sample.name));
            std::string text = "failed to run warmup sample " + quoted(sample.name) + ": ";
            for (const std::string& error : errors) {
                text += error + "; ";
            }
            return invalid_arg(text);
        }
    }
    return Status();
}

// The tensors of one request of a sample.
Result<std::vector<Tensor>> Warmup::make_inputs(const WarmupSample& sample) const {
    std::vector<Tensor> inputs;
    for (const WarmupInput& given : sample.inputs) {
        Tensor& input = inputs.emplace_back();
        input.name = given.name;
        input.data_type = given.data_type;
        if (model_.max_batch_size > 0) {
            input.shape.append(1);
        }
        for (int64_t dim : given.dims.dims()) {
            input.shape.append(dim);
        }
        TRITONPY_ASSIGN_OR_RETURN(input.buffer, context_.pool.allocate(given.data.size()));
        if (!given.data.empty()) {
            std::memcpy(input.buffer->data(), given.data.data(), given.data.size());
        }
        input.data = {input.buffer->data(), given.data.size()};
    }
    return inputs;
}

Result<Warmup::Requests> Warmup::make_requests(const WarmupSample& sample,
                                               const std::vector<Tensor>& inputs,
                                               bool only_known) const {
    Requests requests;
    for (uint32_t index = 0; index < sample.batch_size; ++index) {
        auto request = std::make_unique<InferenceRequest>();
        request->model_name = model_.name;
        std::vector<Tensor> unnamed;  // by the configuration
        for (const Tensor& input : inputs) {
            const bool is_named = model_.find_input(input.name) != nullptr;
            (is_named ? request->inputs : unnamed).push_back(input);
        }
        const auto unknown = std::ranges::find_if(unnamed, [&](const Tensor& input) {
            return std::ranges::find(sequence_inputs_, input.name, &TensorSpec::name) ==
                   sequence_inputs_.end();
        });
        if (only_known && unknown != unnamed.end()) {
            return invalid_arg("unexpected inference input " + quoted(unknown->name) +
                               " for model " + quoted(model_.name));
        }
        TRITONPY_RETURN_IF_ERROR(check_request(model_, *request));
        for (Tensor& input : unnamed) {
            request->inputs.push_back(std::move(input));
        }
        request->trace.request_start_ns = context_.clock.now_ns();
        request->trace.queue_start_ns = request->trace.request_start_ns;
        request->trace.compute_start_ns = request->trace.request_start_ns;
        requests.push_back(std::move(request));
    }
    return requests;
}

// The error of each request that failed.
std::vector<std::string> Warmup::execute(Requests requests, Executor& executor) const {
    if (RequestExecutor* answering = executor.request_executor()) {
        return execute_requests(std::move(requests), *answering);
    }
    Batch batch;
    for (auto& request : requests) {
        batch.add(std::move(request));
    }
    Status status = gather_inputs(batch, context_.pool);
    if (status.ok()) {
        status = add_batch_inputs(batch_inputs_, batch, context_.pool);
    }
    if (status.ok()) {
        status = executor.execute(batch);
    }
    return status.ok() ? std::vector<std::string>()
                       : std::vector<std::string>(requests.size(), std::string(status.message()));
}

std::vector<std::string> Warmup::execute_requests(Requests requests,
                                                  RequestExecutor& executor) const {
    WarmupOutlet outlet;
    executor.open(outlet);
    Batch batch;
    for (auto& request : requests) {
        batch.add(std::move(request));
    }
    RequestTrace times = batch.requests.front()->trace;
    const Status status = executor.run(batch, times);
    // Those that it could not take.
    const size_t left = status.ok() ? 0 : batch.requests.size();
    std::vector<std::string> errors = outlet.wait_for(requests.size() - left);
    errors.insert(errors.end(), left, std::string(status.message()));
    return errors;
}

}  // namespace tritonpy
