// Goal: batches go through ONNX Runtime unharmed in every type, nothing is copied that need not be,
// whatever does not fit is an error with text, and outputs outlive everything else.
// Method: models written for the purpose, run through the factory; addresses tell about copies.
#include "backend/onnxruntime_executor.h"

#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <map>
#include <thread>

#include "backend/onnxruntime/onnx_fixture.h"
#include "backend/onnxruntime_signature.h"

namespace tritonpy {
namespace {

class OnnxRuntimeExecutorTest : public OnnxTest {
  protected:
    // Runs X through a model with output Y.
    Batch run(const OnnxModel& model, Tensor input) {
        Batch batch = batch_of({std::move(input)});
        Status status = make_executor(config_of(write(model.encode()), {"Y"}))->execute(batch);
        EXPECT_TRUE(status.ok()) << status.message();
        EXPECT_EQ(batch.outputs.size(), 1u);
        return batch;
    }

    std::string error_of(const OnnxModel& model, std::vector<Tensor> inputs,
                         std::vector<std::string> outputs = {"Y"}) {
        Batch batch = batch_of(std::move(inputs));
        Status status =
            make_executor(config_of(write(model.encode()), std::move(outputs)))->execute(batch);
        EXPECT_EQ(status.code(), StatusCode::kInternal);
        return std::string(status.message());
    }

