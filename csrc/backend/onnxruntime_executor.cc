#include "backend/onnxruntime_executor.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "backend/cpu_count.h"
#include "backend/onnxruntime_session.h"
#include "backend/onnxruntime_tensor.h"

namespace tritonpy {

namespace {

class OnnxRuntimeExecutor final : public Executor {
  public:
    // `run_options` may be null.
    OnnxRuntimeExecutor(std::shared_ptr<const OnnxSession> session,
                        OnnxOwned<ort::RunOptions> run_options,
                        std::vector<std::string> output_names,
                        std::vector<std::string> state_names, BlockPool& pool)
        : session_(std::move(session)),
          run_options_(std::move(run_options)),
          output_names_(std::move(output_names)),
          state_names_(std::move(state_names)),
          pool_(pool) {
        const std::vector<OnnxTensorInfo>& inputs = session_->signature().inputs;
        for (size_t index = 0; index < inputs.size(); ++index) {
            input_index_.emplace(inputs[index].name, index);
        }
    }

    Status execute(Batch& batch) override {
        Status status = run(batch);
        // Values borrow the batch's bytes, which go with the batch.
        outputs_.clear();
        values_.clear();
        return status;
    }

  private:
    Status run(Batch& batch) {
        TRITONPY_RETURN_IF_ERROR(bind_inputs(batch));
        wanted_.clear();
        for (const std::string& name : output_names_) {
            if (batch.wants_output(name) && !is_state(name)) {
                wanted_.push_back(name.c_str());
            }
        }
        for (const std::string& name : state_names_) {
            wanted_.push_back(name.c_str());
        }
        results_.assign(wanted_.size(), nullptr);
        const OnnxRuntimeLibrary& library = session_->library();
        Status status =
            library.call(ort::kRun, session_->handle(), run_options_.get(), input_names_.data(),
                         inputs_.data(), inputs_.size(), wanted_.data(), wanted_.size(),
                         results_.data());
        // Owned before anything can return: an early failure releases the rest.
        for (ort::Value* result : results_) {
            outputs_.push_back(library.own(ort::kReleaseValue, result));
        }
        TRITONPY_RETURN_IF_ERROR(std::move(status));
        for (size_t index = 0; index < outputs_.size(); ++index) {
            TRITONPY_ASSIGN_OR_RETURN(
                Tensor tensor, take_onnx_value(session_, std::move(outputs_[index]),
                                               wanted_[index], batch.inputs, pool_, offsets_));
            batch.outputs.push_back(std::move(tensor));
        }
        return Status();
    }

    bool is_state(const std::string& name) const {
        return std::find(state_names_.begin(), state_names_.end(), name) != state_names_.end();
    }

    Status bind_inputs(Batch& batch) {
        const std::vector<OnnxTensorInfo>& known = session_->signature().inputs;
        input_names_.clear();
        inputs_.clear();
        bound_.assign(known.size(), false);
        for (Tensor& input : batch.inputs) {
            auto found = input_index_.find(input.name);
            if (found == input_index_.end()) {
                return unexpected_input(input.name);
            }
            TRITONPY_ASSIGN_OR_RETURN(
                auto value,
                make_onnx_value(session_->library(), known[found->second], input, pool_));
            bound_[found->second] = true;
            input_names_.push_back(input.name.c_str());
            inputs_.push_back(value.get());
            values_.push_back(std::move(value));
        }
        // The runtime does not look: its operators would read a null tensor.
        for (size_t index = 0; index < known.size(); ++index) {
            if (!bound_[index] && !known[index].optional) {
                return internal_error("input '" + known[index].name +
                                      "' of the model is not in the batch");
            }
        }
        return Status();
    }

    Status unexpected_input(const std::string& name) const {
        std::string text = "unexpected inference input '" + name + "', allowed inputs are: ";
        const char* separator = "";
        for (const OnnxTensorInfo& input : session_->signature().inputs) {
            text += separator + input.name;
            separator = ", ";
        }
        return internal_error(std::move(text));
    }

    const std::shared_ptr<const OnnxSession> session_;
    const OnnxOwned<ort::RunOptions> run_options_;
    const std::vector<std::string> output_names_;  // of the configuration
    const std::vector<std::string> state_names_;   // made whether a client wants them or not
    // Names and positions of the signature's inputs; views into session_.
    std::unordered_map<std::string_view, size_t> input_index_;
    BlockPool& pool_;

