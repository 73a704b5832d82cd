// Goal: requests that run together get back exactly their own rows, without a copy where none is
// needed, and an executor's wrong outputs become a clear error instead of somebody else's bytes.
// Method: hand-made batches for each rule and each fault, then, seeded, random batches of every
// data type for which scattering the gathered inputs must give each request its own inputs.
#include "infer/batch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "support/request_builder.h"

namespace tritonpy {
namespace {

using Scattered = std::vector<std::vector<Tensor>>;
using Floats = std::vector<float>;
using Strings = std::vector<std::string>;

// A batch of requests with so many rows each; request i wants `outputs[i]`, or all when there is no
// such entry.
Batch batch_of_rows(const std::vector<int64_t>& rows, const std::vector<Strings>& outputs = {}) {
    Batch batch;
    for (size_t index = 0; index < rows.size(); ++index) {
        std::unique_ptr<InferenceRequest> request = make_rows_request(rows[index]);
        if (index < outputs.size()) {
            for (const std::string& name : outputs[index]) {
                request->outputs.emplace_back().name = name;
            }
        }
        batch.add(std::move(request));
    }
    return batch;
}

Strings names_of(const std::vector<Tensor>& tensors) {
    Strings names;
    for (const Tensor& tensor : tensors) {
        names.push_back(tensor.name);
    }
    return names;
}

// Expects internal with a text that holds every one of `parts`.
void expect_internal(const Status& status, const Strings& parts) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.code(), StatusCode::kInternal);
    for (const std::string& part : parts) {
        EXPECT_NE(status.message().find(part), std::string_view::npos)
            << "'" << part << "' is not in: " << status.message();
    }
}

TEST(Batch, adds_up_rows_and_clears_to_empty) {
    Batch batch = batch_of_rows({2, 0, 3});
    EXPECT_EQ(batch.rows, 5);
    EXPECT_EQ(batch.requests.size(), 3u);
    batch.inputs.resize(1);
    batch.outputs.resize(1);
    batch.response_parameters = {{"key", true}};
    batch.clear();
    EXPECT_EQ(batch.rows, 0);
    EXPECT_TRUE(batch.requests.empty());
    EXPECT_TRUE(batch.inputs.empty());
    EXPECT_TRUE(batch.outputs.empty());
    EXPECT_TRUE(batch.response_parameters.empty());
}

TEST(Batch, wants_an_output_that_any_request_wants) {
    Batch named = batch_of_rows({1, 1}, {{"a"}, {"a", "b"}});
    EXPECT_TRUE(named.wants_output("a"));
    EXPECT_TRUE(named.wants_output("b"));
    EXPECT_FALSE(named.wants_output("c"));
    EXPECT_TRUE(batch_of_rows({1, 1}, {{"a"}, {}}).wants_output("c"));
}

TEST(MayShareBatch, equal_inputs_but_for_their_rows_share) {
    auto a = request_with(make_tensor<float>("x", {1, 2}, {1, 2}));
    auto b = request_with(make_tensor<float>("x", {2, 2}, {1, 2, 3, 4}));
    EXPECT_TRUE(may_share_batch(*a, *b));
    EXPECT_TRUE(may_share_batch(*a, *a));
}

TEST(MayShareBatch, different_row_shape_rank_type_name_or_count_does_not_share) {
    auto a = request_with(make_tensor<float>("x", {1, 2}, {1, 2}));
    EXPECT_FALSE(may_share_batch(*a, *request_with(make_tensor<float>("x", {1, 1}, {1}))));
    EXPECT_FALSE(may_share_batch(*a, *request_with(make_tensor<float>("x", {1, 2, 1}, {1, 2}))));
    EXPECT_FALSE(may_share_batch(*a, *request_with(make_tensor<float>("x", {2}, {1, 2}))));
    EXPECT_FALSE(may_share_batch(*a, *request_with(make_tensor<int32_t>("x", {1, 2}, {1, 2}))));
    EXPECT_FALSE(may_share_batch(*a, *request_with(make_tensor<float>("y", {1, 2}, {1, 2}))));
    EXPECT_FALSE(may_share_batch(*a, *make_request({})));
}

