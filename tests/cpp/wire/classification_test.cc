// Goal: classification answers are Triton's strings, always the same for the same tensor.
// Method: tensors with known order, ties, NaN, batches and labels; every type; the limits.
#include "wire/classification.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/limits.h"
#include "support/request_builder.h"
#include "wire/wire_fixture.h"

namespace tritonpy {
namespace {

using Strings = std::vector<std::string>;

Strings strings_in(const Classes& classes) {
    Tensor tensor;
    tensor.data = std::as_bytes(std::span(classes.data));
    return strings_of(tensor);
}

Strings classes_of(const Tensor& tensor, uint32_t count, const ModelIdentity& model) {
    Result<Classes> classes = classify(tensor, count, model);
    EXPECT_TRUE(classes.ok()) << classes.status().message();
    return classes.ok() ? strings_in(classes.value()) : Strings{};
}

const ModelIdentity kUnbatched = model_with(DataType::kFp32, {-1}, 0);

TEST(Classification, largest_values_come_first) {
    Tensor tensor = make_tensor<float>("OUT", {4}, {0.5f, 2.0f, -1.0f, 1.25f});
    EXPECT_EQ(classes_of(tensor, 2, kUnbatched), (Strings{"2.000000:1", "1.250000:3"}));
    Result<Classes> all = classify(tensor, 100, kUnbatched);
    EXPECT_EQ(all.value().shape, (Shape{4}));
}

TEST(Classification, each_batch_row_has_its_own) {
    Tensor tensor = make_tensor<int32_t>("OUT", {2, 3}, {1, 3, 2, 9, 8, 7});
    ModelIdentity model = model_with(DataType::kInt32, {3});
    EXPECT_EQ(classes_of(tensor, 2, model), (Strings{"3:1", "2:2", "9:0", "8:1"}));
    EXPECT_EQ(classify(tensor, 2, model).value().shape, (Shape{2, 2}));
    Tensor wide = make_tensor<int32_t>("OUT", {1, 2, 2}, {1, 4, 3, 2});
    EXPECT_EQ(classes_of(wide, 1, model), (Strings{"4:1"}));
}

TEST(Classification, labels_follow_where_there_are_any) {
    ModelIdentity model = model_with(DataType::kFp64, {3}, 0);
    model.outputs[0].labels = {"cat", "", "dog"};
    Tensor tensor = make_tensor<double>("OUT", {4}, {1, 2, 3, 0});
    EXPECT_EQ(classes_of(tensor, 4, model),
              (Strings{"3.000000:2:dog", "2.000000:1", "1.000000:0:cat", "0.000000:3"}));
}

TEST(Classification, ties_keep_index_order_and_nan_comes_last) {
    Tensor ties = make_tensor<uint8_t>("OUT", {5}, {7, 9, 7, 9, 7});
    EXPECT_EQ(classes_of(ties, 5, kUnbatched), (Strings{"9:1", "9:3", "7:0", "7:2", "7:4"}));
    Tensor nans = make_tensor<float>("OUT", {4}, {NAN, 1, NAN, -INFINITY});
    EXPECT_EQ(classes_of(nans, 3, kUnbatched), (Strings{"1.000000:1", "-inf:3", "nan:0"}));
}

TEST(Classification, values_print_as_their_type) {
    EXPECT_EQ(classes_of(make_tensor<int8_t>("OUT", {1}, {-128}), 1, kUnbatched),
              Strings{"-128:0"});
    EXPECT_EQ(classes_of(make_tensor<uint16_t>("OUT", {1}, {65535}), 1, kUnbatched),
              Strings{"65535:0"});
    EXPECT_EQ(classes_of(make_tensor<int16_t>("OUT", {1}, {-2}), 1, kUnbatched), Strings{"-2:0"});
    EXPECT_EQ(classes_of(make_tensor<uint32_t>("OUT", {1}, {UINT32_MAX}), 1, kUnbatched),
              Strings{"4294967295:0"});
    EXPECT_EQ(classes_of(make_tensor<int64_t>("OUT", {1}, {INT64_MIN}), 1, kUnbatched),
              Strings{"-9223372036854775808:0"});
    EXPECT_EQ(classes_of(make_tensor<uint64_t>("OUT", {1}, {UINT64_MAX}), 1, kUnbatched),
              Strings{"18446744073709551615:0"});
    EXPECT_EQ(classes_of(make_tensor<double>("OUT", {1}, {1e20}), 1, kUnbatched),
              Strings{"100000000000000000000.000000:0"});
}

TEST(Classification, empty_rows_have_no_classes) {
    Tensor tensor = make_tensor<float>("OUT", {2, 0}, {});
    Result<Classes> classes = classify(tensor, 3, model_with(DataType::kFp32, {-1}));
    ASSERT_TRUE(classes.ok());
    EXPECT_EQ(classes.value().shape, (Shape{2, 0}));
    EXPECT_TRUE(classes.value().data.empty());
}

TEST(Classification, types_without_order_are_refused) {
    for (DataType type : {DataType::kBool, DataType::kFp16, DataType::kBf16, DataType::kBytes}) {
        Tensor tensor = make_raw_tensor("OUT", type, {0}, {});
        EXPECT_EQ(classify(tensor, 1, kUnbatched).status(),
                  invalid_arg("class result not available for output due to unsupported type '" +
                              std::string(wire_name(type)) + "'"));
    }
}

TEST(Classification, rows_are_limited) {
    std::vector<uint8_t> values(limits::kMaxClassificationElements + 1);
    auto count = static_cast<int64_t>(values.size());
    Tensor too_large = make_tensor<uint8_t>("OUT", {count}, values);
    EXPECT_EQ(classify(too_large, 1, kUnbatched).status(),
              invalid_arg("classification output tensor too large"));
    Tensor rows = make_tensor<uint8_t>("OUT", {count, 1}, values);
    EXPECT_TRUE(classify(rows, 1, model_with(DataType::kUint8, {1})).ok());
}

TEST(Classification, data_that_contradicts_its_shape_is_the_models_fault) {
    Tensor tensor = make_raw_tensor("OUT", DataType::kFp32, {5}, std::vector<std::byte>(16));
    Status status = classify(tensor, 1, kUnbatched).status();
    EXPECT_EQ(status.code(), StatusCode::kInternal);
    EXPECT_NE(status.message().find("'OUT'"), std::string_view::npos);
}

}  // namespace
}  // namespace tritonpy
