// Goal: a request that a model cannot run is refused with exactly the text that Triton's clients
// know and stays as it was; one that it can run comes out sorted, reshaped and counted.
// Method: a table of faults against two small models (one that batches, one that does not), each a
// good request with one thing changed; then the accepted forms one by one.
#include "model/request_check.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/allocation_counter.h"
#include "support/request_builder.h"
#include "support/scripted_model.h"

namespace tritonpy {
namespace {

using Request = std::unique_ptr<InferenceRequest>;

constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();

// A: FP32 [2]; B: INT32 [-1]; S: BYTES [1]; batches up to 4.
ModelIdentity batching_model() {
    ModelIdentity model;
    model.name = "m";
    model.max_batch_size = 4;
    model.inputs = {make_spec("A", DataType::kFp32, {2}), make_spec("B", DataType::kInt32, {-1}),
                    make_spec("S", DataType::kBytes, {1})};
    model.outputs = {make_spec("X", DataType::kFp32, {2}), make_spec("Y", DataType::kFp32, {2})};
    return model;
}

ModelIdentity plain_model() {
    ModelIdentity model = batching_model();
    model.max_batch_size = 0;
    return model;
}

Tensor floats(std::string name, Shape shape, size_t count) {
    return make_tensor<float>(std::move(name), std::move(shape), std::vector<float>(count));
}

Tensor ints(std::string name, Shape shape, size_t count) {
    return make_tensor<int32_t>(std::move(name), std::move(shape), std::vector<int32_t>(count));
}

// One that batching_model accepts, of two rows.
Request good_request() {
    std::vector<Tensor> inputs;
    inputs.push_back(floats("A", {2, 2}, 4));
    inputs.push_back(ints("B", {2, 3}, 6));
    inputs.push_back(make_string_tensor("S", {2, 1}, {"one", "two"}));
    return make_request(std::move(inputs));
}

// One that plain_model accepts.
Request good_plain_request() {
    std::vector<Tensor> inputs;
    inputs.push_back(floats("A", {2}, 2));
    inputs.push_back(ints("B", {3}, 3));
    inputs.push_back(make_string_tensor("S", {1}, {"one"}));
    return make_request(std::move(inputs));
}

void set_raw_bytes(Tensor& tensor, const std::string& bytes) {
    tensor.buffer = make_buffer(std::as_bytes(std::span(bytes)));
    tensor.data = {tensor.buffer->data(), tensor.buffer->size()};
}

struct Fault {
    std::function<void(InferenceRequest&)> change;
    std::string text;
};

const char* const kUnknownId = "[request id: <id_unknown>] ";

void expect_texts(const ModelIdentity& model, const std::function<Request()>& make,
                  const std::vector<Fault>& faults) {
    ASSERT_TRUE(check_request(model, *make()).ok());
    for (const Fault& fault : faults) {
        Request request = make();
        fault.change(*request);
        std::vector<Shape> before;
        for (const Tensor& input : request->inputs) {
            before.push_back(input.shape);
        }
        Status status = check_request(model, *request);
        ASSERT_FALSE(status.ok()) << fault.text;
        EXPECT_EQ(status.code(), StatusCode::kInvalidArg) << fault.text;
        EXPECT_EQ(status.message(), fault.text);
        ASSERT_EQ(request->inputs.size(), before.size());
        for (size_t index = 0; index < before.size(); ++index) {
            EXPECT_EQ(request->inputs[index].shape, before[index]) << fault.text;
        }
    }
}

TEST(RequestCheck, refuses_wrong_names_with_exact_texts) {
    const std::string missing = std::string(kUnknownId) + "expected 3 inputs but got ";
    expect_texts(
        batching_model(), good_request,
        {
            {[](auto& request) { request.inputs.clear(); },
             missing + "0 inputs for model 'm'. Got input(s) [], but missing required input(s) "
                       "['A','B','S']. Please provide all required input(s)."},
            {[](auto& request) { request.inputs.erase(request.inputs.begin() + 1); },
             missing + "2 inputs for model 'm'. Got input(s) ['A','S'], but missing required "
                       "input(s) ['B']. Please provide all required input(s)."},
            {[](auto& request) { request.inputs.push_back(floats("Z", {2, 2}, 4)); },
             missing + "4 inputs for model 'm'. Got input(s) ['A','B','S','Z'], but missing "
                       "required input(s) []. Please provide all required input(s)."},
            {[](auto& request) { request.inputs[1].name = "Z"; },
             "unexpected inference input 'Z' for model 'm'"},
            {[](auto& request) { request.inputs[1].name = "A"; },
             "input 'A' already exists in request"},
            {[](auto& request) { request.inputs.push_back(floats("A", {2, 2}, 4)); },
             "input 'A' already exists in request"},
            {[](auto& request) { request.outputs.emplace_back().name = "DUMMY"; },
             "unexpected inference output 'DUMMY' for model 'm'"},
            {[](auto& request) {
                 request.outputs.emplace_back().name = "Y";
                 request.outputs.emplace_back().name = "Y";
             },
             "output 'Y' already exists in request"},
        });
}

TEST(RequestCheck, refuses_wrong_batch_dimensions_with_exact_texts) {
    expect_texts(
        batching_model(), good_request,
        {
            {[](auto& request) { request.inputs[0].shape = Shape{}; },
             std::string(kUnknownId) +
                 "input 'A' has no shape but model requires batch dimension for 'm'"},
            {[](auto& request) { request.inputs[1].shape = {3, 2}; },
             std::string(kUnknownId) + "input 'B' batch size does not match other inputs for 'm'"},
            {[](auto& request) {
                 request.id = "42";
                 for (Tensor& input : request.inputs) {
                     input.shape.set(0, 5);
                 }
             },
             "[request id: 42] inference request batch-size must be <= 4 for 'm'"},
        });
}

TEST(RequestCheck, refuses_wrong_types_and_shapes_with_exact_texts) {
    const std::string note =
        ". NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension "
        "to be prepended to each input shape. If you want to specify the full shape including the "
        "batch dim in your input dims config, try setting max_batch_size to zero. See the model "
        "configuration docs for more info on max_batch_size.";
    expect_texts(
        batching_model(), good_request,
        {
            {[](auto& request) { request.inputs[0].data_type = DataType::kInt64; },
             std::string(kUnknownId) +
                 "inference input 'A' data-type is 'INT64', but model 'm' expects 'FP32'"},
            {[](auto& request) { request.inputs[0].shape = {2, 8}; },
             std::string(kUnknownId) +
                 "unexpected shape for input 'A' for model 'm'. Expected [-1,2], got [2,8]" +
                 note},
            {[](auto& request) { request.inputs[1].shape = {2}; },
             std::string(kUnknownId) +
                 "unexpected shape for input 'B' for model 'm'. Expected [-1,-1], got [2]" + note},
            {[](auto& request) {
                 request.inputs[1].shape = Shape(std::vector<int64_t>(limits::kMaxRank + 1, 1));
             },
             "invalid shape for input 'B': it has more than 32 dimensions"},
            {[](auto& request) { request.inputs[1].shape = {2, -1}; },
             "invalid shape for input 'B': shape [2,-1] contains one or more invalid dimensions"},
            {[](auto& request) { request.inputs[1].shape = {2, kHuge}; },
             "invalid shape for input 'B': shape [2,9223372036854775807] causes total element "
             "count to exceed maximum size of 9223372036854775807"},
        });
    expect_texts(plain_model(), good_plain_request,
                 {{[](auto& request) { request.inputs[0].shape = {3}; },
                   std::string(kUnknownId) +
                       "unexpected shape for input 'A' for model 'm'. Expected [2], got [3]."},
                  {[](auto& request) { request.inputs[1].shape = {kHuge}; },
                   "byte size overflow for input 'B'"}});
}

TEST(RequestCheck, refuses_wrong_sizes_with_exact_texts) {
    const std::string of_s = " for inference input 'S' for model 'm', ";
    expect_texts(
        batching_model(), good_request,
        {
            {[](auto& request) { request.inputs[0] = floats("A", {2, 2}, 5); },
             std::string(kUnknownId) +
                 "input byte size mismatch for input 'A' for model 'm'. Expected 16, got 20"},
            {[](auto& request) {
                 request.inputs[2] = make_string_tensor("S", {2, 1}, {"one"});
             },
             std::string(kUnknownId) + "expected 2 string elements" + of_s + "got 1"},
            {[](auto& request) {
                 request.inputs[2] = make_string_tensor("S", {2, 1}, {"a", "b", "c"});
             },
             std::string(kUnknownId) + "unexpected number of string elements 3" + of_s +
                 "expecting 2"},
            {[](auto& request) {
                 set_raw_bytes(request.inputs[2], std::string("\1\0\0\0a\2\0\0", 8));
             },
             std::string(kUnknownId) + "incomplete string length indicator" + of_s +
                 "expecting 4 bytes but only 3 bytes available. Please make sure the string "
                 "length indicator is in one buffer."},
            {[](auto& request) {
                 set_raw_bytes(request.inputs[2], std::string("\1\0\0\0a\1\0\0\0b\1", 11));
             },
             std::string(kUnknownId) + "incomplete string length indicator" + of_s +
                 "expecting 4 bytes but only 1 bytes available. Please make sure the string "
                 "length indicator is in one buffer."},
            {[](auto& request) {
                 set_raw_bytes(request.inputs[2], std::string("\1\0\0\0a\377\377\377\377b", 10));
             },
             std::string(kUnknownId) + "expected 2 string elements" + of_s + "got 1"},
        });
}

TEST(RequestCheck, accepts_optional_inputs_in_any_combination) {
    ModelIdentity model = batching_model();
    model.inputs[1].optional = true;
    ASSERT_TRUE(check_request(model, *good_request()).ok());
    Request without = good_request();
    without->inputs.erase(without->inputs.begin() + 1);
    EXPECT_TRUE(check_request(model, *without).ok());

    const std::string missing = std::string(kUnknownId) +
                                "expected number of inputs between 2 and 3 but got ";
    Request too_few = good_request();
    too_few->inputs.resize(1);
    EXPECT_EQ(check_request(model, *too_few).message(),
              missing + "1 inputs for model 'm'. Got input(s) ['A'], but missing required "
                        "input(s) ['S']. Please provide all required input(s).");
    Request optional_instead = good_request();
    optional_instead->inputs.pop_back();
    EXPECT_EQ(check_request(model, *optional_instead).message(),
              missing + "2 inputs for model 'm'. Got input(s) ['A','B'], but missing required "
                        "input(s) ['S']. Please provide all required input(s).");
}

TEST(RequestCheck, sorts_inputs_into_config_order_and_counts_rows) {
    Request request = good_request();
    std::swap(request->inputs[0], request->inputs[2]);
    std::swap(request->inputs[0], request->inputs[1]);
    ASSERT_TRUE(check_request(batching_model(), *request).ok());
    EXPECT_EQ(request->inputs[0].name, "A");
    EXPECT_EQ(request->inputs[1].name, "B");
    EXPECT_EQ(request->inputs[2].name, "S");
    EXPECT_EQ(strings_of(request->inputs[2]), (std::vector<std::string>{"one", "two"}));
    EXPECT_EQ(request->rows, 2);

    Request plain = good_plain_request();
    plain->rows = 77;
    ASSERT_TRUE(check_request(plain_model(), *plain).ok());
    EXPECT_EQ(plain->rows, 1);
}

TEST(RequestCheck, accepts_zero_rows_and_zero_size_dimensions) {
    std::vector<Tensor> inputs;
    inputs.push_back(floats("A", {0, 2}, 0));
    inputs.push_back(ints("B", {0, 5}, 0));
    inputs.push_back(make_string_tensor("S", {0, 1}, {}));
    Request none = make_request(std::move(inputs));
    ASSERT_TRUE(check_request(batching_model(), *none).ok());
    EXPECT_EQ(none->rows, 0);

    Request empty = good_request();
    empty->inputs[1] = ints("B", {2, 0}, 0);
    EXPECT_TRUE(check_request(batching_model(), *empty).ok());
    // An element count that only a zero keeps from overflowing.
    empty = good_plain_request();
    ModelIdentity wide = plain_model();
    wide.inputs[1].dims = {-1, -1, -1};
    empty->inputs[1] = ints("B", {0, kHuge, kHuge}, 0);
    EXPECT_TRUE(check_request(wide, *empty).ok());
}

TEST(RequestCheck, keeps_strings_with_zero_bytes) {
    Request request = good_request();
    request->inputs[2] = make_string_tensor("S", {2, 1}, {std::string("\0\0", 2), ""});
    ASSERT_TRUE(check_request(batching_model(), *request).ok());
    EXPECT_EQ(strings_of(request->inputs[2])[0], std::string("\0\0", 2));
}

TEST(RequestCheck, reshapes_for_the_backend_and_back_for_a_caller_that_keeps_it) {
    ModelIdentity model = batching_model();
    model.inputs[0].reshape = Shape{2, 1};
    model.inputs[1].reshape = Shape{1, -1};
    model.inputs[2].reshape = Shape{};
    Request request = good_request();
    ASSERT_TRUE(check_request(model, *request).ok());
    EXPECT_EQ(request->inputs[0].shape, (Shape{2, 2, 1}));
    EXPECT_EQ(request->inputs[1].shape, (Shape{2, 1, 3}));
    EXPECT_EQ(request->inputs[2].shape, (Shape{2}));
    restore_client_shapes(model, *request);
    EXPECT_EQ(request->inputs[0].shape, (Shape{2, 2}));
    EXPECT_EQ(request->inputs[1].shape, (Shape{2, 3}));
    EXPECT_EQ(request->inputs[2].shape, (Shape{2, 1}));
    EXPECT_TRUE(check_request(model, *request).ok());
}

TEST(RequestCheck, marks_ragged_inputs_of_what_it_accepts_and_nothing_else) {
    ModelIdentity model = batching_model();
    model.inputs[1].ragged = true;
    Request request = good_request();
    ASSERT_TRUE(check_request(model, *request).ok());
    EXPECT_FALSE(request->inputs[0].ragged);
    EXPECT_TRUE(request->inputs[1].ragged);
    EXPECT_EQ(request->inputs[1].shape, (Shape{2, 3}));  // flat only in a batch
    restore_client_shapes(model, *request);
    EXPECT_FALSE(request->inputs[1].ragged);
    request->inputs[0].shape = {2, 3};
    EXPECT_FALSE(check_request(model, *request).ok());
    EXPECT_FALSE(request->inputs[1].ragged);
}

TEST(RequestCheck, accepting_a_request_in_config_order_allocates_nothing) {
    ModelIdentity model = batching_model();
    model.inputs[0].reshape = Shape{2, 1};
    Request request = good_request();
    uint64_t before = allocation_count;
    Status status = check_request(model, *request);
    uint64_t after = allocation_count;
    EXPECT_TRUE(status.ok());
    EXPECT_EQ(after, before);
}

TEST(RequestCheck, accepts_a_model_without_inputs) {
    ModelIdentity model;
    model.name = "source";
    model.max_batch_size = 4;
    Request request = make_request({});
    ASSERT_TRUE(check_request(model, *request).ok());
    EXPECT_EQ(request->rows, 1);
}

}  // namespace
}  // namespace tritonpy
