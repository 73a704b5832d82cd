// Goal: an ONNX model's inputs and outputs are read as the model says them.
// Method: describe_onnx_model on models written for the purpose.
#include "backend/onnxruntime_signature.h"

#include <gtest/gtest.h>

#include "backend/onnxruntime/onnx_fixture.h"

namespace tritonpy {
namespace {

class OnnxSignatureTest : public OnnxTest {
  protected:
    Result<OnnxSignature> describe(const OnnxModel& model) {
        return describe_onnx_model(kOnnxRuntimeLibrary, write(model.encode()), log_);
    }
};

TEST_F(OnnxSignatureTest, names_types_and_open_dimensions_are_in_the_models_order) {
    auto signature = describe(add_sub_model());
    ASSERT_TRUE(signature.ok()) << signature.status().message();
    using Tensors = std::vector<OnnxTensorInfo>;
    EXPECT_EQ(signature.value().inputs,
              (Tensors{{.name = "A", .data_type = DataType::kFp32, .shape = {-1, 4}},
                       {.name = "B", .data_type = DataType::kFp32, .shape = {-1, 4}}}));
    EXPECT_EQ(signature.value().outputs,
              (Tensors{{.name = "SUM", .data_type = DataType::kFp32, .shape = {-1, 4}},
                       {.name = "DIFFERENCE", .data_type = DataType::kFp32, .shape = {-1, 4}}}));
}

TEST_F(OnnxSignatureTest, every_element_type_of_the_protocol_is_known) {
    for (int type = 1; type <= 14; ++type) {
        auto data_type = static_cast<DataType>(type);
        auto signature = describe(identity_model(element_type_of(data_type), {2}));
        ASSERT_TRUE(signature.ok()) << signature.status().message();
        EXPECT_EQ(signature.value().inputs[0].data_type, data_type);
        EXPECT_EQ(signature.value().outputs[0].data_type, data_type);
    }
}

TEST_F(OnnxSignatureTest, element_type_without_a_word_in_the_protocol_is_invalid) {
    constexpr auto kFloat8 = static_cast<ort::ElementType>(17);
    OnnxModel model = add_sub_model();
    model.inputs.push_back({.name = "UNUSED", .type = kFloat8, .dims = {{2}}});
    auto signature = describe(model);
    ASSERT_TRUE(signature.ok()) << signature.status().message();
    EXPECT_EQ(signature.value().inputs[2].data_type, DataType::kInvalid);
}

TEST_F(OnnxSignatureTest, input_with_a_value_in_the_model_is_optional_and_last) {
    auto signature = describe(optional_input_model());
    ASSERT_TRUE(signature.ok()) << signature.status().message();
    ASSERT_EQ(signature.value().inputs.size(), 2u);
    EXPECT_EQ(signature.value().inputs[0].name, "X");
    EXPECT_FALSE(signature.value().inputs[0].optional);
    EXPECT_EQ(signature.value().inputs[1].name, "B");
    EXPECT_TRUE(signature.value().inputs[1].optional);
}

TEST_F(OnnxSignatureTest, scalar_and_unknown_shape_are_told_apart) {
    OnnxModel model = identity_model(ort::ElementType::kFloat, {});
    auto scalar = describe(model);
    ASSERT_TRUE(scalar.ok()) << scalar.status().message();
    EXPECT_EQ(scalar.value().inputs[0].shape.rank(), 0u);
    EXPECT_TRUE(scalar.value().inputs[0].has_shape);

    model.inputs[0].dims.reset();
    auto unknown = describe(model);
    ASSERT_TRUE(unknown.ok()) << unknown.status().message();
    EXPECT_EQ(unknown.value().inputs[0].shape.rank(), 0u);
    auto library = OnnxRuntimeLibrary::open(kOnnxRuntimeLibrary).value();
    EXPECT_EQ(unknown.value().inputs[0].has_shape, !library->has_shape_query());
}

TEST_F(OnnxSignatureTest, sequence_is_unsupported_with_tritons_text) {
    EXPECT_EQ(describe(sequence_model()).status(),
              unsupported("Unsupported ONNX Type 'ONNX_TYPE_SEQUENCE' for I/O 'S', expected "
                          "'ONNX_TYPE_TENSOR'."));
}

TEST_F(OnnxSignatureTest, more_dimensions_than_the_limit_are_unsupported) {
    Status status =
        describe(identity_model(ort::ElementType::kFloat, std::vector<int64_t>(33, 1))).status();
    EXPECT_EQ(status, unsupported("unsupported ONNX tensor 'X' of 33 dimensions, expected at "
                                  "most 32"));
}

TEST_F(OnnxSignatureTest, directory_with_the_model_in_it_is_read) {
    write(add_sub_model().encode(), "model.onnx/model.onnx");
    auto signature =
        describe_onnx_model(kOnnxRuntimeLibrary, directory_ / "model.onnx", log_);
    ASSERT_TRUE(signature.ok()) << signature.status().message();
    EXPECT_NE(signature.value().find_input("B"), nullptr);
    EXPECT_EQ(signature.value().find_input("C"), nullptr);
    EXPECT_NE(signature.value().find_output("SUM"), nullptr);
    EXPECT_EQ(signature.value().find_output("A"), nullptr);
}

TEST_F(OnnxSignatureTest, missing_file_is_unavailable) {
    EXPECT_EQ(describe_onnx_model(kOnnxRuntimeLibrary, "/nowhere/model.onnx", log_).status(),
              unavailable("unable to find '/nowhere/model.onnx'"));
}

TEST_F(OnnxSignatureTest, file_that_is_no_model_gives_the_runtimes_text) {
    Status status =
        describe_onnx_model(kOnnxRuntimeLibrary, write("not a model"), log_).status();
    EXPECT_EQ(status.code(), StatusCode::kInternal);
    EXPECT_TRUE(status.message().starts_with("onnx runtime error 7: ")) << status.message();
}

}  // namespace
}  // namespace tritonpy
