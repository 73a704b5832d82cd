// Goal: what a worker sends is understood when it is right and refused when it is not, whatever it
// is; nothing is read past its end and no length is believed.
// Method: messages built byte by byte; every prefix of each, each with bytes added, and seeded
// corruption of each, which must be read or refused without a sanitizer's complaint.
#include "backend/worker_messages.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "backend/message_bytes.h"
#include "backend/message_header.h"
#include "backend/message_parameters.h"
#include "base/limits.h"
#include "support/request_builder.h"
#include "support/scripted_model.h"

namespace tritonpy {
namespace {

const std::vector<TensorSpec>& output_specs() {
    static const std::vector<TensorSpec> specs{make_spec("OUT0", DataType::kFp32, {2}),
                                               make_spec("OUT1", DataType::kBytes, {-1})};
    return specs;
}

const std::vector<Parameter>& parameters() {
    static const std::vector<Parameter> some{{"no", false},
                                             {"int", int64_t{-1}},
                                             {"big", uint64_t{1} << 63},
                                             {"half", 0.5},
                                             {"text", std::string("a")}};
    return some;
}

void write_response(MessageWriter& out, bool error = false, uint16_t index = 1) {
    out.number(uint32_t{0});  // an answer
    out.number(uint8_t{error});
    out.number(uint8_t{3});
    out.number(uint16_t{1});
    out.number(static_cast<uint32_t>(parameters().size()));
    out.number(uint64_t{65600});
    out.number(uint64_t{64});
    if (error) {
        out.text("bad input");
    }
    write_parameters(out, parameters());
    out.number(index);
    out.number(uint8_t{13});
    out.number(uint8_t{2});
    out.number(uint32_t{0});
    out.number(uint64_t{128});
    out.number(uint64_t{10});
    out.dims(std::vector<int64_t>{1, 2});
}

Bytes executed() {
    Bytes body;
    MessageWriter out(body);
    out.number(uint32_t{0});
    out.number(uint32_t{3});
    out.number(uint64_t{1} << 20);
    write_response(out);
    out.number(uint32_t{1});
    out.number(uint32_t{2});
    return body;
}

Bytes failed() {
    Bytes body;
    MessageWriter out(body);
    out.number(uint8_t{1});
    out.number(uint8_t{4});
    out.number(uint16_t{0});
    out.number(uint32_t{0});
    out.number(uint64_t{0});
    out.text("it broke");
    return body;
}

Bytes response(bool with = true) {
    Bytes body;
    MessageWriter out(body);
    out.number(uint64_t{77});
    out.number(uint64_t{1} << 20);
    out.number(uint32_t{1});
    if (with) {
        write_response(out, true);
    } else {
        out.number(uint32_t{1});
    }
    return body;
}

Bytes infer(std::string_view label = "") {
    Bytes body;
    MessageWriter out(body);
    out.number(uint64_t{5});
    out.number(uint64_t{6});
    out.number(uint64_t{7});
    out.number(uint64_t{8});
    out.number(uint32_t{3});
    out.number(label.empty() ? uint32_t{1} : uint32_t{3});
    out.number(int64_t{-1});
    out.number(uint32_t{0});
    out.number(uint64_t{1} << 20);
    out.text("other");
    out.text("id");
    out.text("");
    if (!label.empty()) {
        out.text(label);
    }
    out.number(uint16_t{1});
    out.number(uint16_t{2});
    out.number(uint32_t{1});
    out.number(uint64_t{65600});
    write_parameters(out, std::vector<Parameter>{{"p", true}});
    out.text("INPUT0");
    out.number(uint8_t{11});
    out.number(uint8_t{1});
    out.number(uint16_t{0});
    out.number(uint32_t{0});
    out.number(uint64_t{0});
    out.number(uint64_t{8});
    out.number(int64_t{2});
    out.text("OUT0");
    out.text("OUT1");
    return body;
}

TEST(WorkerMessages, headers_with_impossible_kinds_or_sizes_are_refused) {
    auto decode = [](uint32_t size, uint16_t kind) {
        Bytes bytes;
        MessageWriter out(bytes);
        out.number(size);
        out.number(kind);
        out.number(uint16_t{0});
        return decode_worker_header(bytes);
    };
    EXPECT_EQ(decode(12, 2).value().kind, WorkerMessageKind::kExecuted);
    EXPECT_EQ(decode(12, 2).value().body_size, 12u);
    EXPECT_FALSE(decode(12, 0).ok());
    EXPECT_FALSE(decode(12, 8).ok());
    EXPECT_FALSE(decode(0xFFFFFFFF, 2).ok());
}

TEST(WorkerMessages, executed_says_what_became_of_each_request) {
    auto message = decode_executed(executed(), output_specs()).value();
    EXPECT_TRUE(message.failure.ok());
    EXPECT_EQ(message.arena_size, 1u << 20);
    ASSERT_EQ(message.answers.size(), 3u);
    EXPECT_EQ(message.answers[0].kind, WorkerAnswer::Kind::kFinal);
    EXPECT_EQ(message.answers[1].kind, WorkerAnswer::Kind::kOpen);
    EXPECT_EQ(message.answers[2].kind, WorkerAnswer::Kind::kRescheduled);
    const WorkerResponse& answer = message.answers[0].response;
    EXPECT_TRUE(answer.error.ok());
    EXPECT_EQ(answer.block, 65600u);
    EXPECT_EQ(answer.parameters, parameters());
    ASSERT_EQ(answer.outputs.size(), 1u);
    EXPECT_EQ(answer.outputs[0].name, "OUT1");
    EXPECT_EQ(answer.outputs[0].data_type, DataType::kBytes);
    EXPECT_EQ(answer.outputs[0].shape, (Shape{1, 2}));
    EXPECT_EQ(answer.outputs[0].offset, 64u + 128u);
    EXPECT_EQ(answer.outputs[0].size, 10u);
}

TEST(WorkerMessages, tensors_may_be_named_back) {
    Bytes answered = executed();
    answered[answered.size() - 8 - 16 - 16 - 4] = std::byte{1};
    auto message = decode_executed(answered, output_specs()).value();
    const WorkerTensor& output = message.answers[0].response.outputs.at(0);
    EXPECT_TRUE(output.is_named_back);
    EXPECT_EQ(output.offset, 128u);  // of the file: no base is added
    Bytes asked = infer();
    asked[asked.size() - 16 - 8 - 16 - 4] = std::byte{1};
    EXPECT_TRUE(decode_infer(asked).value().inputs.at(0).is_named_back);
    EXPECT_FALSE(decode_infer(infer()).value().inputs.at(0).is_named_back);
}

TEST(WorkerMessages, a_batch_may_fail_as_a_whole) {
    auto message = decode_executed(failed(), output_specs()).value();
    EXPECT_EQ(message.failure, unavailable("it broke"));
    EXPECT_TRUE(message.answers.empty());
}

TEST(WorkerMessages, a_late_response_may_be_an_error_or_nothing_but_the_end) {
    auto message = decode_response(response(), output_specs()).value();
    EXPECT_EQ(message.key, 77u);
    EXPECT_TRUE(message.final);
    ASSERT_TRUE(message.response.has_value());
    EXPECT_EQ(message.response->error, invalid_arg("bad input"));
    EXPECT_FALSE(decode_response(response(false), output_specs()).value().response.has_value());
}

TEST(WorkerMessages, infer_is_a_request_to_another_model) {
    auto message = decode_infer(infer()).value();
    EXPECT_EQ(message.call, 5u);
    EXPECT_TRUE(message.decoupled_allowed);
    const InferenceRequest& request = *message.request;
    EXPECT_EQ(request.model_name, "other");
    EXPECT_EQ(request.model_version, -1);
    EXPECT_EQ(message.version_label, "");
    EXPECT_EQ(request.id, "id");
    EXPECT_EQ(std::get<uint64_t>(request.correlation_id), 6u);
    EXPECT_EQ(request.timeout_us, 7u);
    EXPECT_EQ(request.priority, 8u);
    EXPECT_EQ(request.flags, 3u);
    EXPECT_EQ(request.parameters, (std::vector<Parameter>{{"p", true}}));
    ASSERT_EQ(request.outputs.size(), 2u);
    EXPECT_EQ(request.outputs[1].name, "OUT1");
    ASSERT_EQ(message.inputs.size(), 1u);
    EXPECT_EQ(message.inputs[0].name, "INPUT0");
    EXPECT_EQ(message.inputs[0].shape, (Shape{2}));
    EXPECT_EQ(message.inputs[0].size, 8u);
}

TEST(WorkerMessages, infer_may_name_a_version_by_its_label) {
    auto message = decode_infer(infer("canary")).value();
    EXPECT_EQ(message.version_label, "canary");
    EXPECT_EQ(message.request->model_version, -1);
    EXPECT_TRUE(message.decoupled_allowed);
    EXPECT_EQ(message.inputs.size(), 1u);
}

TEST(WorkerMessages, a_version_is_named_by_its_label_or_by_its_number) {
    Bytes body = infer("canary");
    const size_t version = 40;
    MessageWriter(body).overwrite(version, int64_t{2});
    EXPECT_EQ(decode_infer(body).status(),
              internal_error("malformed INFER message of a worker: it names a version twice"));
}

TEST(WorkerMessages, outputs_that_the_model_does_not_have_are_refused) {
    Bytes body;
    MessageWriter out(body);
    out.number(uint64_t{77});
    out.number(uint64_t{0});
    out.number(uint32_t{0});
    write_response(out, false, 2);
    EXPECT_EQ(decode_response(body, output_specs()).status(),
              internal_error("malformed RESPONSE message of a worker: the model has no output 2"));
}

TEST(WorkerMessages, counts_are_not_believed) {
    Bytes body;
    MessageWriter out(body);
    out.number(uint32_t{0});
    out.number(uint32_t{0xFFFFFFFF});
    out.number(uint64_t{0});
    EXPECT_EQ(decode_executed(body, output_specs()).status().code(), StatusCode::kInternal);
    out.overwrite(4, uint32_t{60000});
    EXPECT_EQ(decode_executed(body, output_specs()).status().code(), StatusCode::kInternal);
}

TEST(WorkerMessages, parameters_of_no_kind_or_too_many_are_refused) {
    Bytes body;
    MessageWriter out(body);
    out.text("name");
    out.number(uint8_t{5});
    MessageReader in(body);
    EXPECT_EQ(read_parameters(in, 1).status(), internal_error("a parameter of kind 5"));
    const size_t many = limits::kMaxParameters + 1;
    EXPECT_EQ(read_parameters(in, many).status(),
              internal_error(std::to_string(many) + " parameters"));
}

// What is made of a body: whether it was understood.
bool understood(int kind, const Bytes& body) {
    // Of its own size, so that AddressSanitizer sees a read past its end.
    Bytes exact(body.begin(), body.end());
    exact.shrink_to_fit();
    switch (kind) {
        case 0:
            return decode_executed(exact, output_specs()).ok();
        case 1:
            return decode_response(exact, output_specs()).ok();
        case 2:
            return decode_infer(exact).ok();
        case 3:
            return decode_cancel(exact).ok();
        default:
            return decode_read(exact).ok();
    }
}

std::vector<std::pair<int, Bytes>> all_messages() {
    return {{0, executed()},      {0, failed()}, {1, response()},
            {1, response(false)}, {2, infer()},  {2, infer("canary")},
            {3, Bytes(8)},        {4, Bytes(16)}};
}

TEST(WorkerMessages, every_prefix_and_every_addition_is_refused) {
    for (const auto& [kind, body] : all_messages()) {
        EXPECT_TRUE(understood(kind, body)) << kind;
        for (size_t size = 0; size < body.size(); ++size) {
            Bytes prefix(body.begin(), body.begin() + static_cast<ptrdiff_t>(size));
            EXPECT_FALSE(understood(kind, prefix)) << kind << " cut to " << size;
        }
        Bytes longer = body;
        longer.push_back(std::byte{0});
        EXPECT_FALSE(understood(kind, longer)) << kind;
    }
}

TEST(WorkerMessages, corrupted_messages_are_read_or_refused) {
    std::mt19937 random(20);
    size_t refused = 0;
    for (const auto& [kind, body] : all_messages()) {
        for (int round = 0; round < 3000; ++round) {
            Bytes corrupted = body;
            for (size_t changes = 1 + random() % 3; changes > 0; --changes) {
                corrupted[random() % corrupted.size()] = static_cast<std::byte>(random());
            }
            refused += !understood(kind, corrupted);
        }
    }
    EXPECT_GT(refused, 1000u);
}

TEST(WorkerMessages, inputs_of_a_batch_lie_in_one_block_each_at_64_bytes) {
    std::vector<std::unique_ptr<InferenceRequest>> requests;
    requests.push_back(make_rows_request(1));
    requests.push_back(make_rows_request(20));
    EXPECT_EQ(inputs_size(requests), 64u + 80u);
    Bytes block(inputs_size(requests));
    copy_inputs(requests, block.data());
    EXPECT_EQ(std::memcmp(block.data() + 64, requests[1]->inputs[0].data.data(), 80), 0);
}

}  // namespace
}  // namespace tritonpy
