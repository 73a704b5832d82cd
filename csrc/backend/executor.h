// What runs a batch: one executor per model instance, over whatever runtime the model needs.
//
// An executor of the usual sort sees contiguous inputs and leaves whole-batch outputs; it knows
// neither queues nor requests' fates. One of the second sort (RequestExecutor) takes requests as
// they are and answers each of them itself, now or later, once or many times: it is for models that
// are programs. Everything that instances of one model can share (a loaded session) lives in the
// factory, which is made once per model version.
//
// Threads: an executor is confined(instance): one execute or run at a time; healthy is thread-safe.
// A factory is confined(loader). An outlet is thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "infer/batch.h"
#include "infer/response.h"
#include "infer/trace.h"
#include "memory/block_pool.h"
#include "tensor/tensor_spec.h"

namespace tritonpy {

// One instance of a group, already expanded by count and device.
struct InstanceSpec {
    std::string name;              // e.g. "mlp_0_1"
    std::string kind = "KIND_CPU";  // "KIND_CPU", "KIND_GPU" or "KIND_MODEL"
    int32_t device_id = 0;
    bool passive = false;  // created but never scheduled
    std::string host_policy;  // where it runs, see ModelContext; may name none
};

// What an executor needs to know of its model.
struct ExecutorConfig {
    std::string model_name;
    int64_t model_version = 0;
    std::string backend;     // "onnxruntime", "identity"
    std::string model_path;  // the artefact, e.g. .../1/model.onnx; may be empty for identity
    int32_t max_batch_size = 0;
    std::vector<TensorSpec> inputs;
    std::vector<TensorSpec> outputs;
    // Behind the client's inputs, what a sequence scheduler adds: controls and states, always all
    // of them; and the outputs that are states, to be made whoever wants them.
    std::vector<TensorSpec> sequence_inputs;
    std::vector<std::string> state_outputs;
    std::map<std::string, std::string> parameters;
    std::optional<int32_t> graph_optimization_level;  // optimization.graph.level
    std::vector<std::string> op_libraries;  // shared libraries of operators that the model uses
    size_t instance_count = 1;
    bool decoupled = false;
    // Backend "python": what the launcher of workers needs to know, opaque here; and after how many
    // seconds an execution that does not end costs the worker its life (0: never).
    std::string worker;
    int64_t worker_timeout_s = 0;
};

class InferenceDoor;
class WorkerLauncher;

// What executors borrow from the server. All outlive every executor.
struct ExecutorContext {
    const Clock& clock;
    Log& log;
    BlockPool& pool;
    // Path of ONNX Runtime's shared library in the installed package; empty when there is none.
    std::string onnxruntime_library;
    WorkerLauncher* worker_launcher = nullptr;  // null: no model can run in a worker
    InferenceDoor* door = nullptr;              // into the server, for what models ask of models
};

// Where the answers of a RequestExecutor go. Whatever an answer says is checked here against the
// model's configuration.
// Threads: thread-safe; one call at a time for one request.
class ResponseOutlet {
  public:
    virtual ~ResponseOutlet() = default;
    // A response before the request's last; `response` needs status, outputs and parameters only.
    virtual void respond(const InferenceRequest& request,
                         std::unique_ptr<InferenceResponse> response) = 0;
    // Takes back a request that the model wants to run again, which is no longer the executor's.
    virtual void reschedule(std::unique_ptr<InferenceRequest> request) = 0;
    // The last response; null: there is nothing more to say. Takes the request.
    virtual void finish(std::unique_ptr<InferenceRequest> request,
                        std::unique_ptr<InferenceResponse> response) = 0;
};

class RequestExecutor {
  public:
    virtual ~RequestExecutor() = default;

    // Where answers go from now on. Comes before the first run, and again only while nothing that
    // was taken is unanswered; `outlet` outlives what is taken while it is the one.
    virtual void open(ResponseOutlet& outlet) = 0;

    // Takes all of batch.requests (not gathered, backend shapes) and returns when the model can
    // take the next batch; each request is finished through the outlet, perhaps much later. Stamps
    // compute_input_end_ns and compute_output_start_ns of `times`, and the former of the requests.
    // A Status fails those that are left in batch.requests with its text; there is also one when
    // requests that were taken could not be run, and were answered so. Never throws.
    virtual Status run(Batch& batch, RequestTrace& times) = 0;

    // The same for a thread that must not block, in three steps. The first: false, with the batch
    // as it was, when only run can do it.
    virtual Result<bool> try_start(Batch& /*batch*/, RequestTrace& /*times*/) { return false; }
    // After that: what becomes readable when receive is due, until finish.
    virtual int answer_descriptor() const { return -1; }
    // Reads what is there, or waits for it. Whether finish is next.
    virtual bool receive() { return true; }
    // As run when it returns.
    virtual Status finish(RequestTrace& /*times*/) { return Status(); }

    // Blocks while the model cannot run and it is likely that it soon can, at most for about
    // limits::kWorkerTickNs. Whether it can run.
    virtual bool wait_until_healthy() = 0;
    // Whether the model has been without success at coming back since it last could run.
    virtual bool hopeless() const = 0;
    // How often the model has lost what it knew.
    virtual uint64_t deaths() const { return 0; }

    // Blocks until what was taken is answered, and ends the model. REQUIRES: no run is on or comes.
    // Idempotent.
    virtual void stop() = 0;
};

class Executor {
  public:
    virtual ~Executor() = default;

    // Not null: this executor is of the second sort, and execute is never called.
    virtual RequestExecutor* request_executor() { return nullptr; }

    // Whether the model could run a batch now.
    virtual bool healthy() const { return true; }

    // Runs batch.inputs (gathered, backend shapes, first dimension batch.rows when the model
    // batches) and fills batch.outputs, at least those that batch.wants_output names, with data
    // that their buffers keep alive. A Status fails every request of the batch with its text.
    // Blocks for as long as the model takes; never throws.
    virtual Status execute(Batch& batch) = 0;
};

class ExecutorFactory {
  public:
    virtual ~ExecutorFactory() = default;
    // A ready executor for one instance. Blocks while it loads. internal `GPU instances not
    // supported` for KIND_GPU where there is none.
    virtual Result<std::unique_ptr<Executor>> create(const InstanceSpec& instance) = 0;
    // Executors made from now on are of a model with this config, which is another only in how many
    // instances there are and in what `worker` says.
    virtual void update(const ExecutorConfig& /*config*/) {}
};

// The one place that names every backend of the build. Blocks while shared parts load.
// invalid_arg when `config.backend` is none of them, or whatever the backend found wrong with the
// model.
Result<std::unique_ptr<ExecutorFactory>> make_executor_factory(const ExecutorConfig& config,
                                                               const ExecutorContext& context);

}  // namespace tritonpy
