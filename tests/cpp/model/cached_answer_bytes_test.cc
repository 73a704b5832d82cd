// Goal: an answer survives being written and read, and bytes that are no answer are none.
// Method: round trips; then the bytes of one answer cut short or changed at every place.
#include "model/cached_answer_bytes.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "support/request_builder.h"

namespace tritonpy {
namespace {

ModelIdentity make_identity() {
    ModelIdentity model;
    model.name = "model";
    const auto add = [&model](const char* name, DataType type) {
        TensorSpec spec;
        spec.name = name;
        spec.data_type = type;
        model.outputs.push_back(spec);
    };
    add("FLOATS", DataType::kFp32);
    add("TEXTS", DataType::kBytes);
    add("NONE", DataType::kInt64);
    return model;
}

InferenceResponse make_answer() {
    InferenceResponse response;
    response.outputs.push_back(make_tensor<float>("FLOATS", {3}, {1.5f, 2, 3}));
    response.outputs.push_back(make_string_tensor("TEXTS", {2}, {"a", "bcd"}));
    response.outputs.push_back(make_tensor<int64_t>("NONE", {0, 4}, {}));
    response.parameters = {{"flag", true},
                           {"signed", int64_t{-3}},
                           {"unsigned", uint64_t{3}},
                           {"real", 0.5},
                           {"text", std::string("cm")}};
    return response;
}

const ModelIdentity kModel = make_identity();

std::shared_ptr<const CachedResponse> read(const std::string& bytes) {
    return read_answer(make_buffer(std::as_bytes(std::span(bytes))), kModel);
}

// What one output of that name, type byte, shape and bytes is written as.
std::string with_output(Tensor output) {
    InferenceResponse response;
    response.outputs.push_back(std::move(output));
    return write_answer(response);
}

TEST(CachedAnswerBytes, give_back_every_output_and_parameter) {
    const InferenceResponse response = make_answer();
    const std::string bytes = write_answer(response);
    EXPECT_EQ(bytes.size(), answer_size(response));
    const auto answer = read(bytes);
    ASSERT_NE(answer, nullptr);
    ASSERT_EQ(answer->outputs.size(), 3u);
    EXPECT_EQ(values_of<float>(answer->outputs[0]), (std::vector<float>{1.5f, 2, 3}));
    EXPECT_EQ(strings_of(answer->outputs[1]), (std::vector<std::string>{"a", "bcd"}));
    EXPECT_EQ(answer->outputs[2].shape, (Shape{0, 4}));
    EXPECT_EQ(answer->outputs[2].data_type, DataType::kInt64);
    EXPECT_EQ(answer->parameters, response.parameters);
    for (const Tensor& output : answer->outputs) {
        EXPECT_EQ(reinterpret_cast<uintptr_t>(output.data.data()) % 16, 0u);
    }
}

TEST(CachedAnswerBytes, an_answer_outlives_whoever_read_it) {
    auto answer = read(write_answer(make_answer()));
    const Tensor output = answer->outputs[0];
    answer.reset();
    EXPECT_EQ(values_of<float>(output), (std::vector<float>{1.5f, 2, 3}));
}

TEST(CachedAnswerBytes, an_answer_of_nothing_is_one) {
    const auto answer = read(write_answer({}));
    ASSERT_NE(answer, nullptr);
    EXPECT_TRUE(answer->outputs.empty());
    EXPECT_TRUE(answer->parameters.empty());
}

TEST(CachedAnswerBytes, cut_short_anywhere_are_no_answer) {
    const std::string bytes = write_answer(make_answer());
    for (size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_EQ(read(bytes.substr(0, size)), nullptr) << size;
    }
    EXPECT_EQ(read(bytes + '\0'), nullptr);
}

// Most are no answer any more; those that are must hold what their shapes say.
TEST(CachedAnswerBytes, changed_anywhere_are_no_answer_or_a_whole_one) {
    const std::string bytes = write_answer(make_answer());
    for (size_t at = 0; at < bytes.size(); ++at) {
        for (const int change : {1, 0x80, 0xff}) {
            std::string changed = bytes;
            changed[at] = static_cast<char>(changed[at] ^ change);
            const auto answer = read(changed);
            if (answer == nullptr) {
                continue;
            }
            ASSERT_EQ(answer->outputs.size(), 3u) << at;
            EXPECT_EQ(values_of<float>(answer->outputs[0]).size(), 3u) << at;
            EXPECT_EQ(strings_of(answer->outputs[1]).size(), 2u) << at;
        }
    }
}

TEST(CachedAnswerBytes, of_another_layout_are_no_answer) {
    std::string bytes = write_answer(make_answer());
    ++bytes[4];
    EXPECT_EQ(read(bytes), nullptr);
}

TEST(CachedAnswerBytes, outputs_that_the_model_has_not_are_no_answer) {
    EXPECT_NE(read(with_output(make_tensor<float>("FLOATS", {1}, {1}))), nullptr);
    EXPECT_EQ(read(with_output(make_tensor<float>("OTHER", {1}, {1}))), nullptr);
    EXPECT_EQ(read(with_output(make_tensor<int32_t>("FLOATS", {1}, {1}))), nullptr);
}

TEST(CachedAnswerBytes, outputs_that_are_not_as_large_as_their_shape_are_no_answer) {
    EXPECT_EQ(read(with_output(make_tensor<float>("FLOATS", {2}, {1}))), nullptr);
    EXPECT_EQ(read(with_output(make_tensor<float>("FLOATS", {-1}, {}))), nullptr);
    EXPECT_EQ(read(with_output(make_tensor<float>("FLOATS", {INT64_MAX, INT64_MAX}, {}))), nullptr);
    EXPECT_EQ(read(with_output(make_string_tensor("TEXTS", {3}, {"a", "b"}))), nullptr);
    const std::string cut("\5\0\0\0ab", 6);
    EXPECT_EQ(read(with_output(make_raw_tensor("TEXTS", DataType::kBytes, {1},
                                               std::as_bytes(std::span(cut))))),
              nullptr);
}

TEST(CachedAnswerBytes, counts_beyond_all_bounds_allocate_nothing) {
    for (const size_t at : {size_t{8}, size_t{12}}) {
        std::string bytes = write_answer({});
        std::memset(bytes.data() + at, 0xff, 4);
        EXPECT_EQ(read(bytes), nullptr);
    }
}

}  // namespace
}  // namespace tritonpy
