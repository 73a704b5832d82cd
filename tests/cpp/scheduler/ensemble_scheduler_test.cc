// Goal: an ensemble's steps run when and as often as they should, whoever answers in whatever way.
// Method: a door behind which the test is the models: it answers at once, or when it wants to.
#include "scheduler/ensemble_scheduler.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/collecting_sink.h"
#include "support/request_builder.h"
#include "support/scripted_model.h"

namespace tritonpy {
namespace {

EnsembleStep step_of(const std::string& model, const std::string& from, const std::string& to,
                     size_t rank = 2) {
    EnsembleStep step;
    step.model_name = model;
    step.inputs.push_back({"INPUT0", from, false, rank});
    step.outputs.push_back({"OUTPUT0", to});
    return step;
}

// A chain of so many steps from INPUT0 to OUTPUT0.
std::vector<EnsembleStep> chain(size_t steps) {
    std::vector<EnsembleStep> all;
    for (size_t index = 0; index < steps; ++index) {
        all.push_back(step_of("m", index == 0 ? "INPUT0" : "t" + std::to_string(index),
                              index + 1 == steps ? "OUTPUT0" : "t" + std::to_string(index + 1)));
    }
    return all;
}

// Gives each step its input back.
std::unique_ptr<InferenceResponse> echo_of(std::unique_ptr<InferenceRequest> request) {
    auto response = std::make_unique<InferenceResponse>();
    response->tag = request->tag;
    response->outputs.push_back(request->inputs[0]);
    response->outputs[0].name = "OUTPUT0";
    response->request = std::move(request);
    return response;
}

struct EnsembleSchedulerTest : ::testing::Test, InferenceDoor, EnsembleOutlet {
    Status infer(std::unique_ptr<InferenceRequest>& request) override {
        if (refuses) {
            return unavailable("Exceeds maximum queue size");
        }
        if (answers_at_once) {
            ResponseSink& to = *request->sink;
            to.deliver(echo_of(std::move(request)));
        } else {
            asked.push_back(std::move(request));
        }
        return Status();
    }
    Result<std::shared_ptr<const ModelIdentity>> model_identity(std::string_view,
                                                                int64_t) const override {
        return not_found("nobody asks");
    }
    Result<int64_t> labelled_version(std::string_view, std::string_view) const override {
        return not_found("nobody asks");
    }
    void respond(const InferenceRequest& request,
                 std::unique_ptr<InferenceResponse> response) override {
        response->final = false;
        request.sink->deliver(std::move(response));
    }
    void finish(std::unique_ptr<InferenceRequest> request,
                std::unique_ptr<InferenceResponse> response) override {
        ResponseSink& to = *request->sink;
        response->request = std::move(request);
        to.deliver(std::move(response));
    }

    void make(std::vector<EnsembleStep> steps, uint32_t max_inflight_requests = 0) {
        identity.name = "e";
        if (identity.inputs.empty()) {
            identity.inputs = {make_spec("INPUT0", DataType::kFp32, {1})};
            identity.outputs = {make_spec("OUTPUT0", DataType::kFp32, {1})};
            identity.max_batch_size = 8;
        }
        InferenceDoor& door = *this;
        EnsembleOutlet& outlet = *this;
        scheduler = std::make_unique<EnsembleScheduler>(
            EnsembleConfig{std::move(steps), max_inflight_requests}, identity, door, outlet);
    }
    void send(std::unique_ptr<InferenceRequest> request = nullptr) {
        if (request == nullptr) {
            request = make_rows_request(1, &sink, 3);
        }
        request->sink = &sink;
        ASSERT_TRUE(scheduler->enqueue(request, 0).ok());
    }
    void answer(size_t which = 0) {
        auto request = std::move(asked[which]);
        asked.erase(asked.begin() + static_cast<ptrdiff_t>(which));
        ResponseSink& to = *request->sink;
        to.deliver(echo_of(std::move(request)));
    }

