#include "backend/identity_executor.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "backend/parameter_number.h"

namespace tritonpy {

namespace {

constexpr std::string_view kInputPrefix = "INPUT";
constexpr std::string_view kOutputPrefix = "OUTPUT";

class IdentityExecutor final : public Executor {
  public:
    explicit IdentityExecutor(int64_t execute_delay_ms) : delay_(execute_delay_ms) {}

    Status execute(Batch& batch) override {
        if (delay_.count() > 0) {
            std::this_thread::sleep_for(delay_);
        }
        for (const Tensor& input : batch.inputs) {
            std::string name(kOutputPrefix);
            name.append(input.name, std::min(kInputPrefix.size(), input.name.size()));
            if (batch.wants_output(name)) {
                Tensor& output = batch.outputs.emplace_back(input);
                output.name = std::move(name);
            }
        }
        batch.response_parameters = response_parameters_;
        return Status();
    }

  private:
    const std::chrono::milliseconds delay_;
    const SharedParameters response_parameters_{
        {"param0", std::string("an example string parameter")},
        {"param1", int64_t{42}},
        {"param2", false},
        {"param3", 123.123}};
};

class IdentityFactory final : public ExecutorFactory {
  public:
    explicit IdentityFactory(IdentityDelays delays) : delays_(delays) {}

    Result<std::unique_ptr<Executor>> create(const InstanceSpec& instance) override {
        if (instance.kind == "KIND_GPU") {
            return internal_error("GPU instances not supported");
        }
        if (delays_.creation_sec > 0) {
            std::this_thread::sleep_for(std::chrono::seconds(delays_.creation_sec));
        }
        int64_t delay_ms = delays_.execute_ms_of(created_++);
        return std::unique_ptr<Executor>(std::make_unique<IdentityExecutor>(delay_ms));
    }

  private:
    const IdentityDelays delays_;
    uint64_t created_ = 0;
};

Status check_pairs(const ExecutorConfig& config) {
    auto fault = [&](const std::string& text) {
        return invalid_arg("identity model '" + config.model_name + "': " + text);
    };
    if (config.inputs.size() != config.outputs.size()) {
        return fault("expected as many outputs as inputs, but got " +
                     std::to_string(config.inputs.size()) + " inputs and " +
                     std::to_string(config.outputs.size()) + " outputs");
    }
    for (const TensorSpec& input : config.inputs) {
        if (!input.name.starts_with(kInputPrefix)) {
            return fault("expected input '" + input.name + "' to be called INPUT<index>");
        }
        std::string pair = std::string(kOutputPrefix) + input.name.substr(kInputPrefix.size());
        const TensorSpec* output = nullptr;
        for (const TensorSpec& candidate : config.outputs) {
            output = candidate.name == pair ? &candidate : output;
        }
        if (output == nullptr) {
            return fault("expected an output '" + pair + "' for input '" + input.name + "'");
        }
        if (output->data_type != input.data_type || !(output->dims == input.dims)) {
            return fault("expected output '" + pair + "' to be " +
                         std::string(config_name(input.data_type)) + " " +
                         input.dims.to_string() + " like its input, but got " +
                         std::string(config_name(output->data_type)) + " " +
                         output->dims.to_string());
        }
    }
    return Status();
}

}  // namespace

int64_t IdentityDelays::execute_ms_of(uint64_t index) const {
    uint64_t factor = 1;
    bool overflow = instance_wise_multiplier > 0 && index > 0 &&
                    __builtin_mul_overflow(instance_wise_multiplier, index, &factor);
    int64_t product = 0;
    overflow = __builtin_mul_overflow(execute_ms, factor, &product) || overflow;
    return overflow && execute_ms > 0 ? std::numeric_limits<int64_t>::max() : product;
}

Result<std::unique_ptr<ExecutorFactory>> make_identity_factory(const ExecutorConfig& config) {
    TRITONPY_RETURN_IF_ERROR(check_pairs(config));
    IdentityDelays delays;
    TRITONPY_ASSIGN_OR_RETURN(delays.creation_sec,
                              uint64_parameter(config.parameters, "creation_delay_sec", 0));
    TRITONPY_ASSIGN_OR_RETURN(delays.execute_ms,
                              uint64_parameter(config.parameters, "execute_delay_ms", 0));
    TRITONPY_ASSIGN_OR_RETURN(
        delays.instance_wise_multiplier,
        uint64_parameter(config.parameters, "instance_wise_delay_multiplier", 0));
    return std::unique_ptr<ExecutorFactory>(std::make_unique<IdentityFactory>(delays));
}

}  // namespace tritonpy