    Tensor floats(std::string name, Shape shape, const std::vector<float>& elements) {
        return tensor_of(std::move(name), DataType::kFp32, shape, bytes_of(elements));
    }
};

TEST_F(OnnxRuntimeExecutorTest, fixed_size_types_come_back_bit_for_bit) {
    for (int type = 1; type <= 14; ++type) {
        auto data_type = static_cast<DataType>(type);
        if (data_type == DataType::kBytes) {
            continue;  // strings_of_any_content_come_back
        }
        std::string bytes;
        for (size_t index = 0; index < 6 * size_of(data_type); ++index) {
            bytes.push_back(static_cast<char>(data_type == DataType::kBool ? index % 2
                                                                           : index * 37));
        }
        Batch batch = run(identity_model(element_type_of(data_type), {-1, 3}),
                          tensor_of("X", data_type, {2, 3}, bytes));
        const Tensor& output = batch.outputs.front();
        EXPECT_EQ(output.name, "Y");
        EXPECT_EQ(output.data_type, data_type);
        EXPECT_EQ(output.shape, (Shape{2, 3}));
        EXPECT_EQ(data_of(output), bytes) << wire_name(data_type);
    }
}

TEST_F(OnnxRuntimeExecutorTest, op_libraries_are_asked_before_the_model_is_read) {
    ExecutorConfig config = config_of(write("not a model"), {"Y"});
    auto failure = [&](const std::string& library) {
        config.op_libraries = {library};
        return std::string(
            make_factory(config)->create(instance("tiny_0_0")).status().message());
    };
    EXPECT_EQ(failure(TRITONPY_OP_LIBRARY), "onnx runtime error 1: op_library was asked");
    EXPECT_NE(failure("/no/such/library.so").find("/no/such/library.so"), std::string::npos);
    EXPECT_EQ(describe_onnx_model(kOnnxRuntimeLibrary, config.model_path, log_,
                                  {TRITONPY_OP_LIBRARY})
                  .status(),
              internal_error("onnx runtime error 1: op_library was asked"));
}

TEST_F(OnnxRuntimeExecutorTest, strings_of_any_content_come_back) {
    std::vector<std::string> elements = {"", std::string("a\0b\0", 4), "zażółć gęślą jaźń",
                                         std::string(100'000, 'x'), std::string(1, '\0'), ""};
    Batch batch = run(identity_model(ort::ElementType::kString, {-1, 3}),
                      tensor_of("X", DataType::kBytes, {2, 3}, serialised(elements)));
    EXPECT_EQ(batch.outputs[0].data_type, DataType::kBytes);
    EXPECT_EQ(batch.outputs[0].shape, (Shape{2, 3}));
    EXPECT_EQ(data_of(batch.outputs[0]), serialised(elements));
}

TEST_F(OnnxRuntimeExecutorTest, zero_size_tensors_come_back_with_their_shape) {
    for (DataType type : {DataType::kFp32, DataType::kInt8, DataType::kBytes}) {
        Tensor empty;
        empty.name = "X";
        empty.data_type = type;
        empty.shape = {2, 0, 3};
        Batch batch = run(identity_model(element_type_of(type), {-1, -1, 3}), empty);
        EXPECT_EQ(batch.outputs[0].shape, (Shape{2, 0, 3}));
        EXPECT_TRUE(batch.outputs[0].data.empty());
    }
}

TEST_F(OnnxRuntimeExecutorTest, only_wanted_outputs_are_computed) {
    auto executor =
        make_executor(config_of(write(add_sub_model().encode()), {"SUM", "DIFFERENCE"}));
    Batch batch = batch_of({floats("A", {1, 4}, {1, 2, 3, 4}), floats("B", {1, 4}, {4, 3, 2, 1})});
    ASSERT_TRUE(executor->execute(batch).ok());
    ASSERT_EQ(batch.outputs.size(), 2u);
    EXPECT_EQ(data_of(batch.outputs[0]), bytes_of<float>({5, 5, 5, 5}));

    batch.outputs.clear();
    batch.requests[0]->outputs.emplace_back().name = "DIFFERENCE";
    ASSERT_TRUE(executor->execute(batch).ok());
    ASSERT_EQ(batch.outputs.size(), 1u);
    EXPECT_EQ(batch.outputs[0].name, "DIFFERENCE");
    EXPECT_EQ(data_of(batch.outputs[0]), bytes_of<float>({-3, -1, 1, 3}));
}

TEST_F(OnnxRuntimeExecutorTest, inputs_may_come_in_any_order) {
    auto executor = make_executor(config_of(write(add_sub_model().encode()), {"DIFFERENCE"}));
    Batch batch = batch_of({floats("B", {1, 4}, {1, 1, 1, 1}), floats("A", {1, 4}, {3, 3, 3, 3})});
    ASSERT_TRUE(executor->execute(batch).ok());
    EXPECT_EQ(data_of(batch.outputs[0]), bytes_of<float>({2, 2, 2, 2}));
}

// A graph whose output is its input hands the input's own memory out again, which shows where the
// runtime read it.
OnnxModel pass_through_model() {
    OnnxModel model = add_sub_model();
    model.outputs.push_back(model.inputs[0]);
    return model;
}

TEST_F(OnnxRuntimeExecutorTest, aligned_input_is_read_where_it_lies) {
    auto executor = make_executor(config_of(write(pass_through_model().encode()), {"SUM", "A"}));
    Tensor a = floats("A", {1, 4}, {1, 2, 3, 4});
    Batch batch = batch_of({a, floats("B", {1, 4}, {0, 0, 0, 0})});
    Status status = executor->execute(batch);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(batch.outputs[1].data.data(), a.data.data());
}

TEST_F(OnnxRuntimeExecutorTest, input_handed_through_keeps_its_own_buffer_alive) {
    auto executor = make_executor(config_of(write(pass_through_model().encode()), {"SUM", "A"}));
    Batch batch = batch_of({floats("A", {1, 4}, {1, 2, 3, 4}), floats("B", {1, 4}, {0, 0, 0, 0})});
    Buffer* lent = &*batch.inputs[0].buffer;
    ASSERT_TRUE(executor->execute(batch).ok());
    EXPECT_EQ(&*batch.outputs[1].buffer, lent);
    batch.inputs.clear();
    EXPECT_EQ(data_of(batch.outputs[1]), bytes_of<float>({1, 2, 3, 4}));
}

TEST_F(OnnxRuntimeExecutorTest, misaligned_input_is_moved_once_and_right) {
    std::string bytes = bytes_of<float>({1, 2, 3, 4});
    for (size_t offset : {1, 2, 3}) {
        Tensor misaligned = tensor_of("A", DataType::kFp32, {1, 4}, bytes, offset);
        auto executor = make_executor(config_of(write(add_sub_model().encode()), {"SUM"}));
        Batch batch = batch_of({misaligned, floats("B", {1, 4}, {1, 1, 1, 1})});
        ASSERT_TRUE(executor->execute(batch).ok());
        EXPECT_NE(batch.inputs[0].data.data(), misaligned.data.data());
        EXPECT_EQ(data_of(batch.outputs[0]), bytes_of<float>({2, 3, 4, 5}));
    }
}

TEST_F(OnnxRuntimeExecutorTest, input_aligned_to_its_own_element_only_stays) {
    Tensor input = tensor_of("X", DataType::kInt16, {1, 3}, bytes_of<int16_t>({1, 2, 3}), 2);
    const std::byte* where = input.data.data();
    Batch batch = run(identity_model(ort::ElementType::kInt16, {-1, 3}), std::move(input));
    EXPECT_EQ(batch.inputs[0].data.data(), where);
    EXPECT_EQ(data_of(batch.outputs[0]), bytes_of<int16_t>({1, 2, 3}));
}

TEST_F(OnnxRuntimeExecutorTest, scalar_output_has_shape_one) {
    OnnxModel model;
    model.inputs = {{.name = "X", .dims = {{-1}}}};
    model.outputs = {{.name = "Y", .dims = {{}}}};
    model.nodes = {{.op = "ReduceSum",
                    .inputs = {"X"},
                    .outputs = {"Y"},
                    .attributes = {{"keepdims", 0}}}};
    Batch batch = run(model, floats("X", {3}, {1, 2, 3}));
    EXPECT_EQ(batch.outputs[0].shape, (Shape{1}));
    EXPECT_EQ(data_of(batch.outputs[0]), bytes_of<float>({6}));
}

TEST_F(OnnxRuntimeExecutorTest, scalar_input_takes_a_tensor_of_shape_one) {
    Batch batch = run(identity_model(ort::ElementType::kFloat, {}), floats("X", {1}, {7}));
    EXPECT_EQ(data_of(batch.outputs[0]), bytes_of<float>({7}));
}

TEST_F(OnnxRuntimeExecutorTest, optional_input_may_be_given_or_left_out) {
    Batch without = run(optional_input_model(), floats("X", {2}, {1, 2}));
    EXPECT_EQ(data_of(without.outputs[0]), bytes_of<float>({11, 12}));

    auto executor = make_executor(config_of(write(optional_input_model().encode()), {"Y"}));
    Batch with = batch_of({floats("X", {2}, {1, 2}), floats("B", {1}, {100})});
    ASSERT_TRUE(executor->execute(with).ok());
    EXPECT_EQ(data_of(with.outputs[0]), bytes_of<float>({101, 102}));
}

TEST_F(OnnxRuntimeExecutorTest, output_outlives_executor_factory_and_batch) {
    Tensor output;
    Tensor strings;
    {
        Batch batch = run(identity_model(ort::ElementType::kFloat, {-1}),
                          floats("X", {3}, {1, 2, 3}));
        output = batch.outputs[0];
        strings = run(identity_model(ort::ElementType::kString, {-1}),
                      tensor_of("X", DataType::kBytes, {1}, serialised({"kept"})))
                      .outputs[0];
    }
    EXPECT_EQ(data_of(output), bytes_of<float>({1, 2, 3}));
    EXPECT_EQ(data_of(strings), serialised({"kept"}));
}

TEST_F(OnnxRuntimeExecutorTest, wrong_shape_gives_the_runtimes_text) {
    std::string text = error_of(add_sub_model(), {floats("A", {1, 3}, {1, 2, 3}),
                                                  floats("B", {1, 4}, {1, 2, 3, 4})},
                                {"SUM"});
    EXPECT_TRUE(text.starts_with("onnx runtime error 2: Got invalid dimensions for input: A"))
        << text;
}

TEST_F(OnnxRuntimeExecutorTest, wrong_type_gives_the_runtimes_text) {
    std::string text =
        error_of(identity_model(ort::ElementType::kFloat, {-1}),
                 {tensor_of("X", DataType::kInt32, {1}, bytes_of<int32_t>({1}))});
    EXPECT_TRUE(text.starts_with("onnx runtime error 2: Unexpected input data type")) << text;
}

TEST_F(OnnxRuntimeExecutorTest, unknown_and_missing_names_are_errors_that_name_them) {
    OnnxModel model = identity_model(ort::ElementType::kFloat, {-1});
    EXPECT_EQ(error_of(add_sub_model(), {floats("Z", {1}, {1})}),
              "unexpected inference input 'Z', allowed inputs are: A, B");
    EXPECT_EQ(error_of(add_sub_model(), {floats("A", {1, 4}, {1, 2, 3, 4})}),
              "input 'B' of the model is not in the batch");
    EXPECT_NE(error_of(model, {floats("X", {1}, {1})}, {"NONE"}).find("NONE"), std::string::npos);
}

TEST_F(OnnxRuntimeExecutorTest, fewer_bytes_than_the_shape_says_are_an_error) {
    std::string text =
        error_of(identity_model(ort::ElementType::kFloat, {-1}), {floats("X", {5}, {1, 2})});
    EXPECT_TRUE(text.starts_with("input 'X': onnx runtime error 2: ")) << text;
}

TEST_F(OnnxRuntimeExecutorTest, impossible_shapes_are_errors) {
    OnnxModel model = identity_model(ort::ElementType::kFloat, {-1, -1});
    EXPECT_NE(error_of(model, {floats("X", {-1, 1}, {1})}), "");
    EXPECT_NE(error_of(model, {floats("X", {INT64_MAX, 16}, {1})}), "");
}

TEST_F(OnnxRuntimeExecutorTest, broken_strings_are_an_error_that_names_the_input) {
    OnnxModel model = identity_model(ort::ElementType::kString, {-1});
    std::string cut = serialised({"one", "two"});
    cut.pop_back();
    EXPECT_EQ(error_of(model, {tensor_of("X", DataType::kBytes, {2}, cut)}),
              "input 'X' holds 1 whole string elements, expected those of shape [2]");
    EXPECT_EQ(error_of(model, {tensor_of("X", DataType::kBytes, {1}, serialised({"a", "b"}))}),
              "input 'X' holds 2 whole string elements, expected those of shape [1]");
}

TEST_F(OnnxRuntimeExecutorTest, executor_works_after_an_error) {
    auto executor = make_executor(config_of(write(add_sub_model().encode()), {"SUM"}));
    Batch bad = batch_of({floats("A", {1, 4}, {1, 2, 3, 4})});
    EXPECT_FALSE(executor->execute(bad).ok());
    EXPECT_TRUE(bad.outputs.empty());
    Batch good = batch_of({floats("A", {1, 4}, {1, 2, 3, 4}), floats("B", {1, 4}, {1, 1, 1, 1})});
    ASSERT_TRUE(executor->execute(good).ok());
    EXPECT_EQ(data_of(good.outputs[0]), bytes_of<float>({2, 3, 4, 5}));
}

TEST_F(OnnxRuntimeExecutorTest, missing_model_file_names_path_and_instance) {
    auto factory = make_factory(config_of(directory_ / "none.onnx", {"Y"}));
    EXPECT_EQ(factory->create(instance("tiny_0_1")).status(),
              unavailable("unable to find '" + (directory_ / "none.onnx").string() +
                          "' for model instance 'tiny_0_1'"));
}

TEST_F(OnnxRuntimeExecutorTest, model_may_lie_in_a_directory) {
    write(add_sub_model().encode(), "model.onnx/model.onnx");
    auto factory = make_factory(config_of(directory_ / "model.onnx", {"SUM"}));
    EXPECT_TRUE(factory->create({}).ok());
}

TEST_F(OnnxRuntimeExecutorTest, file_that_is_no_model_gives_the_runtimes_text) {
    auto factory = make_factory(config_of(write("not a model"), {"Y"}));
    Status status = factory->create({}).status();
    EXPECT_EQ(status.code(), StatusCode::kInternal);
    EXPECT_TRUE(status.message().starts_with("onnx runtime error 7: ")) << status.message();
}

// No more than with threads of its own: only a lack of shared threads is a reason to try again.
TEST_F(OnnxRuntimeExecutorTest, file_that_is_no_model_is_opened_no_more_than_needed) {
    const std::string path = write("no model at all");
    const auto opened = [&](const std::map<std::string, std::string>& parameters) {
        const int watch = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        EXPECT_GE(::inotify_add_watch(watch, path.c_str(), IN_OPEN | IN_CLOSE), 0);
        ExecutorConfig config = config_of(path, {"Y"});
        config.parameters = parameters;
        EXPECT_FALSE(make_factory(config)->create(instance("tiny_0_0")).ok());
        alignas(inotify_event) std::array<char, 4096> events;
        // Without a name an event is as large as its head. Two alike in a row would be told once,
        // so closing is watched too.
        const ssize_t size = ::read(watch, events.data(), events.size());
        ::close(watch);
        return size / static_cast<ssize_t>(sizeof(inotify_event));
    };
    EXPECT_EQ(opened({}), opened({{"intra_op_thread_count", "1"}}));
}

TEST_F(OnnxRuntimeExecutorTest, model_with_a_sequence_is_unsupported) {
    auto factory = make_factory(config_of(write(sequence_model().encode()), {"S"}));
    EXPECT_EQ(factory->create({}).status().code(), StatusCode::kUnsupported);
}

TEST_F(OnnxRuntimeExecutorTest, gpu_instance_is_refused) {
    auto factory = make_factory(config_of(write(add_sub_model().encode()), {"SUM"}));
    InstanceSpec on_gpu = instance("i_0_0");
    on_gpu.kind = "KIND_GPU";
    EXPECT_EQ(factory->create(on_gpu).status(),
              internal_error("GPU instances not supported"));
}

TEST_F(OnnxRuntimeExecutorTest, every_option_of_a_session_is_taken) {
    ExecutorConfig config = config_of(write(add_sub_model().encode()), {"SUM"});
    config.graph_optimization_level = 1;
    config.parameters = {{"intra_op_thread_count", "2"},
                         {"inter_op_thread_count", "2"},
                         {"execution_mode", "1"},
                         {"enable_mem_arena", "1"},
                         {"enable_mem_pattern", "0"},
                         {"memory.enable_memory_arena_shrinkage", "cpu:0"},
                         {"session.use_device_allocator_for_initializers", "1"}};
    auto executor = make_executor(config);
    Batch batch = batch_of({floats("A", {1, 4}, {1, 2, 3, 4}), floats("B", {1, 4}, {1, 1, 1, 1})});
    Status status = executor->execute(batch);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(data_of(batch.outputs[0]), bytes_of<float>({2, 3, 4, 5}));
}

TEST_F(OnnxRuntimeExecutorTest, options_reach_the_session) {
    ExecutorConfig config = config_of(write(add_sub_model().encode()), {"SUM"});
    config.parameters = {{"session." + std::string(5000, 'x'), "1"}};
    Status entry = make_factory(config)->create({}).status();
    EXPECT_TRUE(entry.message().starts_with("onnx runtime error ")) << entry.message();

    // Shrinking an arena that is not there fails the run.
    config.parameters = {{"memory.enable_memory_arena_shrinkage", "gpu:0"}};
    auto executor = make_executor(config);
    Batch batch = batch_of({floats("A", {1, 4}, {1, 2, 3, 4}), floats("B", {1, 4}, {1, 1, 1, 1})});
    EXPECT_NE(executor->execute(batch).message().find("gpu:0"), std::string::npos);
}

TEST_F(OnnxRuntimeExecutorTest, what_the_session_logs_is_in_our_log) {
    make_executor(config_of(write(optional_input_model().encode()), {"Y"}));
    // The runtime warns that B, having a value, cannot be folded into the graph.
    EXPECT_NE(logged().find("B appears in graph inputs"), std::string::npos) << logged();
    EXPECT_TRUE(logged().starts_with("W")) << logged();
}

size_t threads_of_this_process() {
    std::filesystem::directory_iterator tasks("/proc/self/task");
    return static_cast<size_t>(std::distance(begin(tasks), end(tasks)));
}

TEST_F(OnnxRuntimeExecutorTest, models_share_threads_unless_their_configuration_speaks_of_them) {
    ExecutorConfig config = config_of(write(add_sub_model().encode()), {"SUM"});
    std::vector<std::unique_ptr<Executor>> executors;
    executors.push_back(make_executor(config));  // with which the process has its threads
    const size_t threads = threads_of_this_process();
    for (int model = 0; model < 3; ++model) {
        executors.push_back(make_executor(config));
    }
    EXPECT_EQ(threads_of_this_process(), threads);
    config.parameters = {{"intra_op_thread_count", "3"}};
    executors.push_back(make_executor(config));
    EXPECT_EQ(threads_of_this_process(), threads + 2);  // beside whoever calls
}

TEST_F(OnnxRuntimeExecutorTest, executors_of_one_factory_run_at_the_same_time) {
    auto factory = make_factory(config_of(write(add_sub_model().encode()), {"SUM", "DIFFERENCE"}));
    std::vector<std::unique_ptr<Executor>> executors;
    for (int index = 0; index < 2; ++index) {
        executors.push_back(factory->create({}).value());
    }
    std::vector<std::thread> threads;
    for (int index = 0; index < 2; ++index) {
        threads.emplace_back([this, index, executor = executors[index].get()] {
            for (int round = 0; round < 200; ++round) {
                auto number = static_cast<float>(index * 1000 + round);
                Batch batch = batch_of({floats("A", {1, 4}, {number, number, number, number}),
                                floats("B", {1, 4}, {1, 2, 3, 4})});
                ASSERT_TRUE(executor->execute(batch).ok());
                ASSERT_EQ(data_of(batch.outputs[1]),
                          bytes_of<float>({number - 1, number - 2, number - 3, number - 4}));
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}

}  // namespace
}  // namespace tritonpy
