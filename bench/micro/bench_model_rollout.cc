// What a rollout costs a request: from the registry's choice to the delivered response, on one
// thread, with an instance that is stepped. So instructions can be counted, too (callgrind).
//
// `none` is a name without a rollout beside another that has one; `headers_unread` a rollout with
// a header rule and a request without that header.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/executor.h"
#include "model/model_registry.h"
#include "model/rollout.h"

namespace tritonpy {
namespace {

constexpr int64_t kRequests = 200'000;  // a known number, by which to divide what was counted

// Keeps the request for the next round.
class KeepingSink final : public ResponseSink {
  public:
    void deliver(std::unique_ptr<InferenceResponse> response) override {
        request = std::move(response->request);
    }
    std::unique_ptr<InferenceRequest> request;
};

// Nobody is asked: no shadow is.
class ClosedDoor final : public InferenceDoor {
  public:
    Status infer(std::unique_ptr<InferenceRequest>&) override { return unavailable("closed"); }
    Result<std::shared_ptr<const ModelIdentity>> model_identity(std::string_view,
                                                                int64_t) const override {
        return unavailable("closed");
    }
    Result<int64_t> labelled_version(std::string_view, std::string_view) const override {
        return unavailable("closed");
    }
};

ModelConfig identity_config() {
    TensorSpec spec;
    spec.data_type = DataType::kFp32;
    spec.dims = {16};
    ModelConfig config;
    config.executor.model_name = "identity";
    config.executor.model_version = 1;
    config.executor.backend = "identity";
    config.executor.max_batch_size = 8;
    config.executor.inputs = {spec};
    config.executor.outputs = {spec};
    config.executor.inputs[0].name = "INPUT0";
    config.executor.outputs[0].name = "OUTPUT0";
    config.batcher.max_batch_size = 8;
    config.batcher.dynamic_batching = true;
    config.instances.push_back({});
    return config;
}

struct Bench {
    SteadyClock clock;
    Log log;
    BlockPool pool;
    Parking all_answered;
    ClosedDoor door;
    ExecutorFactoryMaker make_factory = make_executor_factory;
    ModelRegistry registry;
    Model* model = nullptr;
    KeepingSink sink;

    Bench() {
        const ModelContext context{{clock, log, pool, ""}, make_factory, all_answered, false};
        std::vector<std::unique_ptr<Model>> models;
        models.push_back(Model::create(identity_config(), context).value());
        model = models[0].get();
        registry.publish("identity", std::move(models), {});
        sink.request = std::make_unique<InferenceRequest>();
        sink.request->model_name = "identity";
        BufferRef data = pool.allocate(64).value();
        sink.request->inputs = {
            {"INPUT0", DataType::kFp32, {1, 16}, {data->data(), data->size()}, data}};
        sink.request->sink = &sink;
    }
    ~Bench() {
        sink.request.reset();
        registry.close();
    }

    void set_rollout(const std::string& name, RolloutConfig config) {
        config.targets = {{"stable", 1, 95}, {"canary", 1, 5}};
        registry.set_rollout(name, std::make_shared<Rollout>(name, std::move(config), door, clock,
                                                             log));
    }

    // As InferenceServer does it.
    void run(benchmark::State& state) {
        for (auto _ : state) {
            std::unique_ptr<InferenceRequest> request = std::move(sink.request);
            auto entered = registry.enter(*request, ModelRegistry::Caller::kClient);
            if (entered.value().rollout != nullptr) {
                entered.value().rollout->watch(entered.value().target, *request);
            }
            if (!entered.value().model->infer(request).ok()) {
                state.SkipWithError("infer refused a request");
                break;
            }
            model->run_queued();
        }
    }
};

void none(benchmark::State& state) {
    Bench bench;
    bench.set_rollout("another", {});
    bench.run(state);
}

void split(benchmark::State& state) {
    Bench bench;
    bench.set_rollout("identity", {});
    bench.run(state);
}

void with_header_rule(benchmark::State& state, bool has_header) {
    Bench bench;
    RolloutConfig config;
    config.headers = {{"x-version", "beta", 1}};
    bench.set_rollout("identity", std::move(config));
    if (has_header) {
        bench.sink.request->headers = {{"x-version", "beta"}};
    }
    bench.run(state);
}

void with_rollback_rule(benchmark::State& state) {
    Bench bench;
    RolloutConfig config;
    config.rollback = RollbackRule{0, 0.5, std::nullopt, 200};
    bench.set_rollout("identity", std::move(config));
    bench.run(state);
}

BENCHMARK(none)->Iterations(kRequests);
BENCHMARK(split)->Iterations(kRequests);
BENCHMARK_CAPTURE(with_header_rule, headers_unread, false)->Iterations(kRequests);
BENCHMARK_CAPTURE(with_header_rule, header_read, true)->Iterations(kRequests);
BENCHMARK(with_rollback_rule)->Iterations(kRequests);

}  // namespace
}  // namespace tritonpy
