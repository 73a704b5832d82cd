// Goal: requests whose shapes differ run together where the model's configuration lets them: their
// elements lie one after the other, and outputs come apart by the shapes that their source had.
// Method: hand-made batches for each rule and each fault.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "infer/batch.h"
#include "support/request_builder.h"

namespace tritonpy {
namespace {

using Scattered = std::vector<std::vector<Tensor>>;
using Floats = std::vector<float>;
using Strings = std::vector<std::string>;

Tensor ragged(Tensor tensor) {
    tensor.ragged = true;
    return tensor;
}

TEST(MayShareBatch, ragged_inputs_need_not_have_one_shape) {
    auto a = request_with(ragged(make_tensor<float>("x", {1, 2}, {1, 2})));
    auto b = request_with(ragged(make_tensor<float>("x", {2, 1, 3}, Floats(6))));
    EXPECT_TRUE(may_share_batch(*a, *b));
    auto other_type = request_with(ragged(make_tensor<int32_t>("x", {1, 2}, {1, 2})));
    EXPECT_FALSE(may_share_batch(*a, *other_type));
    a->inputs.push_back(make_tensor<float>("y", {1, 2}, {1, 2}));
    b->inputs.push_back(make_tensor<float>("y", {2, 3}, Floats(6)));
    EXPECT_FALSE(may_share_batch(*a, *b));  // the other input
}

TEST(GatherInputs, ragged_input_becomes_one_dimension_of_elements) {
    BlockPool pool;
    Batch batch;
    batch.add(request_with(ragged(make_tensor<float>("x", {1, 2}, {1, 2}))));
    batch.add(request_with(ragged(make_tensor<float>("x", {2, 3}, {3, 4, 5, 6, 7, 8}))));
    batch.add(request_with(ragged(make_tensor<float>("x", {0, 4}, {}))));
    ASSERT_TRUE(gather_inputs(batch, pool).ok());
    EXPECT_EQ(batch.inputs[0].shape, Shape({8}));
    EXPECT_EQ(values_of<float>(batch.inputs[0]), (Floats{1, 2, 3, 4, 5, 6, 7, 8}));
    EXPECT_EQ(batch.requests[1]->inputs[0].shape, Shape({2, 3}));  // its own stays
}

TEST(GatherInputs, ragged_input_of_a_batch_of_one_is_flat_too_and_not_copied) {
    BlockPool pool;
    Batch batch;
    batch.add(request_with(ragged(make_string_tensor("x", {1, 1, 2}, {"a", "bc"}))));
    ASSERT_TRUE(gather_inputs(batch, pool).ok());
    EXPECT_EQ(batch.inputs[0].shape, Shape({2}));
    EXPECT_EQ(batch.inputs[0].data.data(), batch.requests[0]->inputs[0].data.data());
}

TEST(FindInput, says_where_or_nothing) {
    auto request = request_with(make_tensor<float>("x", {1}, {1}));
    request->inputs.push_back(make_tensor<float>("y", {1}, {1}));
    EXPECT_EQ(find_input(*request, "y"), 1u);
    EXPECT_EQ(find_input(*request, "z"), std::nullopt);
}

// One output "y", split by input "x".
std::vector<TensorSpec> split_by_x(Shape dims) {
    std::vector<TensorSpec> specs(1);
    specs[0].name = "y";
    specs[0].dims = std::move(dims);
    specs[0].scatter_source = "x";
    return specs;
}

TEST(ScatterOutputs, source_says_what_is_whose) {
    Batch batch;
    batch.add(request_with(make_tensor<float>("x", {1, 2}, {0, 0})));
    batch.add(request_with(make_tensor<float>("x", {2, 1}, {0, 0}), {"unmade"}));
    batch.add(request_with(make_tensor<float>("x", {1, 0}, {})));
    batch.add(request_with(make_tensor<float>("x", {1, 3}, {0, 0, 0})));
    batch.outputs.push_back(make_tensor<float>("y", {7}, {1, 2, 3, 4, 5, 6, 7}));
    Scattered scattered;
    ASSERT_TRUE(scatter_outputs(batch, true, scattered, split_by_x({-1})).ok());
    EXPECT_EQ(scattered[0].at(0).shape, Shape({1, 2}));
    EXPECT_EQ(values_of<float>(scattered[0][0]), (Floats{1, 2}));
    EXPECT_TRUE(scattered[1].empty());  // it wants another output, but has its part
    EXPECT_EQ(scattered[2].at(0).shape, Shape({1, 0}));
    EXPECT_EQ(values_of<float>(scattered[3].at(0)), (Floats{5, 6, 7}));
}

TEST(ScatterOutputs, source_gives_variable_dimensions_only_and_reshape_comes_after) {
    Batch batch;
    batch.add(request_with(make_string_tensor("x", {1, 1, 2}, {"", ""})));
    batch.add(request_with(make_string_tensor("x", {1, 1, 1}, {""})));
    batch.outputs.push_back(
        make_string_tensor("y", {3, 2}, {"a", "b", "c", "d", "e", "f"}));
    std::vector<TensorSpec> specs = split_by_x({-1, 2});
    specs[0].reshape = Shape{2, -1};
    Scattered scattered;
    ASSERT_TRUE(scatter_outputs(batch, true, scattered, specs).ok());
    EXPECT_EQ(scattered[0].at(0).shape, Shape({1, 2, 2}));
    EXPECT_EQ(strings_of(scattered[0][0]), (Strings{"a", "b", "c", "d"}));
    EXPECT_EQ(scattered[1].at(0).shape, Shape({1, 1, 2}));
    EXPECT_EQ(strings_of(scattered[1][0]), (Strings{"e", "f"}));
}

TEST(ScatterOutputs, source_of_a_model_without_batching) {
    Batch batch;
    batch.add(request_with(make_tensor<float>("x", {2, 1}, {0, 0})));
    batch.outputs.push_back(make_tensor<float>("y", {2}, {1, 2}));
    Scattered scattered;
    ASSERT_TRUE(scatter_outputs(batch, false, scattered, split_by_x({-1, -1})).ok());
    EXPECT_EQ(scattered[0].at(0).shape, Shape({2, 1}));
}

TEST(ScatterOutputs, other_elements_than_the_source_asks_for_are_internal) {
    for (size_t elements : {2u, 4u}) {
        Batch batch;
        batch.add(request_with(make_tensor<float>("x", {1, 2}, {0, 0})));
        batch.add(request_with(make_tensor<float>("x", {1, 1}, {0})));
        batch.outputs.push_back(make_tensor<float>("y", {static_cast<int64_t>(elements)},
                                                   Floats(elements)));
        Scattered scattered;
        EXPECT_EQ(scatter_outputs(batch, true, scattered, split_by_x({-1})),
                  internal_error("unexpected output 'y' of model 'model': expected 3 elements, as "
                                 "input 'x' of its batch has it, but got shape [" +
                                 std::to_string(elements) + "]"));
    }
    Batch batch;
    batch.add(request_with(make_tensor<float>("x", {1, 2}, {0, 0})));
    batch.outputs.push_back(make_tensor<float>("y", {2}, {1, 2}));
    Scattered scattered;
    EXPECT_EQ(scatter_outputs(batch, true, scattered, split_by_x({-1, INT64_MAX / 2, 3})),
              internal_error("unexpected output 'y' of model 'model': expected countless elements, "
                             "as input 'x' of its batch has it, but got shape [2]"));
}

TEST(ScatterOutputs, source_that_is_not_in_the_batch_is_internal) {
    Batch batch;
    batch.add(request_with(make_tensor<float>("z", {1}, {1})));
    batch.outputs.push_back(make_tensor<float>("y", {1}, {1}));
    Scattered scattered;
    EXPECT_EQ(scatter_outputs(batch, true, scattered, split_by_x({1})),
              internal_error("unexpected output 'y' of model 'model': input 'x', whose shape says "
                             "what is whose, is not in the batch"));
}

}  // namespace
}  // namespace tritonpy