TEST(GatherInputs, one_request_passes_its_tensors_through) {
    BlockPool pool;
    Batch batch;
    batch.add(request_with(make_tensor<float>("x", {2, 2}, {1, 2, 3, 4})));
    ASSERT_TRUE(gather_inputs(batch, pool).ok());
    ASSERT_EQ(batch.inputs.size(), 1u);
    const Tensor& own = batch.requests[0]->inputs[0];
    EXPECT_EQ(batch.inputs[0].name, "x");
    EXPECT_EQ(batch.inputs[0].shape, Shape({2, 2}));
    EXPECT_EQ(batch.inputs[0].data.data(), own.data.data());
    EXPECT_EQ(&*batch.inputs[0].buffer, &*own.buffer);
    EXPECT_EQ(pool.live_blocks() + pool.cached_bytes(), 0u);
}

TEST(GatherInputs, one_request_may_have_scalars) {
    BlockPool pool;
    Batch batch;
    batch.add(request_with(make_tensor<float>("x", {}, {1})));
    ASSERT_TRUE(gather_inputs(batch, pool).ok());
    EXPECT_EQ(batch.inputs[0].shape, Shape());
}

TEST(GatherInputs, several_requests_become_one_tensor_in_request_order) {
    BlockPool pool;
    {
        Batch batch;
        batch.add(request_with(make_tensor<float>("x", {1, 2}, {1, 2})));
        batch.add(request_with(make_tensor<float>("x", {0, 2}, {})));
        batch.add(request_with(make_tensor<float>("x", {2, 2}, {3, 4, 5, 6})));
        ASSERT_TRUE(gather_inputs(batch, pool).ok());
        ASSERT_EQ(batch.inputs.size(), 1u);
        EXPECT_EQ(batch.inputs[0].name, "x");
        EXPECT_EQ(batch.inputs[0].data_type, DataType::kFp32);
        EXPECT_EQ(batch.inputs[0].shape, Shape({3, 2}));
        EXPECT_EQ(values_of<float>(batch.inputs[0]), (Floats{1, 2, 3, 4, 5, 6}));
        EXPECT_EQ(pool.live_blocks(), 1u);
        auto address = reinterpret_cast<uintptr_t>(batch.inputs[0].data.data());
        EXPECT_EQ(address % BlockPool::kAlignment, 0u);
    }
    EXPECT_EQ(pool.live_blocks(), 0u);
}

TEST(GatherInputs, every_input_gets_a_block_of_its_own) {
    BlockPool pool;
    Batch batch;
    for (int32_t value : {1, 2}) {
        std::vector<Tensor> inputs;
        inputs.push_back(make_tensor<int32_t>("number", {1}, {value}));
        inputs.push_back(make_string_tensor("text", {1, 2}, {std::to_string(value), ""}));
        batch.add(make_request(std::move(inputs)));
    }
    ASSERT_TRUE(gather_inputs(batch, pool).ok());
    EXPECT_EQ(names_of(batch.inputs), (Strings{"number", "text"}));
    EXPECT_EQ(values_of<int32_t>(batch.inputs[0]), (std::vector<int32_t>{1, 2}));
    EXPECT_EQ(batch.inputs[1].shape, Shape({2, 2}));
    EXPECT_EQ(strings_of(batch.inputs[1]), (Strings{"1", "", "2", ""}));
    EXPECT_EQ(pool.live_blocks(), 2u);
}

TEST(GatherInputs, no_memory_is_unavailable_and_names_the_input) {
    // Sizes that no machine has, over a byte that nobody reads.
    BlockPool pool;
    std::byte byte{};
    for (size_t size : {SIZE_MAX / 2 - 64, SIZE_MAX - 64}) {
        Batch batch;
        for (int index = 0; index < 2; ++index) {
            Tensor input = make_tensor<int8_t>("x", {1}, {1});
            input.data = {&byte, size};
            batch.add(request_with(std::move(input)));
        }
        Status status = gather_inputs(batch, pool);
        ASSERT_FALSE(status.ok());
        EXPECT_EQ(status.code(), StatusCode::kUnavailable);
        EXPECT_NE(status.message().find("'x'"), std::string_view::npos);
        EXPECT_EQ(pool.live_blocks(), 0u);
    }
}

