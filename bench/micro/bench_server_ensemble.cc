// What an ensemble costs: a chain of three identity models, asked for as one ensemble, against a
// client that makes the three calls itself, each with the answer of the one before.
//
// One request is in flight (Arg 1), or several. `cpu_us` is the CPU time of the whole process for
// each request of the chain, that is for three steps.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <semaphore>
#include <string>
#include <utility>
#include <vector>

#include "process_cpu.h"
#include "server/inference_server.h"

namespace tritonpy {
namespace {

constexpr int kSteps = 3;

TensorSpec spec_of(const std::string& name) {
    TensorSpec spec;
    spec.name = name;
    spec.data_type = DataType::kFp32;
    spec.dims = {16};
    return spec;
}

ModelConfig config_of(const std::string& name) {
    ModelConfig config;
    config.executor.model_name = name;
    config.executor.model_version = 1;
    config.executor.backend = "identity";
    config.executor.max_batch_size = 64;
    config.executor.inputs = {spec_of("INPUT0")};
    config.executor.outputs = {spec_of("OUTPUT0")};
    config.batcher.max_batch_size = 64;
    config.batcher.dynamic_batching = true;
    config.batcher.preferred_batch_sizes = {64};
    return config;
}

std::string model_name(int step) { return "identity_" + std::to_string(step); }
std::string tensor_name(int step) {
    return step == 0 ? "INPUT0" : step == kSteps ? "OUTPUT0" : "between_" + std::to_string(step);
}

ModelConfig ensemble_config() {
    ModelConfig config = config_of("ensemble");
    config.ensemble.emplace();
    for (int step = 0; step < kSteps; ++step) {
        EnsembleStep& one = config.ensemble->steps.emplace_back();
        one.model_name = model_name(step);
        one.inputs.push_back({"INPUT0", tensor_name(step), false, 2});
        one.outputs.push_back({"OUTPUT0", tensor_name(step + 1)});
    }
    return config;
}

std::unique_ptr<InferenceRequest> request_of(const std::string& model, Tensor input,
                                             ResponseSink& sink) {
    auto request = std::make_unique<InferenceRequest>();
    request->model_name = model;
    input.name = "INPUT0";
    request->inputs.push_back(std::move(input));
    request->sink = &sink;
    return request;
}

// Ends a request: with its answer, or by asking the next model for it as a client would. A client
// of another process would also have to be woken for each answer; this one is asked for less.
class Client final : public ResponseSink {
  public:
    Client(InferenceServer& server, ptrdiff_t places, bool calls_each)
        : server_(server), calls_each_(calls_each), free_places_(places) {}

    void begin(const Tensor& input) {
        free_places_.acquire();
        ask(0, input);
    }
    void wait(ptrdiff_t places) {
        for (ptrdiff_t place = 0; place < places; ++place) {
            free_places_.acquire();
        }
    }
    void deliver(std::unique_ptr<InferenceResponse> response) override {
        const int step = static_cast<int>(response->tag) + 1;
        if (!response->status.ok()) {
            failed_ = true;
        } else if (calls_each_ && step < kSteps) {
            ask(step, std::move(response->outputs[0]));
            return;
        }
        response.reset();
        free_places_.release();
    }
    bool failed() const { return failed_; }

  private:
    void ask(int step, Tensor input) {
        auto request = request_of(calls_each_ ? model_name(step) : "ensemble", std::move(input),
                                  *this);
        request->tag = static_cast<uint64_t>(step);
        failed_ = !server_.infer(request).ok() || failed_;
    }

    InferenceServer& server_;
    const bool calls_each_;
    std::counting_semaphore<> free_places_;
    std::atomic<bool> failed_{false};
};

// The client of one thread: waits for each answer before it asks the next model.
class WaitingSink final : public ResponseSink {
  public:
    void deliver(std::unique_ptr<InferenceResponse> response) override {
        response_ = std::move(response);
        arrived_.release();
    }
    std::unique_ptr<InferenceResponse> wait() {
        arrived_.acquire();
        return std::move(response_);
    }

  private:
    std::unique_ptr<InferenceResponse> response_;
    std::binary_semaphore arrived_{0};
};

struct Subject {
    SteadyClock clock;
    Log log;
    InferenceServer server{ServerOptions{}, clock, log};
    Tensor input;

    Subject() {
        for (int step = 0; step < kSteps; ++step) {
            ModelConfig config = config_of(model_name(step));
            InstanceSpec instance;
            instance.name = model_name(step) + "_0";
            config.instances.push_back(instance);
            publish(config);
        }
        publish(ensemble_config());
        BufferRef held = server.pool().allocate(16 * sizeof(float)).value();
        std::fill_n(held->data(), held->size(), std::byte{0});
        input = {"INPUT0", DataType::kFp32, {1, 16}, {held->data(), held->size()}, held};
    }
    void publish(const ModelConfig& config) {
        std::vector<std::unique_ptr<Model>> models;
        models.push_back(server.build_model(config).value());
        server.publish(config.executor.model_name, std::move(models), {});
    }
};

void report(benchmark::State& state, double cpu_before_us) {
    state.SetItemsProcessed(state.iterations());
    state.counters["cpu_us"] =
        (process_cpu_us() - cpu_before_us) / static_cast<double>(state.iterations());
}

void calls_one_after_another(benchmark::State& state) {
    Subject subject;
    WaitingSink sink;
    const double cpu_us = process_cpu_us();
    for (auto _ : state) {
        Tensor tensor = subject.input;
        for (int step = 0; step < kSteps; ++step) {
            auto request = request_of(model_name(step), std::move(tensor), sink);
            if (!subject.server.infer(request).ok()) {
                state.SkipWithError("infer refused a request");
                return;
            }
            tensor = std::move(sink.wait()->outputs[0]);
        }
    }
    report(state, cpu_us);
}

void run(benchmark::State& state, bool calls_each) {
    Subject subject;
    const auto places = static_cast<ptrdiff_t>(state.range(0));
    Client client(subject.server, places, calls_each);
    const double cpu_us = process_cpu_us();
    for (auto _ : state) {
        client.begin(subject.input);
    }
    client.wait(places);
    if (client.failed()) {
        state.SkipWithError("a request failed");
    }
    report(state, cpu_us);
}

void calls(benchmark::State& state) { run(state, true); }
void ensemble(benchmark::State& state) { run(state, false); }

BENCHMARK(calls_one_after_another)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(ensemble)->Arg(1)->Arg(32)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(calls)->Arg(1)->Arg(32)->UseRealTime()->MeasureProcessCPUTime();

}  // namespace
}  // namespace tritonpy
