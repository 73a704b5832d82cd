// What the core costs without any socket: infer() to the delivered response, through queue, batcher
// and executor, with a fixed number of requests in flight.
//
// Real models come from the sample repository: name it with TRITONPY_SAMPLE_REPOSITORY and ONNX
// Runtime's library with TRITONPY_ONNXRUNTIME_LIBRARY; without them only the identity model runs.
// The "CPU" column is the whole process (all threads) per iteration; `items_per_second` and
// `cpu_us` are per request.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <semaphore>
#include <string>
#include <vector>

#include "process_cpu.h"
#include "server/inference_server.h"

namespace tritonpy {
namespace {

// Answers go nowhere; each frees one place for the next request.
class CountingSink final : public ResponseSink {
  public:
    explicit CountingSink(ptrdiff_t places) : free_places_(places) {}

    void deliver(std::unique_ptr<InferenceResponse> response) override {
        failed_ = failed_ || !response->status.ok();
        response.reset();
        free_places_.release();
    }
    void wait_for_place() { free_places_.acquire(); }
    bool failed() const { return failed_; }

  private:
    std::counting_semaphore<> free_places_;
    std::atomic<bool> failed_{false};
};

struct Input {
    std::string name;
    DataType data_type;
    Shape shape;
};

// Runs one model with `in_flight` requests outstanding; one iteration is one request.
void run_requests(benchmark::State& state, ModelConfig config, const std::vector<Input>& inputs) {
    const char* library = std::getenv("TRITONPY_ONNXRUNTIME_LIBRARY");
    SteadyClock clock;
    Log log;
    ServerOptions options;
    options.onnxruntime_library = library != nullptr ? library : "";
    InferenceServer server(options, clock, log);
    std::string name = config.executor.model_name;
    auto model = server.build_model(std::move(config));
    if (!model.ok()) {
        state.SkipWithError(std::string(model.status().message()).c_str());
        return;
    }
    std::vector<std::unique_ptr<Model>> models;
    models.push_back(std::move(model).value());
    server.publish(name, std::move(models), {});

    CountingSink sink(state.range(0));
    std::vector<Tensor> tensors;
    for (const Input& input : inputs) {
        auto buffer = server.pool().allocate(*byte_size(input.data_type, input.shape.dims()));
        BufferRef held = std::move(buffer).value();
        std::fill_n(held->data(), held->size(), std::byte{0});
        tensors.push_back({input.name, input.data_type, input.shape,
                           {held->data(), held->size()}, held});
    }

    double cpu_before = process_cpu_us();
    for (auto _ : state) {
        sink.wait_for_place();
        auto request = std::make_unique<InferenceRequest>();
        request->model_name = name;
        request->inputs = tensors;
        request->sink = &sink;
        if (!server.infer(request).ok()) {
            state.SkipWithError("infer refused a request");
            break;
        }
    }
    for (int64_t place = 0; place < state.range(0); ++place) {
        sink.wait_for_place();
    }
    if (sink.failed()) {
        state.SkipWithError("a response carried an error");
    }
    double requests = static_cast<double>(state.iterations());
    state.SetItemsProcessed(state.iterations());
    state.counters["cpu_us"] = (process_cpu_us() - cpu_before) / requests;
    auto statistics = server.statistics(name, -1);
    state.counters["rows_per_batch"] = static_cast<double>(statistics.value().inference_count) /
                                       static_cast<double>(statistics.value().execution_count);
}

ModelConfig model_config(const std::string& name, const std::string& backend, int32_t max_batch,
                         bool dynamic_batching, std::vector<TensorSpec> inputs,
                         std::vector<TensorSpec> outputs) {
    ModelConfig config;
    config.executor.model_name = name;
    config.executor.model_version = 1;
    config.executor.backend = backend;
    config.executor.max_batch_size = max_batch;
    config.executor.inputs = std::move(inputs);
    config.executor.outputs = std::move(outputs);
    config.executor.parameters["intra_op_thread_count"] = "1";
    config.batcher.max_batch_size = max_batch;
    config.batcher.dynamic_batching = dynamic_batching;
    config.batcher.preferred_batch_sizes = {max_batch};
    InstanceSpec instance;
    instance.name = name + "_0";
    config.instances.push_back(instance);
    return config;
}

TensorSpec tensor_spec(const std::string& name, DataType type, Shape dims) {
    TensorSpec spec;
    spec.name = name;
    spec.data_type = type;
    spec.dims = std::move(dims);
    return spec;
}

std::string sample_model(const std::string& name) {
    const char* repository = std::getenv("TRITONPY_SAMPLE_REPOSITORY");
    return std::string(repository != nullptr ? repository : "model_repository") + "/" + name +
           "/1/model.onnx";
}

void identity(benchmark::State& state) {
    ModelConfig config = model_config("identity", "identity", 64, true,
                                      {tensor_spec("INPUT0", DataType::kFp32, {16})},
                                      {tensor_spec("OUTPUT0", DataType::kFp32, {16})});
    run_requests(state, std::move(config), {{"INPUT0", DataType::kFp32, {1, 16}}});
}

void mlp(benchmark::State& state, bool dynamic_batching) {
    TensorSpec label = tensor_spec("label", DataType::kInt64, {1});
    label.reshape = Shape{};
    ModelConfig config = model_config(
        "mlp_digits", "onnxruntime", 64, dynamic_batching,
        {tensor_spec("X", DataType::kFp32, {64})},
        {label, tensor_spec("probabilities", DataType::kFp32, {10})});
    config.executor.model_path = sample_model("mlp_digits");
    run_requests(state, std::move(config), {{"X", DataType::kFp32, {1, 64}}});
}

void minilm(benchmark::State& state, bool dynamic_batching) {
    std::vector<TensorSpec> inputs;
    std::vector<Input> values;
    for (const char* name : {"input_ids", "attention_mask", "token_type_ids"}) {
        inputs.push_back(tensor_spec(name, DataType::kInt64, {-1}));
        values.push_back({name, DataType::kInt64, {1, 16}});
    }
    ModelConfig config =
        model_config("minilm", "onnxruntime", 16, dynamic_batching, std::move(inputs),
                     {tensor_spec("last_hidden_state", DataType::kFp32, {-1, 384})});
    config.executor.model_path = sample_model("minilm");
    run_requests(state, std::move(config), values);
}

BENCHMARK(identity)->Arg(1)->Arg(32)->Arg(64)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(mlp, each_alone, false)->Arg(64)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(mlp, dynamic_batching, true)->Arg(64)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(minilm, each_alone, false)->Arg(64)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(minilm, dynamic_batching, true)->Arg(64)->UseRealTime()->MeasureProcessCPUTime();

}  // namespace
}  // namespace tritonpy