TEST(ScatterOutputs, each_request_borrows_its_rows) {
    Batch batch = batch_of_rows({1, 2, 1});
    batch.outputs.push_back(make_tensor<float>("y", {4, 2}, {0, 1, 2, 3, 4, 5, 6, 7}));
    Scattered scattered;
    ASSERT_TRUE(scatter_outputs(batch, true, scattered).ok());
    ASSERT_EQ(scattered.size(), 3u);
    EXPECT_EQ(values_of<float>(scattered[0].at(0)), (Floats{0, 1}));
    EXPECT_EQ(values_of<float>(scattered[1].at(0)), (Floats{2, 3, 4, 5}));
    EXPECT_EQ(values_of<float>(scattered[2].at(0)), (Floats{6, 7}));
    EXPECT_EQ(scattered[0][0].shape, Shape({1, 2}));
    EXPECT_EQ(scattered[1][0].shape, Shape({2, 2}));
    for (const std::vector<Tensor>& outputs : scattered) {
        EXPECT_EQ(outputs[0].name, "y");
        EXPECT_EQ(outputs[0].data_type, DataType::kFp32);
        EXPECT_EQ(&*outputs[0].buffer, &*batch.outputs[0].buffer);
    }
    EXPECT_EQ(scattered[1][0].data.data(), batch.outputs[0].data.data() + 8);
}

TEST(ScatterOutputs, slices_keep_the_batch_output_alive) {
    Scattered scattered;
    {
        Batch batch = batch_of_rows({1, 1});
        batch.outputs.push_back(make_tensor<float>("y", {2}, {3, 4}));
        ASSERT_TRUE(scatter_outputs(batch, true, scattered).ok());
    }
    scattered.erase(scattered.begin());
    EXPECT_EQ(values_of<float>(scattered[0][0]), Floats{4});
}

TEST(ScatterOutputs, string_rows_are_found_by_their_lengths) {
    Batch batch = batch_of_rows({1, 0, 2});
    batch.outputs.push_back(
        make_string_tensor("s", {3, 2}, {"one", "", "", "a long one", "five", "6"}));
    Scattered scattered;
    ASSERT_TRUE(scatter_outputs(batch, true, scattered).ok());
    EXPECT_EQ(strings_of(scattered[0].at(0)), (Strings{"one", ""}));
    EXPECT_EQ(strings_of(scattered[1].at(0)), Strings{});
    EXPECT_EQ(strings_of(scattered[2].at(0)), (Strings{"", "a long one", "five", "6"}));
    EXPECT_EQ(scattered[1][0].shape, Shape({0, 2}));
    EXPECT_EQ(scattered[2][0].shape, Shape({2, 2}));
}

TEST(ScatterOutputs, a_request_gets_only_what_it_asked_for) {
    Batch batch = batch_of_rows({1, 1, 1}, {{"b"}, {}, {"c", "a"}});
    batch.outputs.push_back(make_tensor<float>("a", {3}, {1, 2, 3}));
    batch.outputs.push_back(make_string_tensor("b", {3}, {"x", "y", "z"}));
    batch.outputs.push_back(make_tensor<float>("c", {3}, {4, 5, 6}));
    Scattered scattered;
    ASSERT_TRUE(scatter_outputs(batch, true, scattered).ok());
    EXPECT_EQ(names_of(scattered[0]), Strings{"b"});
    EXPECT_EQ(names_of(scattered[1]), (Strings{"a", "b", "c"}));
    EXPECT_EQ(names_of(scattered[2]), (Strings{"a", "c"}));
    EXPECT_EQ(strings_of(scattered[0][0]), Strings{"x"});
    EXPECT_EQ(strings_of(scattered[1][1]), Strings{"y"});
    EXPECT_EQ(values_of<float>(scattered[2][0]), Floats{3});
    EXPECT_EQ(values_of<float>(scattered[2][1]), Floats{6});
}