    // Scratch of one execution, kept for its capacity.
    std::vector<OnnxOwned<ort::Value>> values_;  // what inputs_ points at
    std::vector<const ort::Value*> inputs_;
    std::vector<const char*> input_names_;
    std::vector<bool> bound_;  // by position in the signature
    std::vector<const char*> wanted_;
    std::vector<ort::Value*> results_;
    std::vector<OnnxOwned<ort::Value>> outputs_;
    std::vector<size_t> offsets_;
};

class OnnxRuntimeFactory final : public ExecutorFactory {
  public:
    OnnxRuntimeFactory(const ExecutorConfig& config, const ExecutorContext& context,
                       OnnxSessionOptions options,
                       std::shared_ptr<const OnnxRuntimeLibrary> library)
        : config_(config),
          log_(context.log),
          pool_(context.pool),
          options_(std::move(options)),
          library_(std::move(library)) {
        for (const TensorSpec& output : config.outputs) {
            output_names_.push_back(output.name);
        }
    }

    Result<std::unique_ptr<Executor>> create(const InstanceSpec& instance) override {
        if (instance.kind == "KIND_GPU") {
            return internal_error("GPU instances not supported");
        }
        TRITONPY_RETURN_IF_ERROR(load(instance.name));
        TRITONPY_ASSIGN_OR_RETURN(auto run_options, make_run_options());
        return std::unique_ptr<Executor>(std::make_unique<OnnxRuntimeExecutor>(
            session_, std::move(run_options), output_names_, config_.state_outputs, pool_));
    }

  private:
    // Loads the session unless an earlier instance did. Where this instance may run is known now:
    // its host policy holds for this thread.
    Status load(const std::string& instance_name) {
        if (session_ != nullptr) {
            return Status();
        }
        std::optional<std::string> file = find_onnx_file(config_.model_path);
        if (!file) {
            return unavailable("unable to find '" + config_.model_path + "' for model instance '" +
                               instance_name + "'");
        }
        TRITONPY_ASSIGN_OR_RETURN(
            options_, read_onnx_session_options(config_, cores_, usable_cpu_count()));
        TRITONPY_ASSIGN_OR_RETURN(session_,
                                  OnnxSession::open(library_, *file, options_, log_));
        return Status();
    }

    Result<OnnxOwned<ort::RunOptions>> make_run_options() const {
        OnnxOwned<ort::RunOptions> owned;
        if (options_.arena_shrinkage.empty()) {
            return owned;
        }
        ort::RunOptions* made = nullptr;
        TRITONPY_RETURN_IF_ERROR(library_->call(ort::kCreateRunOptions, &made));
        owned = library_->own(ort::kReleaseRunOptions, made);
        TRITONPY_RETURN_IF_ERROR(library_->call(ort::kAddRunConfigEntry, made,
                                                "memory.enable_memory_arena_shrinkage",
                                                options_.arena_shrinkage.c_str()));
        return owned;
    }

    const ExecutorConfig config_;
    const size_t cores_ = usable_cpu_count();
    std::vector<std::string> output_names_;
    Log& log_;
    BlockPool& pool_;
    OnnxSessionOptions options_;
    // Shared with sessions, which are shared with executors and with outputs still in flight.
    const std::shared_ptr<const OnnxRuntimeLibrary> library_;
    std::shared_ptr<const OnnxSession> session_;  // null until the first instance
};

}  // namespace

Result<std::unique_ptr<ExecutorFactory>> make_onnxruntime_factory(const ExecutorConfig& config,
                                                                  const ExecutorContext& context) {
    const size_t cores = usable_cpu_count();
    TRITONPY_ASSIGN_OR_RETURN(OnnxSessionOptions options,
                              read_onnx_session_options(config, cores, cores));
    TRITONPY_ASSIGN_OR_RETURN(auto library,
                              OnnxRuntimeLibrary::open(context.onnxruntime_library));
    return std::unique_ptr<ExecutorFactory>(std::make_unique<OnnxRuntimeFactory>(
        config, context, std::move(options), std::move(library)));
}

}  // namespace tritonpy
