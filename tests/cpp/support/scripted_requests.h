// Executors of the sort that answers requests itself, doing what a test says.
//
// Threads: compatible; the script belongs to the test, health is thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <semaphore>
#include <utility>
#include <vector>

#include "backend/executor.h"
#include "model/model.h"

namespace tritonpy {

// What the executors of one model share with the test.
struct RequestScript {
    // Takes what it likes of the batch; what it leaves fails with the Status.
    std::function<Status(Batch& batch, ResponseOutlet& outlet)> run;
    // Whether what does not block starts a batch; `run` is then called when it is finished, and
    // receive says that this is due for each release of `answered`.
    std::function<Result<bool>()> try_start = [] { return false; };
    std::counting_semaphore<> answered{0};
    std::atomic<bool> healthy{true};
    std::atomic<bool> hopeless{false};
    std::atomic<int> stops{0};
};

class ScriptedRequestExecutor final : public Executor, public RequestExecutor {
  public:
    explicit ScriptedRequestExecutor(RequestScript& script) : script_(script) {}

    Status execute(Batch&) override { return internal_error("takes requests"); }
    RequestExecutor* request_executor() override { return this; }
    bool healthy() const override { return script_.healthy; }
    void open(ResponseOutlet& outlet) override { outlet_ = &outlet; }
    Status run(Batch& batch, RequestTrace& times) override {
        stamp(batch, times);
        return script_.run(batch, *outlet_);
    }
    Result<bool> try_start(Batch& batch, RequestTrace& times) override {
        Result<bool> started = script_.try_start();
        if (started.ok() && started.value()) {
            stamp(batch, times);
            started_.rows = batch.rows;
            started_.requests = std::exchange(batch.requests, {});
        }
        return started;
    }
    bool receive() override {
        script_.answered.acquire();
        return true;
    }
    Status finish(RequestTrace& /*times*/) override {
        Status status = script_.run(started_, *outlet_);
        started_.clear();
        return status;
    }
    bool wait_until_healthy() override { return script_.healthy; }
    bool hopeless() const override { return script_.hopeless; }
    void stop() override { ++script_.stops; }

  private:
    static void stamp(Batch& batch, RequestTrace& times) {
        times.compute_input_end_ns = times.compute_output_start_ns = times.compute_start_ns;
        for (auto& request : batch.requests) {
            request->trace.compute_input_end_ns = times.compute_start_ns;
        }
    }

    RequestScript& script_;
    ResponseOutlet* outlet_ = nullptr;
    Batch started_;
};

// Instance n runs scripts[n].
class ScriptedRequestFactory final : public ExecutorFactory {
  public:
    explicit ScriptedRequestFactory(std::vector<RequestScript*> scripts)
        : scripts_(std::move(scripts)) {}
    Result<std::unique_ptr<Executor>> create(const InstanceSpec&) override {
        RequestScript& script = *scripts_.at(next_++);
        return std::unique_ptr<Executor>(std::make_unique<ScriptedRequestExecutor>(script));
    }

  private:
    const std::vector<RequestScript*> scripts_;
    size_t next_ = 0;
};

inline ExecutorFactoryMaker scripted_requests(std::vector<RequestScript*> scripts) {
    return [scripts = std::move(scripts)](const ExecutorConfig&, const ExecutorContext&)
               -> Result<std::unique_ptr<ExecutorFactory>> {
        return std::unique_ptr<ExecutorFactory>(
            std::make_unique<ScriptedRequestFactory>(scripts));
    };
}

// A response that gives the first input back as OUTPUT0.
inline std::unique_ptr<InferenceResponse> echo_of(const InferenceRequest& request) {
    auto response = std::make_unique<InferenceResponse>();
    response->outputs.push_back(request.inputs.at(0));
    response->outputs[0].name = "OUTPUT0";
    return response;
}

// Finishes every request of the batch with its echo.
inline Status echo_requests(Batch& batch, ResponseOutlet& outlet) {
    for (auto& request : batch.requests) {
        auto response = echo_of(*request);
        outlet.finish(std::move(request), std::move(response));
    }
    batch.requests.clear();
    return Status();
}

}  // namespace tritonpy
