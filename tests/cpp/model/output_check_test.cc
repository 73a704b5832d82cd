// Goal: an executor's outputs reach clients only when they are what the config promises.
// Method: one batch, one output changed at a time.
#include "model/output_check.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/request_builder.h"
#include "support/scripted_model.h"

namespace tritonpy {
namespace {

ModelIdentity model_with_outputs(int32_t max_batch_size) {
    ModelIdentity model;
    model.name = "m";
    model.max_batch_size = max_batch_size;
    model.outputs = {make_spec("X", DataType::kFp32, {2, 2}),
                     make_spec("Y", DataType::kInt32, {-1})};
    return model;
}

Batch batch_with_outputs(const std::vector<std::string>& wanted = {}) {
    Batch batch;
    std::unique_ptr<InferenceRequest> request = make_rows_request(1);
    for (const std::string& name : wanted) {
        request->outputs.emplace_back().name = name;
    }
    batch.add(std::move(request));
    batch.outputs.push_back(make_tensor<float>("X", {1, 2, 2}, {1, 2, 3, 4}));
    batch.outputs.push_back(make_tensor<int32_t>("Y", {1, 3}, {1, 2, 3}));
    return batch;
}

TEST(OutputCheck, accepts_what_was_promised_and_drops_what_was_not) {
    Batch batch = batch_with_outputs();
    batch.outputs.push_back(make_tensor<float>("EXTRA", {1}, {1}));
    ASSERT_TRUE(check_outputs(model_with_outputs(8), batch).ok());
    ASSERT_EQ(batch.outputs.size(), 2u);
    EXPECT_EQ(batch.outputs[0].name, "X");
    EXPECT_EQ(batch.outputs[1].name, "Y");
}

TEST(OutputCheck, misses_only_outputs_that_somebody_wants) {
    Batch batch = batch_with_outputs({"Y"});
    batch.outputs.erase(batch.outputs.begin());
    EXPECT_TRUE(check_outputs(model_with_outputs(8), batch).ok());

    batch = batch_with_outputs({"X"});
    batch.outputs.erase(batch.outputs.begin());
    Status status = check_outputs(model_with_outputs(8), batch);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.code(), StatusCode::kInternal);
    EXPECT_EQ(status.message(), "model 'm' did not produce the output 'X'");
}

TEST(OutputCheck, refuses_another_type) {
    Batch batch = batch_with_outputs();
    batch.outputs[1].data_type = DataType::kInt64;
    Status status = check_outputs(model_with_outputs(8), batch);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.message(),
              "unexpected output 'Y' of model 'm': expected datatype INT32, but got INT64");
}

TEST(OutputCheck, gives_reshaped_outputs_their_client_shape) {
    ModelIdentity model = model_with_outputs(8);
    model.outputs[0].reshape = Shape{4};
    model.outputs[1].reshape = Shape{1, -1};
    Batch batch = batch_with_outputs();
    batch.outputs[0].shape = {1, 4};
    batch.outputs[1].shape = {1, 1, 3};
    ASSERT_TRUE(check_outputs(model, batch).ok());
    EXPECT_EQ(batch.outputs[0].shape, (Shape{1, 2, 2}));
    EXPECT_EQ(batch.outputs[1].shape, (Shape{1, 3}));

    ModelIdentity plain = model_with_outputs(0);
    plain.outputs[0].reshape = Shape{4};
    batch = batch_with_outputs({"X"});
    batch.outputs[0].shape = {4};
    ASSERT_TRUE(check_outputs(plain, batch).ok());
    EXPECT_EQ(batch.outputs[0].shape, (Shape{2, 2}));
}

TEST(OutputCheck, refuses_a_shape_that_the_reshape_cannot_come_from) {
    ModelIdentity model = model_with_outputs(8);
    model.outputs[0].reshape = Shape{4};
    Batch batch = batch_with_outputs();
    Status status = check_outputs(model, batch);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.message(),
              "unexpected output 'X' of model 'm': expected shape [4] after the batch dimension, "
              "but got [1,2,2]");
}

}  // namespace
}  // namespace tritonpy