TEST(ScatterOutputs, an_output_that_nobody_asked_for_is_no_error) {
    Batch batch = batch_of_rows({1, 1}, {{"y"}, {"y"}});
    batch.outputs.push_back(make_tensor<float>("extra", {7}, {1}));
    batch.outputs.push_back(make_tensor<float>("y", {2}, {1, 2}));
    Scattered scattered;
    ASSERT_TRUE(scatter_outputs(batch, true, scattered).ok());
    EXPECT_EQ(names_of(scattered[0]), Strings{"y"});
    EXPECT_EQ(names_of(scattered[1]), Strings{"y"});
}

TEST(ScatterOutputs, lists_of_an_earlier_batch_are_replaced) {
    Scattered scattered;
    for (size_t requests : {3u, 1u, 2u}) {
        Batch batch = batch_of_rows(std::vector<int64_t>(requests, 1));
        Floats values(requests, 9);
        batch.outputs.push_back(
            make_tensor<float>("y", {static_cast<int64_t>(requests)}, values));
        ASSERT_TRUE(scatter_outputs(batch, true, scattered).ok());
        ASSERT_EQ(scattered.size(), requests);
        for (const std::vector<Tensor>& outputs : scattered) {
            EXPECT_EQ(outputs.size(), 1u);
        }
    }
}

TEST(ScatterOutputs, zero_size_dimensions_are_legal_everywhere) {
    Batch batch = batch_of_rows({1, 2});
    batch.outputs.push_back(make_tensor<float>("empty_rows", {3, 0, 4}, {}));
    batch.outputs.push_back(make_string_tensor("no_strings", {3, 0}, {}));
    batch.outputs.push_back(make_tensor<float>("huge_but_empty", {3, INT64_MAX, 0}, {}));
    batch.outputs[0].buffer = BufferRef();
    Scattered scattered;
    ASSERT_TRUE(scatter_outputs(batch, true, scattered).ok());
    EXPECT_EQ(scattered[1][0].shape, Shape({2, 0, 4}));
    EXPECT_EQ(scattered[1][1].shape, Shape({2, 0}));
    for (const std::vector<Tensor>& outputs : scattered) {
        ASSERT_EQ(outputs.size(), 3u);
        for (const Tensor& output : outputs) {
            EXPECT_TRUE(output.data.empty());
        }
    }
}

TEST(ScatterOutputs, a_batch_without_rows_gets_empty_slices) {
    Batch batch = batch_of_rows({0, 0});
    batch.outputs.push_back(make_tensor<float>("y", {0, 2}, {}));
    batch.outputs.push_back(make_string_tensor("s", {0}, {}));
    Scattered scattered;
    ASSERT_TRUE(scatter_outputs(batch, true, scattered).ok());
    EXPECT_EQ(scattered[1][0].shape, Shape({0, 2}));
    EXPECT_TRUE(scattered[1][1].data.empty());
}

TEST(ScatterOutputs, without_batching_tensors_are_whole_whatever_their_first_dimension) {
    Batch batch = batch_of_rows({1}, {{"y", "scalar", "s"}});
    batch.outputs.push_back(make_tensor<float>("y", {3}, {1, 2, 3}));
    batch.outputs.push_back(make_tensor<float>("scalar", {}, {4}));
    batch.outputs.push_back(make_string_tensor("s", {2}, {"a", "b"}));
    batch.outputs.push_back(make_tensor<float>("unwanted", {1}, {5}));
    Scattered scattered;
    ASSERT_TRUE(scatter_outputs(batch, false, scattered).ok());
    ASSERT_EQ(names_of(scattered.at(0)), (Strings{"y", "scalar", "s"}));
    EXPECT_EQ(scattered[0][0].shape, Shape({3}));
    EXPECT_EQ(values_of<float>(scattered[0][0]), (Floats{1, 2, 3}));
    EXPECT_EQ(scattered[0][1].shape, Shape());
    EXPECT_EQ(values_of<float>(scattered[0][1]), Floats{4});
    EXPECT_EQ(strings_of(scattered[0][2]), (Strings{"a", "b"}));
}

