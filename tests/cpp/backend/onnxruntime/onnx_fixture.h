// What every test that runs ONNX models needs: a place for model files, a log that can be read,
// a pool, and short ways to make models, batches and executors.
//
// The library's path is compiled in as TRITONPY_ONNXRUNTIME_LIBRARY; without it these tests are not
// built.
//
// Threads: compatible.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "backend/executor.h"
#include "backend/onnxruntime/onnx_model.h"
#include "tensor/bytes_tensor.h"

namespace tritonpy {

inline const std::string kOnnxRuntimeLibrary = TRITONPY_ONNXRUNTIME_LIBRARY;

class OnnxTest : public testing::Test {
  protected:
    OnnxTest() {
        std::string pattern = testing::TempDir() + "onnx_test_XXXXXX";
        directory_ = ::mkdtemp(pattern.data());
        LogSettings settings;
        settings.file = directory_ / "log";
        EXPECT_TRUE(log_.configure(settings).ok());
    }
    ~OnnxTest() override { std::filesystem::remove_all(directory_); }

    // Writes a model file (or whatever bytes) and returns its path.
    std::string write(const std::string& bytes, const std::string& file = "model.onnx") {
        std::filesystem::create_directories((directory_ / file).parent_path());
        std::ofstream(directory_ / file, std::ios::binary) << bytes;
        return directory_ / file;
    }

    std::string logged() const {
        std::ostringstream text;
        text << std::ifstream(directory_ / "log").rdbuf();
        return text.str();
    }

    // A configuration for the model at `path` with these outputs.
    static ExecutorConfig config_of(const std::string& path, std::vector<std::string> outputs) {
        ExecutorConfig config;
        config.model_name = "tiny";
        config.backend = "onnxruntime";
        config.model_path = path;
        for (std::string& name : outputs) {
            config.outputs.emplace_back().name = std::move(name);
        }
        return config;
    }

    std::unique_ptr<ExecutorFactory> make_factory(const ExecutorConfig& config) {
        auto factory = make_executor_factory(config, context_);
        EXPECT_TRUE(factory.ok()) << factory.status().message();
        return std::move(factory).value();
    }

    static InstanceSpec instance(const std::string& name) {
        InstanceSpec spec;
        spec.name = name;
        return spec;
    }

    std::unique_ptr<Executor> make_executor(const ExecutorConfig& config) {
        auto executor = make_factory(config)->create(instance("tiny_0_0"));
        EXPECT_TRUE(executor.ok()) << executor.status().message();
        return std::move(executor).value();
    }

    // A tensor in a buffer of its own, `offset` bytes behind the buffer's (64-byte aligned) start.
    Tensor tensor_of(std::string name, DataType type, Shape shape, const std::string& bytes,
                     size_t offset = 0) {
        Tensor tensor;
        tensor.name = std::move(name);
        tensor.data_type = type;
        tensor.shape = shape;
        tensor.buffer = pool_.allocate(offset + bytes.size()).value();
        std::memcpy(tensor.buffer->data() + offset, bytes.data(), bytes.size());
        tensor.data = {tensor.buffer->data() + offset, bytes.size()};
        return tensor;
    }

    // A batch of one request that wants all outputs.
    static Batch batch_of(std::vector<Tensor> inputs) {
        Batch batch;
        batch.add(std::make_unique<InferenceRequest>());
        batch.inputs = std::move(inputs);
        return batch;
    }

    template <typename T>
    static std::string bytes_of(const std::vector<T>& elements) {
        return {reinterpret_cast<const char*>(elements.data()), elements.size() * sizeof(T)};
    }

    static std::string serialised(const std::vector<std::string>& elements) {
        std::vector<std::byte> bytes;
        for (const std::string& element : elements) {
            append_bytes_element(bytes, element);
        }
        return bytes_of(bytes);
    }

    static std::string data_of(const Tensor& tensor) {
        return {reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size()};
    }

    std::filesystem::path directory_;
    SteadyClock clock_;
    Log log_;
    BlockPool pool_;
    ExecutorContext context_{clock_, log_, pool_, kOnnxRuntimeLibrary};
};

// Y = X, of any element type and dimensions.
inline OnnxModel identity_model(ort::ElementType type, std::vector<int64_t> dims) {
    OnnxModel model;
    model.inputs = {{.name = "X", .type = type, .dims = dims}};
    model.outputs = {{.name = "Y", .type = type, .dims = dims}};
    model.nodes = {{.op = "Identity", .inputs = {"X"}, .outputs = {"Y"}}};
    return model;
}

// SUM = A + B and DIFFERENCE = A - B, floats of [-1,4].
inline OnnxModel add_sub_model() {
    std::vector<int64_t> dims = {-1, 4};
    OnnxModel model;
    model.inputs = {{.name = "A", .dims = dims}, {.name = "B", .dims = dims}};
    model.outputs = {{.name = "SUM", .dims = dims}, {.name = "DIFFERENCE", .dims = dims}};
    model.nodes = {{.op = "Add", .inputs = {"A", "B"}, .outputs = {"SUM"}},
                   {.op = "Sub", .inputs = {"A", "B"}, .outputs = {"DIFFERENCE"}}};
    return model;
}

// Y = X + B, where B has the value 10 unless a request gives another.
inline OnnxModel optional_input_model() {
    OnnxModel model;
    model.inputs = {{.name = "B", .dims = {{1}}}, {.name = "X", .dims = {{-1}}}};
    model.outputs = {{.name = "Y", .dims = {{-1}}}};
    model.nodes = {{.op = "Add", .inputs = {"X", "B"}, .outputs = {"Y"}}};
    model.initializers = {{.name = "B", .dims = {1}, .data = std::string("\0\0\x20\x41", 4)}};
    return model;
}

// S = the sequence of X.
inline OnnxModel sequence_model() {
    OnnxModel model;
    model.inputs = {{.name = "X", .dims = {{-1}}}};
    model.outputs = {{.name = "S", .dims = {{-1}}, .sequence = true}};
    model.nodes = {{.op = "SequenceConstruct", .inputs = {"X"}, .outputs = {"S"}}};
    return model;
}

}  // namespace tritonpy
