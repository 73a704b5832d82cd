// What a request of a sequence costs: through the sequence batcher of an identity model, against
// the same model without sequences.
//
// So many sequences (the Arg) have one request in flight each, as clients that wait for an answer
// before they go on; every sequence has 100 requests, a START and an END. `cpu_us` is the CPU time
// of the whole process for each request, with the client's part.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <semaphore>
#include <string>
#include <utility>
#include <vector>

#include "process_cpu.h"
#include "server/inference_server.h"

namespace tritonpy {
namespace {

enum class Kind { kNone, kDirect, kOldest };

constexpr uint64_t kLength = 100;  // requests of a sequence

TensorSpec spec_of(const std::string& name) {
    TensorSpec spec;
    spec.name = name;
    spec.data_type = DataType::kFp32;
    spec.dims = {16};
    return spec;
}

ModelConfig config_of(Kind kind) {
    ModelConfig config;
    config.executor.model_name = "model";
    config.executor.model_version = 1;
    config.executor.backend = "identity";
    config.executor.max_batch_size = 64;
    config.executor.instance_count = 1;
    config.executor.inputs = {spec_of("INPUT0")};
    config.executor.outputs = {spec_of("OUTPUT0")};
    config.instances.emplace_back().name = "model_0";
    config.batcher.max_batch_size = 64;
    config.batcher.dynamic_batching = true;
    config.batcher.preferred_batch_sizes = {64};
    if (kind == Kind::kNone) {
        return config;
    }
    SequenceConfig& sequences = config.sequences.emplace();
    sequences.max_idle_us = 60'000'000;
    sequences.strategy = kind == Kind::kDirect ? SequenceConfig::Strategy::kDirect
                                               : SequenceConfig::Strategy::kOldest;
    sequences.max_candidate_sequences = 64;
    return config;
}

// Says whose answer has come.
class Answers final : public ResponseSink {
  public:
    explicit Answers(size_t clients) : client_of_(clients) {}
    void deliver(std::unique_ptr<InferenceResponse> response) override {
        failed_ = failed_ || !response->status.ok();
        const auto client = static_cast<size_t>(response->tag);
        response.reset();
        client_of_[written_++ % client_of_.size()] = client;  // one instance: one thread
        arrived_.release();
    }
    size_t wait() {
        arrived_.acquire();
        return client_of_[read_++ % client_of_.size()];
    }
    bool failed() const { return failed_; }

  private:
    std::vector<size_t> client_of_;  // as many as can be in flight
    size_t written_ = 0;
    size_t read_ = 0;
    std::counting_semaphore<> arrived_{0};
    std::atomic<bool> failed_{false};
};

struct Subject {
    SteadyClock clock;
    Log log;
    InferenceServer server{ServerOptions{}, clock, log};
    Tensor input;

    explicit Subject(Kind kind) {
        std::vector<std::unique_ptr<Model>> models;
        models.push_back(server.build_model(config_of(kind)).value());
        server.publish("model", std::move(models), {});
        BufferRef held = server.pool().allocate(16 * sizeof(float)).value();
        std::fill_n(held->data(), held->size(), std::byte{0});
        input = {"INPUT0", DataType::kFp32, {1, 16}, {held->data(), held->size()}, held};
    }
    // The request of a client that has sent so many.
    bool ask(size_t client, uint64_t sent, ResponseSink& sink) {
        auto request = std::make_unique<InferenceRequest>();
        request->model_name = "model";
        request->inputs.push_back(input);
        request->sink = &sink;
        request->tag = client;
        request->correlation_id = uint64_t{client + 1};
        request->flags = (sent % kLength == 0 ? InferenceRequest::kSequenceStart : 0) |
                         (sent % kLength == kLength - 1 ? InferenceRequest::kSequenceEnd : 0);
        return server.infer(request).ok();
    }
};

void run(benchmark::State& state, Kind kind) {
    Subject subject(kind);
    const auto clients = static_cast<size_t>(state.range(0));
    Answers answers(clients);
    std::vector<uint64_t> sent(clients);
    bool taken = true;
    for (size_t client = 0; client < clients; ++client) {
        taken = subject.ask(client, sent[client]++, answers) && taken;
    }
    const double cpu_us = process_cpu_us();
    for (auto _ : state) {
        const size_t client = answers.wait();
        taken = subject.ask(client, sent[client]++, answers) && taken;
    }
    for (size_t client = 0; client < clients; ++client) {
        answers.wait();
    }
    if (!taken || answers.failed()) {
        state.SkipWithError("a request failed");
    }
    state.SetItemsProcessed(state.iterations());
    state.counters["cpu_us"] =
        (process_cpu_us() - cpu_us) / static_cast<double>(state.iterations());
    subject.server.drain(subject.clock.now_ns(), true);
}

void no_sequences(benchmark::State& state) { run(state, Kind::kNone); }
void direct(benchmark::State& state) { run(state, Kind::kDirect); }
void oldest(benchmark::State& state) { run(state, Kind::kOldest); }

BENCHMARK(no_sequences)->Arg(1)->Arg(32)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(direct)->Arg(1)->Arg(32)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(oldest)->Arg(1)->Arg(32)->UseRealTime()->MeasureProcessCPUTime();

}  // namespace
}  // namespace tritonpy