TEST(ScatterOutputs, wrong_first_dimension_is_internal_and_says_what_came) {
    Scattered scattered;
    for (const Shape& shape : {Shape({2, 2}), Shape({4, 1}), Shape({0, 4}), Shape()}) {
        Batch batch = batch_of_rows({1, 2});
        batch.outputs.push_back(make_tensor<float>("y", shape, {1, 2, 3, 4}));
        expect_internal(scatter_outputs(batch, true, scattered),
                        {"'y'", "'model'", "first dimension 3", shape.to_string()});
    }
    Batch alone = batch_of_rows({1});
    alone.outputs.push_back(make_tensor<float>("y", {2}, {1, 2}));
    expect_internal(scatter_outputs(alone, true, scattered), {"'y'", "dimension 1", "[2]"});
}

TEST(ScatterOutputs, shape_that_is_no_shape_is_internal) {
    Scattered scattered;
    for (const Shape& shape : {Shape({2, -1}), Shape({2, INT64_MAX, 3})}) {
        for (bool batching : {true, false}) {
            Batch batch = batch_of_rows({2});
            batch.outputs.push_back(make_tensor<float>("y", shape, {1, 2}));
            expect_internal(scatter_outputs(batch, batching, scattered),
                            {"'y'", shape.to_string()});
        }
    }
}

TEST(ScatterOutputs, bytes_that_do_not_fit_the_shape_are_internal_and_counted) {
    Scattered scattered;
    for (bool batching : {true, false}) {
        for (size_t values : {0u, 1u, 3u}) {
            Batch batch = batch_of_rows({2});
            batch.outputs.push_back(make_tensor<float>("y", {2, 1}, Floats(values)));
            expect_internal(scatter_outputs(batch, batching, scattered),
                            {"'y'", "8 bytes", "[2,1]", "FP32", std::to_string(values * 4)});
        }
        Batch batch = batch_of_rows({2});
        batch.outputs.push_back(make_tensor<float>("y", {2, INT64_MAX / 2}, {1}));
        expect_internal(scatter_outputs(batch, batching, scattered), {"'y'", "countless"});
    }
}

TEST(ScatterOutputs, wrong_number_of_strings_is_internal_and_counted) {
    Scattered scattered;
    for (bool batching : {true, false}) {
        Batch fewer = batch_of_rows({2});
        fewer.outputs.push_back(make_string_tensor("s", {2, 2}, {"a", "b", "c"}));
        expect_internal(scatter_outputs(fewer, batching, scattered),
                        {"'s'", "'model'", "4 string elements", "[2,2]", "got 3"});
        Batch more = batch_of_rows({2});
        more.outputs.push_back(make_string_tensor("s", {2}, {"a", "b", "c"}));
        expect_internal(scatter_outputs(more, batching, scattered),
                        {"'s'", "2 string elements", "got more"});
    }
}

TEST(ScatterOutputs, lying_string_lengths_are_internal) {
    Scattered scattered;
    Tensor whole = make_string_tensor("s", {2}, {"abc", "de"});
    for (size_t size = 1; size < whole.data.size(); ++size) {
        Batch batch = batch_of_rows({1, 1});
        batch.outputs.push_back(
            make_raw_tensor("s", DataType::kBytes, {2}, whole.data.first(size)));
        expect_internal(scatter_outputs(batch, true, scattered), {"'s'", "2 string elements"});
    }
    std::array<std::byte, 8> lying{};
    lying.fill(std::byte{0xFF});
    Batch batch = batch_of_rows({1, 1});
    batch.outputs.push_back(make_raw_tensor("s", DataType::kBytes, {2}, lying));
    expect_internal(scatter_outputs(batch, true, scattered), {"got 0 and then an incomplete one"});
}

