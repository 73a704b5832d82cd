#include "backend/executor.h"
#include "backend/identity_executor.h"
#include "backend/onnxruntime_executor.h"
#include "backend/worker_executor.h"

namespace tritonpy {

Result<std::unique_ptr<ExecutorFactory>> make_executor_factory(const ExecutorConfig& config,
                                                               const ExecutorContext& context) {
    if (config.backend == "onnxruntime") {
        return make_onnxruntime_factory(config, context);
    }
    if (config.backend == "identity") {
        return make_identity_factory(config);
    }
    if (config.backend == "python") {
        return make_worker_factory(config, context);
    }
    return invalid_arg("unable to find backend library for backend '" + config.backend +
                       "', try specifying runtime on the model configuration.");
}

}  // namespace tritonpy
