// Goal: every kind of batch input says of a batch what Triton's backends say of it, in the data
// type that was asked for.
// Method: a table of source shapes with the shape and the elements of each kind; then whole batches
// with each fault.
#include "infer/batch_input.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "infer/batch.h"
#include "support/request_builder.h"

namespace tritonpy {
namespace {

using Kind = BatchInputKind;
using Values = std::vector<int64_t>;

// Requests whose one input, "x", has these shapes and nothing behind them.
Batch batch_of_shapes(const std::vector<Shape>& shapes) {
    Batch batch;
    for (const Shape& shape : shapes) {
        std::vector<Tensor> inputs;
        inputs.push_back(make_raw_tensor("x", DataType::kInt8, shape, {}));
        batch.add(make_request(std::move(inputs)));
    }
    return batch;
}

TEST(BatchInput, kinds_follow_the_shapes_of_the_source) {
    struct Case {
        std::vector<Shape> sources;
        Kind kind;
        Shape shape;
        Values values;
    };
    const std::vector<Shape> documented = {{1, 3}, {1, 4}, {1, 5}};
    const std::vector<Shape> rows = {{1, 3}, {2, 4}};
    const std::vector<Shape> planes = {{2, 3, 1}, {1, 2, 5}};
    const std::vector<Shape> empty = {{0, 7}, {1, 0}, {1, 2}};
    const std::vector<Shape> scalars = {{1}, {2}};
    const std::vector<Case> cases = {
        {documented, Kind::kElementCount, {3}, {3, 4, 5}},
        {documented, Kind::kAccumulatedElementCount, {3}, {3, 7, 12}},
        {documented, Kind::kAccumulatedElementCountWithZero, {4}, {0, 3, 7, 12}},
        {documented, Kind::kMaxElementCountAsShape, {5}, {}},
        {documented, Kind::kItemShape, {3, 1}, {3, 4, 5}},
        {documented, Kind::kItemShapeFlatten, {3}, {3, 4, 5}},
        {rows, Kind::kElementCount, {2}, {3, 8}},
        {rows, Kind::kAccumulatedElementCount, {2}, {3, 11}},
        {rows, Kind::kAccumulatedElementCountWithZero, {3}, {0, 3, 11}},
        {rows, Kind::kMaxElementCountAsShape, {8}, {}},
        {rows, Kind::kItemShape, {3, 1}, {3, 4, 4}},
        {rows, Kind::kItemShapeFlatten, {3}, {3, 4, 4}},
        {planes, Kind::kElementCount, {2}, {6, 10}},
        {planes, Kind::kItemShape, {3, 2}, {3, 1, 3, 1, 2, 5}},
        {planes, Kind::kItemShapeFlatten, {6}, {3, 1, 3, 1, 2, 5}},
        {empty, Kind::kElementCount, {3}, {0, 0, 2}},
        {empty, Kind::kAccumulatedElementCountWithZero, {4}, {0, 0, 0, 2}},
        {empty, Kind::kItemShape, {2, 1}, {0, 2}},
        {{{0, 7}}, Kind::kMaxElementCountAsShape, {0}, {}},
        {scalars, Kind::kElementCount, {2}, {1, 2}},
        {scalars, Kind::kItemShape, {3, 0}, {}},
        {scalars, Kind::kItemShapeFlatten, {0}, {}},
    };
    for (size_t index = 0; index < cases.size(); ++index) {
        const Case& one = cases[index];
        const Batch batch = batch_of_shapes(one.sources);
        EXPECT_EQ(batch_input_shape(one.kind, batch, 0), one.shape) << "case " << index;
        EXPECT_EQ(batch_input_values(one.kind, batch, 0), one.values) << "case " << index;
    }
}

TEST(BatchInput, comes_after_the_requests_inputs_under_every_target_name) {
    BlockPool pool;
    Batch batch = batch_of_shapes({{1, 3}, {1, 4}});
    batch.inputs = batch.requests.front()->inputs;
    const std::vector<BatchInputSpec> specs = {
        {Kind::kElementCount, {"a", "b"}, DataType::kInt32, "x"},
        {Kind::kAccumulatedElementCountWithZero, {"c"}, DataType::kFp32, "x"},
        {Kind::kMaxElementCountAsShape, {"d"}, DataType::kInt32, "x"},
        {Kind::kElementCount, {}, DataType::kInt32, "x"}};
    ASSERT_TRUE(add_batch_inputs(specs, batch, pool).ok());
    ASSERT_EQ(batch.inputs.size(), 5u);
    EXPECT_EQ(batch.inputs[0].name, "x");
    for (size_t index : {1u, 2u}) {
        EXPECT_EQ(batch.inputs[index].name, index == 1 ? "a" : "b");
        EXPECT_EQ(batch.inputs[index].shape, Shape({2}));
        EXPECT_EQ(values_of<int32_t>(batch.inputs[index]), (std::vector<int32_t>{3, 4}));
    }
    EXPECT_EQ(batch.inputs[3].data_type, DataType::kFp32);
    EXPECT_EQ(values_of<float>(batch.inputs[3]), (std::vector<float>{0, 3, 7}));
    EXPECT_EQ(values_of<int32_t>(batch.inputs[4]), std::vector<int32_t>(4, 0));
}

TEST(BatchInput, source_may_be_any_input) {
    BlockPool pool;
    Batch batch;
    std::vector<Tensor> inputs;
    inputs.push_back(make_tensor<float>("other", {1, 2}, {1, 2}));
    inputs.push_back(make_tensor<float>("x", {1, 3}, {1, 2, 3}));
    batch.add(make_request(std::move(inputs)));
    const std::vector<BatchInputSpec> specs = {
        {Kind::kElementCount, {"n"}, DataType::kInt32, "x"}};
    ASSERT_TRUE(add_batch_inputs(specs, batch, pool).ok());
    EXPECT_EQ(values_of<int32_t>(batch.inputs.back()), std::vector<int32_t>{3});
}

TEST(BatchInput, source_that_is_not_in_the_batch_is_internal) {
    BlockPool pool;
    Batch batch = batch_of_shapes({{1, 3}});
    const std::vector<BatchInputSpec> specs = {
        {Kind::kElementCount, {"n"}, DataType::kInt32, "y"}};
    EXPECT_EQ(add_batch_inputs(specs, batch, pool),
              internal_error("batch input for 'y' of model 'model': its source is not in the "
                             "batch"));
}

TEST(BatchInput, count_beyond_the_data_type_is_internal) {
    BlockPool pool;
    Batch batch = batch_of_shapes({{1, 2'000'000'000}, {1, 2'000'000'000}});
    std::vector<BatchInputSpec> specs = {
        {Kind::kAccumulatedElementCount, {"n"}, DataType::kInt32, "x"}};
    EXPECT_EQ(add_batch_inputs(specs, batch, pool),
              internal_error("batch input for 'x' of model 'model': 4000000000 does not fit "
                             "INT32"));
    specs[0].data_type = DataType::kFp32;
    ASSERT_TRUE(add_batch_inputs(specs, batch, pool).ok());
    EXPECT_EQ(values_of<float>(batch.inputs.back()), (std::vector<float>{2e9f, 4e9f}));
}

}  // namespace
}  // namespace tritonpy
