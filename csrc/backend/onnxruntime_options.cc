#include "backend/onnxruntime_options.h"

#include <algorithm>

#include "backend/parameter_number.h"

namespace tritonpy {

namespace {

ort::GraphOptimization graph_optimization_of(std::optional<int32_t> level) {
    switch (level.value_or(0)) {
        case -1:
            return ort::GraphOptimization::kBasic;
        case 1:
            return ort::GraphOptimization::kExtended;
        case 2:
            return ort::GraphOptimization::kNone;
        default:
            return ort::GraphOptimization::kAll;
    }
}

int default_thread_count(size_t cores, size_t instances) {
    size_t beside_instances = cores > instances ? cores - instances : 0;
    return static_cast<int>(beside_instances + 1);
}

// Whether the configuration leaves it to us on which threads a batch runs.
bool leaves_threads_to_us(const ExecutorConfig& config) {
    return std::ranges::none_of(config.parameters, [](const auto& parameter) {
        return parameter.first.starts_with("session.intra_op");
    });
}

// A thread count; `fallback` when the parameter is not there or is 0.
Status read_thread_count(const ExecutorConfig& config, const std::string& name, int fallback,
                         int& count) {
    TRITONPY_ASSIGN_OR_RETURN(int given, int_parameter(config.parameters, name, 0));
    if (given < 0 || given > kMaxOnnxThreads) {
        return invalid_arg("parameter '" + name + "' of model '" + config.model_name +
                           "' must be a number of threads up to " +
                           std::to_string(kMaxOnnxThreads) + ", 0 for the default, but got " +
                           std::to_string(given));
    }
    count = given == 0 ? fallback : given;
    return Status();
}

}  // namespace

Result<OnnxSessionOptions> read_onnx_session_options(const ExecutorConfig& config, size_t cores,
                                                     size_t usable) {
    OnnxSessionOptions options;
    options.graph_optimization = graph_optimization_of(config.graph_optimization_level);
    options.op_libraries = config.op_libraries;

    TRITONPY_ASSIGN_OR_RETURN(int mode, int_parameter(config.parameters, "execution_mode", 0));
    if (mode != 0 && mode != 1) {
        return invalid_arg("Invalid configuration value provided. Expected values for  "
                           "execution_mode are 0 or 1 but got " +
                           std::to_string(mode) + " .");
    }
    options.execution_mode =
        mode == 1 ? ort::ExecutionMode::kParallel : ort::ExecutionMode::kSequential;

    int budget = default_thread_count(usable, config.instance_count);
    TRITONPY_RETURN_IF_ERROR(
        read_thread_count(config, "intra_op_thread_count", 0, options.intra_op_threads));
    TRITONPY_RETURN_IF_ERROR(read_thread_count(config, "inter_op_thread_count",
                                               mode == 1 ? budget : 1, options.inter_op_threads));
    if (options.intra_op_threads == 0) {
        options.intra_op_threads = budget;
        options.shares_threads =
            budget > 1 && mode == 0 && usable == cores && leaves_threads_to_us(config);
    }

    TRITONPY_ASSIGN_OR_RETURN(int arena, int_parameter(config.parameters, "enable_mem_arena", 1));
    options.cpu_arena = arena != 0;
    TRITONPY_ASSIGN_OR_RETURN(int pattern,
                              int_parameter(config.parameters, "enable_mem_pattern", 1));
    options.memory_pattern = pattern != 0;
    auto shrinkage = config.parameters.find("memory.enable_memory_arena_shrinkage");
    if (shrinkage != config.parameters.end()) {
        options.arena_shrinkage = shrinkage->second;
    }

    options.config_entries = {{"session.intra_op.allow_spinning", "0"},
                              {"session.inter_op.allow_spinning", "0"}};
    for (const auto& [name, value] : config.parameters) {
        if (name.starts_with("session.")) {
            options.config_entries.emplace_back(name, value);
        }
    }
    return options;
}

}  // namespace tritonpy
