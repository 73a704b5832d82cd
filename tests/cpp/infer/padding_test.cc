// Goal: requests of different length are padded to the longest and cut back to their own, and
// whatever has one length is left as it is.
// Method: hand-made batches with a length in the middle of their shapes, so that rows, stretches
// before the length and units behind it all count.
#include "infer/padding.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/request_builder.h"

namespace tritonpy {
namespace {

using Floats = std::vector<float>;
using Ints = std::vector<int32_t>;

template <typename T>
std::string element(T value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
}

// "x" is padded with 7, "mask" with 0; "y" has their length. Of [rows, length].
PaddingSpec spec() {
    return {.axis = 1,
            .inputs = {{"x", element(7.0f)}, {"mask", element<int32_t>(0)}},
            .outputs = {"y"}};
}

// A request of [rows, length], all 1, beside an input "of_row" that has no length.
std::unique_ptr<InferenceRequest> request_of(int64_t rows, int64_t length) {
    const auto count = static_cast<size_t>(rows * length);
    auto request = request_with(make_tensor<float>("x", {rows, length}, Floats(count, 1)));
    request->inputs.push_back(make_tensor<int32_t>("mask", {rows, length}, Ints(count, 1)));
    request->inputs.push_back(make_string_tensor(
        "of_row", {rows}, std::vector<std::string>(static_cast<size_t>(rows), "r")));
    request->model_name = "m";
    request->rows = rows;
    return request;
}

Batch batch_of(std::vector<std::unique_ptr<InferenceRequest>> requests) {
    Batch batch;
    for (auto& request : requests) {
        batch.add(std::move(request));
    }
    return batch;
}

Batch two_lengths() {
    std::vector<std::unique_ptr<InferenceRequest>> requests;
    requests.push_back(request_of(2, 1));
    requests.push_back(request_of(1, 3));
    return batch_of(std::move(requests));
}

TEST(Padding, shorter_requests_are_padded_to_the_longest_row_by_row) {
    BlockPool pool;
    Batch batch = two_lengths();
    ASSERT_TRUE(gather_padded(spec(), batch, pool).ok());
    EXPECT_EQ(batch.inputs[0].shape, (Shape{3, 3}));
    EXPECT_EQ(values_of<float>(batch.inputs[0]), (Floats{1, 7, 7, 1, 7, 7, 1, 1, 1}));
    EXPECT_EQ(values_of<int32_t>(batch.inputs[1]), (Ints{1, 0, 0, 1, 0, 0, 1, 1, 1}));
    EXPECT_EQ(batch.inputs[2].shape, (Shape{3}));
    EXPECT_EQ(strings_of(batch.inputs[2]), (std::vector<std::string>{"r", "r", "r"}));
    EXPECT_EQ(batch.requests[0]->inputs[0].shape, (Shape{2, 1}));  // its own stays
}

TEST(Padding, length_may_be_any_dimension) {
    BlockPool pool;
    Batch batch;
    batch.add(request_with(make_tensor<float>("x", {1, 2, 1, 2}, {1, 2, 3, 4})));
    batch.add(request_with(make_tensor<float>("x", {1, 2, 2, 2}, Floats(8, 5))));
    const PaddingSpec middle = {.axis = 2, .inputs = {{"x", element(0.0f)}}, .outputs = {"y"}};
    ASSERT_TRUE(gather_padded(middle, batch, pool).ok());
    EXPECT_EQ(batch.inputs[0].shape, (Shape{2, 2, 2, 2}));
    EXPECT_EQ(values_of<float>(batch.inputs[0]),
              (Floats{1, 2, 0, 0, 3, 4, 0, 0, 5, 5, 5, 5, 5, 5, 5, 5}));

    std::vector<std::vector<Tensor>> outputs(2);
    outputs[0].push_back(make_tensor<float>("y", {1, 2, 2, 2}, {1, 2, 0, 0, 3, 4, 0, 0}));
    ASSERT_TRUE(cut_padding(middle, batch, outputs, pool).ok());
    EXPECT_EQ(outputs[0][0].shape, (Shape{1, 2, 1, 2}));
    EXPECT_EQ(values_of<float>(outputs[0][0]), (Floats{1, 2, 3, 4}));
}

TEST(Padding, lone_request_and_equal_lengths_are_gathered_as_ever) {
    BlockPool pool;
    Batch alone;
    alone.add(request_of(2, 3));
    ASSERT_TRUE(gather_padded(spec(), alone, pool).ok());
    EXPECT_EQ(alone.inputs[0].data.data(), alone.requests[0]->inputs[0].data.data());

    std::vector<std::unique_ptr<InferenceRequest>> requests;
    requests.push_back(request_of(1, 2));
    requests.push_back(request_of(1, 2));
    Batch equal = batch_of(std::move(requests));
    ASSERT_TRUE(gather_padded(spec(), equal, pool).ok());
    EXPECT_EQ(equal.inputs[0].shape, (Shape{2, 2}));
    std::vector<std::vector<Tensor>> outputs(2);
    outputs[0].push_back(make_tensor<float>("y", {1, 9}, Floats(9)));  // nobody looks
    EXPECT_TRUE(cut_padding(spec(), equal, outputs, pool).ok());
    EXPECT_EQ(outputs[0][0].shape, (Shape{1, 9}));
}

TEST(Padding, outputs_with_the_length_are_cut_back_and_others_stay) {
    BlockPool pool;
    Batch batch = two_lengths();
    std::vector<std::vector<Tensor>> outputs(2);
    outputs[0].push_back(make_tensor<float>("y", {2, 3}, {1, 7, 7, 2, 7, 7}));
    outputs[0].push_back(make_tensor<float>("pooled", {2, 1}, {8, 9}));
    outputs[1].push_back(make_tensor<float>("y", {1, 3}, {3, 4, 5}));
    const std::byte* longest = outputs[1][0].data.data();
    ASSERT_TRUE(cut_padding(spec(), batch, outputs, pool).ok());
    EXPECT_EQ(outputs[0][0].shape, (Shape{2, 1}));
    EXPECT_EQ(values_of<float>(outputs[0][0]), (Floats{1, 2}));
    EXPECT_EQ(values_of<float>(outputs[0][1]), (Floats{8, 9}));
    EXPECT_EQ(values_of<float>(outputs[1][0]), (Floats{3, 4, 5}));
    EXPECT_EQ(outputs[1][0].data.data(), longest);
}

TEST(Padding, one_row_is_cut_without_a_copy) {
    BlockPool pool;
    std::vector<std::unique_ptr<InferenceRequest>> requests;
    requests.push_back(request_of(1, 1));
    requests.push_back(request_of(1, 2));
    Batch batch = batch_of(std::move(requests));
    std::vector<std::vector<Tensor>> outputs(2);
    outputs[0].push_back(make_tensor<float>("y", {1, 2}, {1, 7}));
    const std::byte* data = outputs[0][0].data.data();
    ASSERT_TRUE(cut_padding(spec(), batch, outputs, pool).ok());
    EXPECT_EQ(values_of<float>(outputs[0][0]), Floats{1});
    EXPECT_EQ(outputs[0][0].data.data(), data);
}

TEST(Padding, requests_without_rows_or_length_are_possible) {
    BlockPool pool;
    std::vector<std::unique_ptr<InferenceRequest>> requests;
    requests.push_back(request_of(0, 3));
    requests.push_back(request_of(1, 0));
    requests.push_back(request_of(1, 1));
    Batch batch = batch_of(std::move(requests));
    ASSERT_TRUE(gather_padded(spec(), batch, pool).ok());
    EXPECT_EQ(batch.inputs[0].shape, (Shape{2, 3}));
    EXPECT_EQ(values_of<float>(batch.inputs[0]), (Floats{7, 7, 7, 1, 7, 7}));
    std::vector<std::vector<Tensor>> outputs(3);
    outputs[1].push_back(make_tensor<float>("y", {1, 3}, {7, 7, 7}));
    ASSERT_TRUE(cut_padding(spec(), batch, outputs, pool).ok());
    EXPECT_EQ(outputs[1][0].shape, (Shape{1, 0}));
    EXPECT_TRUE(outputs[1][0].data.empty());
}

TEST(Padding, output_without_the_length_of_the_batch_is_named) {
    BlockPool pool;
    Batch batch = two_lengths();
    std::vector<std::vector<Tensor>> outputs(2);
    outputs[1].push_back(make_tensor<float>("y", {1, 2}, {3, 4}));
    EXPECT_EQ(cut_padding(spec(), batch, outputs, pool),
              internal_error("unexpected output 'y' of model 'm': expected dimension 1 to be 3, to "
                             "which its batch is padded, but got shape [1,2]"));
}

TEST(Padding, inputs_of_a_request_must_be_equally_long) {
    auto request = request_of(1, 2);
    EXPECT_TRUE(check_lengths(spec(), *request).ok());
    request->inputs[1] = make_tensor<int32_t>("mask", {1, 3}, {1, 1, 1});
    EXPECT_EQ(check_lengths(spec(), *request),
              invalid_arg("[request id: <id_unknown>] inputs 'x' and 'mask' of model 'm' are "
                          "padded together and must be equally long, but got shapes [1,2] and "
                          "[1,3]"));
}

TEST(Padding, more_than_there_is_memory_for_is_unavailable) {
    BlockPool pool;
    Batch batch = two_lengths();
    Tensor& empty = batch.requests[0]->inputs[0];
    empty.shape = {int64_t{1} << 62, 0};
    empty.data = {};
    const Status status = gather_padded(spec(), batch, pool);
    EXPECT_EQ(status, unavailable("unable to gather input 'x' of 2 requests to model 'm': padded "
                                  "they are larger than the address space"));
}

}  // namespace
}  // namespace tritonpy