TEST(ScatterOutputs, an_output_without_a_type_is_internal) {
    Scattered scattered;
    Batch batch = batch_of_rows({1});
    std::array<std::byte, 1> bytes{};
    batch.outputs.push_back(make_raw_tensor("y", DataType::kInvalid, {1}, bytes));
    expect_internal(scatter_outputs(batch, true, scattered), {"'y'", "<invalid>"});
}

// Random batches for the property below.
class Generator {
  public:
    explicit Generator(unsigned seed) : random_(seed) {}

    size_t below(size_t bound) { return random_() % bound; }

    Shape row_shape() {
        Shape shape;
        for (size_t rank = below(10); rank > 0; --rank) {
            shape.append(static_cast<int64_t>(below(12) == 0 ? 0 : 1 + below(2)));
        }
        return shape;
    }

    // `rows` rows of random content.
    Tensor tensor(const std::string& name, DataType type, int64_t rows, const Shape& row) {
        Shape shape({rows});
        for (int64_t dim : row.dims()) {
            shape.append(dim);
        }
        auto count = static_cast<size_t>(shape.element_count().value());
        if (type == DataType::kBytes) {
            Strings elements(count);
            for (std::string& element : elements) {
                element.resize(below(3) == 0 ? 0 : below(40));
                std::ranges::generate(element, [&] { return static_cast<char>(random_()); });
            }
            return make_string_tensor(name, shape, elements);
        }
        std::vector<std::byte> bytes(count * size_of(type));
        std::ranges::generate(bytes, [&] { return static_cast<std::byte>(random_()); });
        return make_raw_tensor(name, type, shape, bytes);
    }

    Batch batch() {
        constexpr size_t kTypes = static_cast<size_t>(DataType::kBf16);
        std::vector<std::pair<DataType, Shape>> inputs(1 + below(4));
        for (auto& [type, row] : inputs) {
            type = static_cast<DataType>(1 + below(kTypes));
            row = row_shape();
        }
        Batch made;
        for (size_t count = 1 + below(6); count > 0; --count) {
            auto rows = static_cast<int64_t>(below(5));
            std::vector<Tensor> tensors;
            for (const auto& [type, row] : inputs) {
                tensors.push_back(tensor("t" + std::to_string(tensors.size()), type, rows, row));
            }
            made.add(make_request(std::move(tensors)));
        }
        return made;
    }

  private:
    std::mt19937 random_;
};

void expect_same(const Tensor& a, const Tensor& b) {
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.data_type, b.data_type);
    EXPECT_EQ(a.shape, b.shape);
    EXPECT_TRUE(std::ranges::equal(a.data, b.data));
}

TEST(BatchProperty, scattering_what_was_gathered_gives_every_request_its_own) {
    constexpr unsigned kSeed = 31337;
    BlockPool pool;
    Generator generator(kSeed);
    for (int round = 0; round < 500; ++round) {
        SCOPED_TRACE("seed " + std::to_string(kSeed) + ", round " + std::to_string(round));
        Batch batch = generator.batch();
        for (const auto& request : batch.requests) {
            ASSERT_TRUE(may_share_batch(*batch.requests.front(), *request));
        }
        ASSERT_TRUE(gather_inputs(batch, pool).ok());
        for (const Tensor& input : batch.inputs) {
            EXPECT_EQ(input.shape[0], batch.rows);
        }
        batch.outputs = batch.inputs;
        Scattered scattered;
        ASSERT_TRUE(scatter_outputs(batch, true, scattered).ok());
        ASSERT_EQ(scattered.size(), batch.requests.size());
        for (size_t index = 0; index < scattered.size(); ++index) {
            const std::vector<Tensor>& own = batch.requests[index]->inputs;
            ASSERT_EQ(scattered[index].size(), own.size());
            for (size_t tensor = 0; tensor < own.size(); ++tensor) {
                expect_same(scattered[index][tensor], own[tensor]);
            }
        }
    }
    EXPECT_EQ(pool.live_blocks(), 0u);
}

}  // namespace
}  // namespace tritonpy
