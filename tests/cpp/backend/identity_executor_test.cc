// Goal: the identity backend hands every input back, whatever its type, without a copy, and its
// parameters mean what Triton's mean.
// Method: batches over plain buffers; delays as arithmetic, and once as a lower bound on the clock.
#include "backend/identity_executor.h"

#include <gtest/gtest.h>

#include <limits>

namespace tritonpy {
namespace {

ExecutorConfig identity_config(std::map<std::string, std::string> parameters = {}) {
    ExecutorConfig config;
    config.model_name = "identity";
    config.backend = "identity";
    for (const char* index : {"0", "1"}) {
        TensorSpec spec;
        spec.name = std::string("INPUT") + index;
        spec.data_type = DataType::kFp32;
        spec.dims = {4};
        config.inputs.push_back(spec);
        spec.name = std::string("OUTPUT") + index;
        config.outputs.push_back(spec);
    }
    config.parameters = std::move(parameters);
    return config;
}

Tensor tensor_in(BlockPool& pool, std::string name, DataType type, Shape shape, size_t bytes) {
    Tensor tensor;
    tensor.name = std::move(name);
    tensor.data_type = type;
    tensor.shape = shape;
    tensor.buffer = pool.allocate(bytes).value();
    tensor.data = {tensor.buffer->data(), bytes};
    return tensor;
}

// A batch of one request that wants all outputs.
Batch batch_of_one() {
    Batch batch;
    batch.add(std::make_unique<InferenceRequest>());
    return batch;
}

std::unique_ptr<Executor> make_executor(const ExecutorConfig& config) {
    auto factory = make_identity_factory(config);
    EXPECT_TRUE(factory.ok()) << factory.status().message();
    return std::move(factory.value()->create({}).value());
}

TEST(IdentityExecutor, outputs_share_the_bytes_of_inputs_of_every_type) {
    BlockPool pool;
    auto executor = make_executor(identity_config());
    for (int type = 1; type <= 14; ++type) {
        Batch batch = batch_of_one();
        auto data_type = static_cast<DataType>(type);
        batch.inputs.push_back(tensor_in(pool, "INPUT0", data_type, {2, 3}, 48));
        batch.inputs.push_back(tensor_in(pool, "INPUT1", data_type, {2, 0}, 0));
        ASSERT_TRUE(executor->execute(batch).ok());
        ASSERT_EQ(batch.outputs.size(), 2u);
        EXPECT_EQ(batch.outputs[0].name, "OUTPUT0");
        EXPECT_EQ(batch.outputs[0].data_type, data_type);
        EXPECT_EQ(batch.outputs[0].shape, (Shape{2, 3}));
        EXPECT_EQ(batch.outputs[0].data.data(), batch.inputs[0].data.data());
        EXPECT_EQ(batch.outputs[1].name, "OUTPUT1");
        EXPECT_EQ(batch.outputs[1].shape, (Shape{2, 0}));
    }
}

TEST(IdentityExecutor, output_keeps_the_bytes_alive_when_the_batch_is_gone) {
    BlockPool pool;
    auto executor = make_executor(identity_config());
    Batch batch = batch_of_one();
    batch.inputs.push_back(tensor_in(pool, "INPUT0", DataType::kUint8, {4}, 4));
    ASSERT_TRUE(executor->execute(batch).ok());
    Tensor output = batch.outputs[0];
    batch.clear();
    EXPECT_EQ(pool.cached_bytes(), 0u);
    output = Tensor();
    EXPECT_GT(pool.cached_bytes(), 0u);
}

TEST(IdentityExecutor, unwanted_outputs_are_left_out) {
    BlockPool pool;
    auto executor = make_executor(identity_config());
    Batch batch;
    auto request = std::make_unique<InferenceRequest>();
    request->outputs.emplace_back().name = "OUTPUT1";
    batch.add(std::move(request));
    batch.inputs.push_back(tensor_in(pool, "INPUT0", DataType::kFp32, {1, 4}, 16));
    batch.inputs.push_back(tensor_in(pool, "INPUT1", DataType::kFp32, {1, 4}, 16));
    ASSERT_TRUE(executor->execute(batch).ok());
    ASSERT_EQ(batch.outputs.size(), 1u);
    EXPECT_EQ(batch.outputs[0].name, "OUTPUT1");
}

TEST(IdentityExecutor, every_response_carries_the_four_parameters) {
    auto executor = make_executor(identity_config());
    Batch batch;
    ASSERT_TRUE(executor->execute(batch).ok());
    EXPECT_EQ(batch.response_parameters,
              (std::vector<Parameter>{{"param0", std::string("an example string parameter")},
                                      {"param1", int64_t{42}},
                                      {"param2", false},
                                      {"param3", 123.123}}));
}

TEST(IdentityExecutor, delay_grows_with_the_instance_after_the_first) {
    IdentityDelays delays{.execute_ms = 10, .instance_wise_multiplier = 3};
    EXPECT_EQ(delays.execute_ms_of(0), 10);
    EXPECT_EQ(delays.execute_ms_of(1), 30);
    EXPECT_EQ(delays.execute_ms_of(2), 60);
    delays.instance_wise_multiplier = 0;
    EXPECT_EQ(delays.execute_ms_of(2), 10);
}

TEST(IdentityExecutor, delay_too_large_to_count_is_held_at_the_largest) {
    constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
    EXPECT_EQ((IdentityDelays{.execute_ms = UINT64_MAX}.execute_ms_of(0)), kLargest);
    EXPECT_EQ((IdentityDelays{.execute_ms = 2, .instance_wise_multiplier = UINT64_MAX}
                   .execute_ms_of(2)),
              kLargest);
    EXPECT_EQ((IdentityDelays{.execute_ms = 0, .instance_wise_multiplier = UINT64_MAX}
                   .execute_ms_of(2)),
              0);
}

TEST(IdentityExecutor, execution_takes_as_long_as_its_parameter_says) {
    auto executor = make_executor(identity_config({{"execute_delay_ms", "2"}}));
    SteadyClock clock;
    Batch batch;
    int64_t start_ns = clock.now_ns();
    ASSERT_TRUE(executor->execute(batch).ok());
    EXPECT_GE(clock.now_ns() - start_ns, 2'000'000);
}

TEST(IdentityExecutor, parameter_that_is_no_number_is_refused) {
    EXPECT_EQ(make_identity_factory(identity_config({{"execute_delay_ms", "soon"}})).status(),
              invalid_arg("failed to convert 'soon' to unsigned long long integral number"));
}

TEST(IdentityExecutor, unknown_parameter_is_ignored) {
    EXPECT_TRUE(make_identity_factory(identity_config({{"enable_custom_tracing", "x"}})).ok());
}

TEST(IdentityExecutor, tensors_that_are_no_pairs_are_refused) {
    auto message_of = [](const ExecutorConfig& config) {
        return std::string(make_identity_factory(config).status().message());
    };
    ExecutorConfig config = identity_config();
    config.outputs.pop_back();
    EXPECT_EQ(message_of(config), "identity model 'identity': expected as many outputs as inputs, "
                                  "but got 2 inputs and 1 outputs");
    config = identity_config();
    config.inputs[1].name = "X";
    EXPECT_EQ(message_of(config),
              "identity model 'identity': expected input 'X' to be called INPUT<index>");
    config = identity_config();
    config.outputs[1].name = "OUTPUT2";
    EXPECT_EQ(message_of(config),
              "identity model 'identity': expected an output 'OUTPUT1' for input 'INPUT1'");
    config = identity_config();
    config.outputs[1].data_type = DataType::kInt8;
    EXPECT_EQ(message_of(config),
              "identity model 'identity': expected output 'OUTPUT1' to be TYPE_FP32 [4] like its "
              "input, but got TYPE_INT8 [4]");
}

TEST(IdentityExecutor, gpu_instance_is_refused) {
    auto factory = make_identity_factory(identity_config());
    InstanceSpec instance;
    instance.kind = "KIND_GPU";
    EXPECT_EQ(factory.value()->create(instance).status(),
              internal_error("GPU instances not supported"));
}

}  // namespace
}  // namespace tritonpy
