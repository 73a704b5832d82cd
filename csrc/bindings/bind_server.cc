#include "bindings/bind_server.h"

#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backend/onnxruntime_signature.h"
#include "base/clock.h"
#include "base/log.h"
#include "bindings/python_status.h"
#include "bindings/python_worker_launcher.h"
#include "bindings/read_config.h"
#include "bindings/read_limits.h"
#include "model/remote_cache.h"
#include "server/inference_server.h"

namespace py = pybind11;

namespace tritonpy {

namespace {

const SteadyClock& steady_clock() {
    static const SteadyClock clock;  // stateless, so one for all servers
    return clock;
}

// A version that was built and is not published yet. Publishing takes it. The server is shared
// because the model uses its pool and log; it stands first so that it goes last.
struct BuiltModel {
    std::shared_ptr<InferenceServer> server;
    std::string name;
    int64_t version = 0;
    std::unique_ptr<Model> model;
};

// A model that is dropped joins its instance threads and frees its session: not under the GIL.
struct FreeWithoutGil {
    void operator()(BuiltModel* built) const {
        std::unique_ptr<BuiltModel> owned(built);
        py::gil_scoped_release release;
        owned->model.reset();
    }
};
using BuiltModelHolder = std::unique_ptr<BuiltModel, FreeWithoutGil>;

// Connects to the redis server that is to keep answers; null where none is. Blocks, but not
// the GIL.
std::unique_ptr<AnswerCache> make_remote_cache(py::handle limits, Log& log) {
    const std::optional<RedisOptions> options = read_redis_cache(limits);
    if (!options) {
        return nullptr;
    }
    auto connected = [&] {
        py::gil_scoped_release release;
        return RemoteCache::create(*options, steady_clock(), log);
    }();
    raise_if_error(connected.status());
    return std::move(connected).value();
}

// Freed without the GIL: the destructor waits for instance threads and drains requests. The log and
// the launcher are shared because they must outlive the server. Whoever drops the last reference
// holds the GIL.
std::shared_ptr<InferenceServer> make_server(const std::shared_ptr<Log>& log,
                                             std::string onnxruntime_library,
                                             const py::object& workers,
                                             const py::object& limits,
                                             HostPolicies host_policies) {
    auto launcher =
        workers.is_none() ? nullptr : std::make_shared<PythonWorkerLauncher>(workers);
    ServerOptions options;
    options.onnxruntime_library = std::move(onnxruntime_library);
    options.worker_launcher = launcher.get();
    options.host_policies = std::move(host_policies);
    std::unique_ptr<AnswerCache> remote_cache;
    if (!limits.is_none()) {
        read_limits(limits, options);
        remote_cache = make_remote_cache(limits, *log);
    }
    auto server = std::make_unique<InferenceServer>(std::move(options), steady_clock(), *log,
                                                    std::move(remote_cache));
    return std::shared_ptr<InferenceServer>(
        server.release(), [log, launcher](InferenceServer* owned) {
            py::gil_scoped_release release;
            std::unique_ptr<InferenceServer> freed(owned);
        });
}

BuiltModelHolder build_model(const std::shared_ptr<InferenceServer>& server,
                             py::handle python_config) {
    ModelConfig config = read_model_config(python_config);
    BuiltModelHolder built(std::make_unique<BuiltModel>().release());
    built->server = server;
    built->name = config.executor.model_name;
    built->version = config.executor.model_version;
    auto result = [&] {
        py::gil_scoped_release release;
        return server->build_model(std::move(config));
    }();
    built->model = value_or_raise(std::move(result));
    return built;
}

bool change_instances(InferenceServer& server, py::handle python_config) {
    const ModelConfig config = read_model_config(python_config);
    auto changed = [&] {
        py::gil_scoped_release release;
        return server.change_instances(config);
    }();
    return value_or_raise(std::move(changed));
}

void publish(InferenceServer& server, const std::string& name,
             const std::vector<BuiltModel*>& built, const std::vector<int64_t>& retire) {
    for (const BuiltModel* one : built) {
        if (one->model == nullptr) {
            throw py::value_error("model '" + name + "' was already published");
        }
    }
    std::vector<std::unique_ptr<Model>> models;
    for (BuiltModel* one : built) {
        models.push_back(std::move(one->model));
    }
    py::gil_scoped_release release;
    server.publish(name, std::move(models), retire);
}

py::tuple pair_of(const DurationCount& duration) {
    return py::make_tuple(duration.count, duration.ns);
}

py::dict statistics(InferenceServer& server, const std::string& name, int64_t version) {
    ModelStatsSnapshot stats = value_or_raise(server.statistics(name, version));
    py::dict out;
    out["last_inference_ms"] = stats.last_inference_ms;
    out["inference_count"] = stats.inference_count;
    out["execution_count"] = stats.execution_count;
    out["success"] = pair_of(stats.success);
    out["fail"] = pair_of(stats.fail);
    out["queue"] = pair_of(stats.queue);
    out["compute_input"] = pair_of(stats.compute_input);
    out["compute_infer"] = pair_of(stats.compute_infer);
    out["compute_output"] = pair_of(stats.compute_output);
    out["cache_hit"] = pair_of(stats.cache_hit);
    out["cache_miss"] = pair_of(stats.cache_miss);
    out["failures_by_reason"] = stats.failures_by_reason;
    py::list batches;
    for (const auto& [size, batch] : stats.batch_stats) {
        batches.append(py::make_tuple(size, pair_of(batch.compute_input),
                                      pair_of(batch.compute_infer),
                                      pair_of(batch.compute_output)));
    }
    out["batch_stats"] = batches;
    out["pending"] = stats.pending;
    const FirstResponseCounts& first = stats.first_responses;
    out["first_responses"] = py::make_tuple(first.bounds_ms, first.counts, first.ns);
    return out;
}

py::object cache_counters(const InferenceServer& server) {
    const std::optional<CacheCounters> counters = server.cache_counters();
    if (!counters) {
        return py::none();
    }
    py::dict out;
    out["entries"] = counters->entries;
    out["byte_size"] = counters->bytes;
    out["capacity"] = counters->capacity;
    out["lookups"] = counters->lookups;
    out["hits"] = counters->hits;
    out["evictions"] = counters->evictions;
    out["lookup_ns"] = counters->lookup_ns;
    out["insertion_ns"] = counters->insertion_ns;
    return out;
}

bool drain(InferenceServer& server, double timeout_s, bool end_sequences) {
    auto timeout_ns = static_cast<int64_t>(timeout_s * 1e9);
    return server.drain(steady_clock().now_ns() + timeout_ns, end_sequences);
}

py::list in_flight(const InferenceServer& server) {
    py::list out;
    for (const auto& entry : server.in_flight()) {
        out.append(py::make_tuple(entry.model_name, entry.model_version, entry.count));
    }
    return out;
}

py::list tensors_of(const std::vector<OnnxTensorInfo>& tensors) {
    py::list out;
    for (const OnnxTensorInfo& tensor : tensors) {
        auto dims = tensor.shape.dims();
        out.append(py::make_tuple(tensor.name, std::string(wire_name(tensor.data_type)),
                                  std::vector<int64_t>(dims.begin(), dims.end()),
                                  tensor.optional));
    }
    return out;
}

py::tuple describe_model(const std::string& library, const std::string& path,
                         const std::shared_ptr<Log>& log,
                         const std::vector<std::string>& op_libraries) {
    auto signature = [&] {
        py::gil_scoped_release release;
        return describe_onnx_model(library, path, *log, op_libraries);
    }();
    OnnxSignature described = value_or_raise(std::move(signature));
    return py::make_tuple(tensors_of(described.inputs), tensors_of(described.outputs));
}

}  // namespace

void bind_server(py::module_& module) {
    py::class_<BuiltModel, BuiltModelHolder>(module, "BuiltModel")
        .def_readonly("name", &BuiltModel::name)
        .def_readonly("version", &BuiltModel::version);

    py::class_<InferenceServer, std::shared_ptr<InferenceServer>>(module, "Server")
        .def(py::init(&make_server), py::arg("log"), py::arg("onnxruntime_library"),
             py::arg("workers") = py::none(), py::arg("limits") = py::none(),
             py::arg("host_policies") = HostPolicies())
        .def("build_model", &build_model, py::arg("config"))
        .def("change_instances", &change_instances, py::arg("config"))
        .def("publish", &publish, py::arg("name"), py::arg("models"), py::arg("retire"))
        .def("note_unavailable", &InferenceServer::note_unavailable, py::arg("name"),
             py::arg("versions"))
        .def("resolve_version",
             [](const InferenceServer& server, const std::string& name, int64_t version) {
                 return value_or_raise(server.resolve_version(name, version));
             },
             py::arg("name"), py::arg("version"))
        .def("check_ready",
             [](const InferenceServer& server, const std::string& name, int64_t version) {
                 raise_if_error(server.check_ready(name, version));
             },
             py::arg("name"), py::arg("version"))
        .def("statistics", &statistics, py::arg("name"), py::arg("version"))
        .def("cache_counters", &cache_counters)
        .def("drain", &drain, py::arg("timeout_s"), py::arg("end_sequences"),
             py::call_guard<py::gil_scoped_release>())
        .def("in_flight", &in_flight);

    module.def("describe_onnx_model", &describe_model, py::arg("library"), py::arg("path"),
               py::arg("log"), py::arg("op_libraries"));
}

}  // namespace tritonpy
