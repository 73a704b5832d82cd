// Goal: a tensor of a model is found by its exact name, inputs and outputs apart.
// Method: a model with an input and an output of one name and different types.
#include "infer/model_identity.h"

#include <gtest/gtest.h>

namespace tritonpy {
namespace {

TensorSpec spec(std::string name, DataType type) {
    TensorSpec made;
    made.name = std::move(name);
    made.data_type = type;
    return made;
}

TEST(ModelIdentity, finds_tensors_by_exact_name) {
    ModelIdentity model;
    model.inputs = {spec("x", DataType::kFp32), spec("both", DataType::kInt8)};
    model.outputs = {spec("both", DataType::kBytes)};
    EXPECT_EQ(model.find_input("x"), &model.inputs[0]);
    EXPECT_EQ(model.find_input("both"), &model.inputs[1]);
    EXPECT_EQ(model.find_output("both"), &model.outputs[0]);
    EXPECT_EQ(model.find_output("x"), nullptr);
    EXPECT_EQ(model.find_input("X"), nullptr);
    EXPECT_EQ(model.find_input(""), nullptr);
}

TEST(TensorSpec, backend_sees_the_reshaped_dimensions) {
    TensorSpec tensor = spec("x", DataType::kFp32);
    tensor.dims = Shape({1});
    EXPECT_EQ(tensor.backend_dims(), Shape({1}));
    tensor.reshape = Shape();
    EXPECT_EQ(tensor.backend_dims(), Shape());
}

}  // namespace
}  // namespace tritonpy