    ModelIdentity identity;
    CollectingSink sink;
    std::unique_ptr<EnsembleScheduler> scheduler;
    std::deque<std::unique_ptr<InferenceRequest>> asked;
    bool answers_at_once = false;
    bool refuses = false;
};

TEST_F(EnsembleSchedulerTest, steps_run_as_soon_as_their_inputs_exist_and_side_by_side) {
    EnsembleStep join = step_of("join", "left", "OUTPUT0");
    join.inputs.push_back({"INPUT1", "right", false, 2});
    make({join, step_of("l", "INPUT0", "left"), step_of("r", "INPUT0", "right")});
    send();
    ASSERT_EQ(asked.size(), 2u);
    answer(1);
    ASSERT_EQ(asked.size(), 1u);
    answer();
    ASSERT_EQ(asked.size(), 1u);
    EXPECT_EQ(asked[0]->model_name, "join");
    EXPECT_EQ(asked[0]->inputs.size(), 2u);
    answer();
    EXPECT_TRUE(sink.take().at(0)->status.ok());
}

TEST_F(EnsembleSchedulerTest, tensors_are_handed_on_without_a_copy) {
    answers_at_once = true;
    make(chain(3));
    auto request = make_rows_request(1);
    const std::byte* data = request->inputs[0].data.data();
    send(std::move(request));
    EXPECT_EQ(sink.take().at(0)->outputs.at(0).data.data(), data);
}

TEST_F(EnsembleSchedulerTest, an_optional_input_is_waited_for_while_it_may_come) {
    EnsembleStep late = step_of("late", "INPUT0", "OUTPUT0");
    late.inputs.push_back({"INPUT1", "maybe", true, 2});
    make({late, step_of("maybe", "INPUT0", "maybe")});
    send();
    ASSERT_EQ(asked.size(), 1u);
    auto response = echo_of(std::move(asked[0]));
    asked.clear();
    response->outputs.clear();  // it does not come
    ResponseSink& to = *response->request->sink;
    to.deliver(std::move(response));
    ASSERT_EQ(asked.size(), 1u);
    EXPECT_EQ(asked[0]->inputs.size(), 1u);
    answer();
    EXPECT_TRUE(sink.take().at(0)->status.ok());
}

TEST_F(EnsembleSchedulerTest, a_leading_one_comes_and_goes_with_the_batch_dimension) {
    answers_at_once = true;
    identity.inputs = {make_spec("INPUT0", DataType::kFp32, {1})};
    identity.outputs = {make_spec("OUTPUT0", DataType::kFp32, {1})};
    identity.max_batch_size = 0;
    make({step_of("batches", "INPUT0", "batched", 2), step_of("not", "batched", "OUTPUT0", 1)});
    send(make_request({make_tensor<float>("INPUT0", {1}, {4})}));
    EXPECT_EQ(sink.take().at(0)->outputs.at(0).shape, (Shape{1}));
}

TEST_F(EnsembleSchedulerTest, a_refused_step_fails_the_request_once_the_others_have_ended) {
    EnsembleStep join = step_of("join", "u", "OUTPUT0");
    join.inputs.push_back({"INPUT1", "v", false, 2});
    make({step_of("a", "INPUT0", "t"), step_of("b", "t", "u"), step_of("c", "INPUT0", "v"), join});
    send();
    ASSERT_EQ(asked.size(), 2u);
    refuses = true;
    answer();
    EXPECT_EQ(sink.size(), 0u);  // c still has the client's buffers
    answer();
    EXPECT_EQ(sink.take().at(0)->status,
              unavailable("in ensemble 'e', Exceeds maximum queue size"));
}

TEST_F(EnsembleSchedulerTest, a_stopped_ensemble_leaves_the_request_with_its_caller) {
    make(chain(1));
    scheduler->stop();
    auto request = make_rows_request(1, &sink);
    EXPECT_EQ(scheduler->enqueue(request, 0),
              unavailable("[request id: <id_unknown>] Server is stopping, scheduler for model has "
                          "stopped accepting new inference requests"));
    EXPECT_NE(request, nullptr);
}

TEST_F(EnsembleSchedulerTest, answers_at_once_do_not_deepen_the_stack) {
    answers_at_once = true;
    make(chain(4000));
    send();
    EXPECT_TRUE(sink.take().at(0)->status.ok());
}

TEST_F(EnsembleSchedulerTest, steps_wait_in_line_for_a_slot_and_handing_out_does_not_deepen_it) {
    constexpr size_t kRequests = 20000;
    make(chain(1), 1);
    for (size_t number = 0; number < kRequests; ++number) {
        send(make_rows_request(1, nullptr, number));
    }
    ASSERT_EQ(asked.size(), 1u);
    answers_at_once = true;
    answer();
    auto responses = sink.take();
    ASSERT_EQ(responses.size(), kRequests);
    for (size_t number = 0; number < kRequests; ++number) {
        // First come, first served; the one that gave its slot back hands it on before it ends.
        ASSERT_EQ(responses[number]->request->tag, (number + 1) % kRequests);
    }
}

TEST_F(EnsembleSchedulerTest, a_decoupled_step_runs_what_follows_once_for_each_answer) {
    identity.decoupled = true;
    std::vector<EnsembleStep> steps = chain(2);
    steps[0].decoupled = true;
    make(steps);
    send();
    auto request = std::move(asked[0]);
    asked.clear();
    ResponseSink& to = *request->sink;
    answers_at_once = true;
    constexpr size_t kAnswers = 3;
    for (size_t number = 0; number < kAnswers; ++number) {
        auto copy = std::make_unique<InferenceRequest>();
        copy->tag = request->tag;
        copy->inputs = request->inputs;
        auto response = echo_of(std::move(copy));
        response->request.reset();
        response->final = false;
        to.deliver(std::move(response));
    }
    EXPECT_EQ(sink.size(), kAnswers);
    auto last = std::make_unique<InferenceResponse>();
    last->tag = request->tag;
    last->request = std::move(request);
    to.deliver(std::move(last));
    auto responses = sink.take();
    ASSERT_EQ(responses.size(), kAnswers + 1);
    EXPECT_TRUE(responses.back()->final);
    EXPECT_TRUE(responses.back()->outputs.empty());
}

TEST(EnsembleProgress, rounds_are_forgotten_when_they_are_done) {
    std::vector<EnsembleStep> steps = chain(2);
    steps[0].decoupled = true;
    const std::vector<TensorSpec> inputs = {make_spec("INPUT0", DataType::kFp32, {1})};
    const std::vector<TensorSpec> outputs = {make_spec("OUTPUT0", DataType::kFp32, {1})};
    EnsembleGraph graph = make_ensemble_graph({steps, 0}, inputs, outputs, true);
    const EnsembleDemand demand = demand_of(graph, {});
    EnsembleProgress progress(graph, demand, {{0, {}}});
    const EnsembleProgress::Place first = progress.take_due().value();
    for (int number = 0; number < 1000; ++number) {
        progress.answer(first, {{0, {}}});
        const EnsembleProgress::Place second = progress.take_due().value();
        EXPECT_EQ(progress.open_rounds(), 2u);
        progress.end(second, {{0, {}}});
        progress.answered(progress.take_complete().value());
        EXPECT_EQ(progress.open_rounds(), 1u);
    }
}

}  // namespace
}  // namespace tritonpy
