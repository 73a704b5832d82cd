// Goal: sequences run one request at a time in their slots, hear what they must, and end as
// written. Method: a batcher stepped by hand; requests carry tags, batches are compared by them.
#include "scheduler/sequence_batcher.h"

#include <gtest/gtest.h>

#include "sequence_stepper.h"

namespace tritonpy {
namespace {

using Tags = std::vector<uint64_t>;

Status missing_start(const std::string& id) {
    return invalid_arg("inference request for sequence " + id +
                       " to model 'model' must specify the START flag on the first request of the "
                       "sequence");
}

Status stopping() {
    return unavailable("[request id: <id_unknown>] Server is stopping, scheduler for model has "
                       "stopped accepting new inference requests");
}

TEST(SequenceAdmission, refuses_with_tritons_texts) {
    SequenceConfig config = direct_config();
    config.controls = all_controls();
    SequenceStepper stepper(config);
    EXPECT_EQ(stepper.send(uint64_t{0}, 1, kStart),
              invalid_arg("inference request to model 'model' must specify a non-zero or non-empty "
                          "correlation ID"));
    EXPECT_EQ(stepper.send(std::string(), 1, kStart).code(), StatusCode::kInvalidArg);
    EXPECT_EQ(stepper.send(uint64_t{7}, 1), missing_start("7"));
    EXPECT_EQ(stepper.send(std::string("a"), 1, kStart),
              invalid_arg("sequence batching control 'CORRID' data-type is 'BYTES', but model "
                          "'model' expects 'UINT64'"));
    auto two_rows = make_rows_request(2);
    two_rows->correlation_id = uint64_t{7};
    EXPECT_EQ(stepper.send(std::move(two_rows)),
              invalid_arg("inference request to model 'model' must specify batch-size 1 due to "
                          "requirements of sequence batcher"));
    EXPECT_EQ(stepper.batcher.queued(), 0u);
}

TEST(SequenceAdmission, a_string_control_refuses_numbers) {
    SequenceConfig config = direct_config();
    config.controls = all_controls();
    config.controls[3].data_type = DataType::kBytes;
    SequenceStepper stepper(config);
    EXPECT_EQ(stepper.send(uint64_t{7}, 1, kStart),
              invalid_arg("sequence batching control 'CORRID' data-type is 'UINT64', but model "
                          "'model' expects 'BYTES'"));
    EXPECT_TRUE(stepper.send(std::string("a"), 1, kStart).ok());
    EXPECT_EQ(stepper.pull(), (Tags{1}));
    EXPECT_EQ(strings_of(stepper.running[0]->inputs[4]), (std::vector<std::string>{"a"}));
}

TEST(SequenceAdmission, an_id_is_free_after_its_end) {
    SequenceStepper stepper(direct_config());
    EXPECT_TRUE(stepper.send(std::string("s"), 1, kStart | kEnd).ok());
    EXPECT_EQ(stepper.send(std::string("s"), 2), missing_start("s"));
    EXPECT_TRUE(stepper.send(std::string("s"), 3, kStart).ok());
}

TEST(DirectSequences, controls_and_nulls_say_what_a_row_is) {
    SequenceConfig config = direct_config();
    config.controls = all_controls();
    SequenceStepper stepper(config);
    EXPECT_TRUE(stepper.send(uint64_t{11}, 1, kStart).ok());
    EXPECT_TRUE(stepper.send(uint64_t{12}, 2, kStart | kEnd).ok());
    EXPECT_EQ(stepper.run(), (Tags{1, 2}));
    EXPECT_TRUE(stepper.send(uint64_t{13}, 3, kStart).ok());  // in the slot that 12 has left
    EXPECT_EQ(stepper.pull(), (Tags{0, 3}));
    const std::vector<Tensor>& null = stepper.running[0]->inputs;
    const std::vector<Tensor>& real = stepper.running[1]->inputs;
    EXPECT_EQ(values_of<float>(null[0]), (std::vector<float>{0}));
    EXPECT_EQ(values_of<int32_t>(null[1]), (std::vector<int32_t>{0}));
    EXPECT_EQ(values_of<int32_t>(real[1]), (std::vector<int32_t>{1}));
    EXPECT_EQ(values_of<uint8_t>(real[2]), (std::vector<uint8_t>{0}));
    EXPECT_EQ(values_of<float>(null[3]), (std::vector<float>{-1}));
    EXPECT_EQ(values_of<float>(real[3]), (std::vector<float>{1}));
    EXPECT_EQ(values_of<uint64_t>(null[4]), (std::vector<uint64_t>{0}));
    EXPECT_EQ(values_of<uint64_t>(real[4]), (std::vector<uint64_t>{13}));
    EXPECT_EQ(real[1].shape, (Shape{1, 1}));
    EXPECT_EQ(real[1].name, "START");
}

TEST(DirectSequences, other_shapes_run_in_a_batch_of_their_own) {
    SequenceStepper stepper(direct_config());
    EXPECT_TRUE(stepper.send(uint64_t{1}, 1, kStart).ok());
    auto wide = make_request({make_tensor<float>("INPUT0", {1, 2}, {1, 2})});
    wide->correlation_id = uint64_t{2};
    wide->flags = kStart;
    wide->tag = 2;
    EXPECT_TRUE(stepper.send(std::move(wide)).ok());
    EXPECT_TRUE(stepper.send(uint64_t{3}, 3, kStart).ok());
    EXPECT_TRUE(stepper.send(uint64_t{1}, 4).ok());
    EXPECT_EQ(stepper.run(), (Tags{1, 0, 3}));
    // 4 could go on for ever in the first row; what has waited longest decides.
    EXPECT_EQ(stepper.run(), (Tags{0, 2}));
    EXPECT_EQ(stepper.run(), (Tags{4}));
}

TEST(DirectSequences, one_of_a_sequence_is_in_flight_and_all_run_in_order) {
    SequenceStepper stepper(direct_config());
    for (uint64_t tag : {1, 2, 3}) {
        EXPECT_TRUE(stepper.send(uint64_t{5}, tag, tag == 1 ? kStart : tag == 3 ? kEnd : 0).ok());
    }
    EXPECT_EQ(stepper.pull(), (Tags{1}));
    EXPECT_EQ(stepper.pull(), (Tags{}));
    stepper.answer();
    EXPECT_EQ(stepper.run(), (Tags{2}));
    EXPECT_EQ(stepper.run(), (Tags{3}));
    EXPECT_EQ(stepper.sink.tags(), (Tags{1, 2, 3}));
    EXPECT_EQ(stepper.send(uint64_t{5}, 4), missing_start("5"));
}

// A sink in whose deliver an instance looks for more: what it finds could be answered before.
class PullingSink final : public ResponseSink {
  public:
    explicit PullingSink(SequenceStepper& stepper) : stepper_(stepper) {}
    void deliver(std::unique_ptr<InferenceResponse> response) override {
        response_ = std::move(response);
        EXPECT_EQ(stepper_.pull(), (Tags{}));
    }

  private:
    SequenceStepper& stepper_;
    std::unique_ptr<InferenceResponse> response_;
};

void expect_next_waits_for_the_answer_before(SequenceConfig config) {
    SequenceStepper stepper(std::move(config));
    PullingSink pulling(stepper);
    auto first = SequenceStepper::make(uint64_t{5}, 1, kStart);
    first->sink = &pulling;
    EXPECT_TRUE(stepper.batcher.enqueue(first, stepper.clock.now_ns()).ok());
    EXPECT_TRUE(stepper.send(uint64_t{5}, 2).ok());
    EXPECT_EQ(stepper.run(), (Tags{1}));
    EXPECT_EQ(stepper.run(), (Tags{2}));
}

TEST(SequenceOrder, the_next_request_waits_until_the_answer_before_was_handed_over) {
    expect_next_waits_for_the_answer_before(direct_config());
    SequenceConfig ordered = oldest_config();
    expect_next_waits_for_the_answer_before(ordered);
    ordered.preserve_ordering = true;
    expect_next_waits_for_the_answer_before(ordered);
}

TEST(DirectSequences, slots_are_spread_over_instances_and_stay) {
    SequenceStepper stepper(direct_config(2, 2));
    for (uint64_t id : {1, 2, 3}) {
        EXPECT_TRUE(stepper.send(id, id, kStart).ok());
    }
    EXPECT_EQ(stepper.run(0), (Tags{1, 3}));
    EXPECT_EQ(stepper.run(1), (Tags{2}));
    EXPECT_TRUE(stepper.send(uint64_t{2}, 4).ok());
    EXPECT_EQ(stepper.run(0), (Tags{}));
    EXPECT_EQ(stepper.run(1), (Tags{4}));
}

TEST(DirectSequences, waits_for_utilization_but_not_beyond_the_delay) {
    SequenceConfig config = direct_config();
    config.min_slot_utilization = 0.75;
    config.max_queue_delay_us = 100;
    SequenceStepper stepper(config);
    EXPECT_TRUE(stepper.send(uint64_t{1}, 1, kStart).ok());
    EXPECT_TRUE(stepper.send(uint64_t{2}, 2, kStart).ok());
    EXPECT_EQ(stepper.pull(), (Tags{}));
    EXPECT_EQ(stepper.last.kind, Pull::Kind::kWait);
    EXPECT_EQ(stepper.last.wait_until_ns, stepper.clock.now_ns() + 100'000);
    EXPECT_TRUE(stepper.send(uint64_t{3}, 3, kStart).ok());
    EXPECT_EQ(stepper.run(), (Tags{1, 2, 3}));
    EXPECT_TRUE(stepper.send(uint64_t{1}, 4).ok());
    EXPECT_EQ(stepper.pull(), (Tags{}));
    stepper.clock.advance_ns(100'000);
    EXPECT_EQ(stepper.run(), (Tags{4}));
}

TEST(OldestSequences, batches_mix_sequences_in_the_order_of_arrival) {
    SequenceStepper stepper(oldest_config(4, 2));
    EXPECT_TRUE(stepper.send(uint64_t{1}, 1, kStart).ok());
    EXPECT_TRUE(stepper.send(uint64_t{1}, 2).ok());
    EXPECT_TRUE(stepper.send(uint64_t{2}, 3, kStart).ok());
    EXPECT_TRUE(stepper.send(uint64_t{3}, 4, kStart).ok());
    EXPECT_EQ(stepper.run(), (Tags{1, 3}));
    EXPECT_EQ(stepper.run(), (Tags{4, 2}));
}

TEST(OldestSequences, preserve_ordering_holds_early_answers) {
    SequenceConfig config = oldest_config(4, 1);
    config.preserve_ordering = true;
    SequenceStepper stepper(config);
    EXPECT_TRUE(stepper.send(uint64_t{1}, 1, kStart).ok());
    EXPECT_TRUE(stepper.send(uint64_t{2}, 2, kStart).ok());
    EXPECT_EQ(stepper.pull(), (Tags{1}));
    auto first = std::move(stepper.running[0]);
    stepper.running.clear();
    EXPECT_EQ(stepper.run(), (Tags{2}));
    EXPECT_EQ(stepper.sink.tags(), (Tags{}));
    stepper.running.push_back(std::move(first));
    stepper.answer();
    EXPECT_EQ(stepper.sink.tags(), (Tags{1, 2}));
}

TEST(SequenceBacklog, gets_slots_in_the_order_of_starts) {
    SequenceStepper stepper(oldest_config(1));
    EXPECT_TRUE(stepper.send(uint64_t{1}, 1, kStart).ok());
    EXPECT_TRUE(stepper.send(uint64_t{2}, 2, kStart).ok());
    EXPECT_TRUE(stepper.send(uint64_t{3}, 3, kStart | kEnd).ok());
    EXPECT_TRUE(stepper.send(uint64_t{2}, 4, kEnd).ok());
    EXPECT_EQ(stepper.run(), (Tags{1}));
    EXPECT_EQ(stepper.run(), (Tags{}));
    EXPECT_TRUE(stepper.send(uint64_t{1}, 5, kEnd).ok());
    EXPECT_EQ(stepper.run(), (Tags{5}));
    EXPECT_EQ(stepper.run(), (Tags{2}));
    EXPECT_EQ(stepper.run(), (Tags{4}));
    EXPECT_EQ(stepper.run(), (Tags{3}));
}

TEST(SequenceBacklog, a_timeout_drops_the_whole_sequence) {
    SequenceStepper stepper(oldest_config(1));
    EXPECT_TRUE(stepper.send(uint64_t{1}, 1, kStart).ok());
    auto hurried = SequenceStepper::make(uint64_t{2}, 2, kStart);
    hurried->timeout_us = 50;
    EXPECT_TRUE(stepper.send(std::move(hurried)).ok());
    EXPECT_TRUE(stepper.send(uint64_t{2}, 3).ok());
    EXPECT_EQ(stepper.run(), (Tags{1}));
    stepper.clock.advance_ns(50'000);
    EXPECT_EQ(stepper.pull(), (Tags{}));
    EXPECT_EQ(stepper.take_dropped(
                  unavailable("timeout of the corresponding sequence has been expired")),
              (Tags{2, 3}));
    EXPECT_EQ(stepper.send(uint64_t{2}, 4), missing_start("2"));
}

TEST(SequenceWatch, answers_what_times_out_in_the_backlog_while_every_instance_is_busy) {
    SequenceStepper stepper(oldest_config(1));
    EXPECT_EQ(stepper.expire().kind, Pull::Kind::kIdle);
    EXPECT_TRUE(stepper.send(uint64_t{1}, 1, kStart).ok());
    EXPECT_EQ(stepper.pull(), (Tags{1}));
    auto hurried = SequenceStepper::make(uint64_t{2}, 2, kStart);
    hurried->timeout_us = 50;
    EXPECT_TRUE(stepper.send(std::move(hurried)).ok());
    const Pull watched = stepper.expire();
    EXPECT_EQ(watched.kind, Pull::Kind::kWait);
    EXPECT_EQ(watched.wait_until_ns, stepper.clock.now_ns() + 50'000);
    stepper.clock.advance_ns(50'000);
    EXPECT_EQ(stepper.expire().kind, Pull::Kind::kIdle);
    EXPECT_EQ(stepper.take_dropped(
                  unavailable("timeout of the corresponding sequence has been expired")),
              (Tags{2}));
    stepper.answer();
}

TEST(SequenceWatch, gives_an_idle_slot_to_the_backlog) {
    SequenceStepper stepper(oldest_config(1));
    EXPECT_TRUE(stepper.send(uint64_t{1}, 1, kStart).ok());
    EXPECT_TRUE(stepper.send(uint64_t{2}, 2, kStart).ok());
    EXPECT_EQ(stepper.run(), (Tags{1}));
    stepper.clock.advance_ns(kMs);
    stepper.expire();
    EXPECT_EQ(stepper.send(uint64_t{1}, 3), missing_start("1"));
    EXPECT_EQ(stepper.run(), (Tags{2}));
}

TEST(SequenceWatch, ends_when_the_scheduler_is_stopped_and_nothing_waits) {
    SequenceStepper stepper(oldest_config(1));
    EXPECT_TRUE(stepper.send(uint64_t{1}, 1, kStart).ok());
    EXPECT_TRUE(stepper.send(uint64_t{1}, 2).ok());
    stepper.batcher.stop();
    EXPECT_EQ(stepper.run(), (Tags{1}));
    EXPECT_EQ(stepper.expire().kind, Pull::Kind::kIdle);
    EXPECT_EQ(stepper.run(), (Tags{2}));
    EXPECT_EQ(stepper.expire().kind, Pull::Kind::kStopped);
}

TEST(SequenceBacklog, a_timeout_is_nothing_to_a_sequence_with_a_slot) {
    SequenceStepper stepper(oldest_config(1));
    auto hurried = SequenceStepper::make(uint64_t{2}, 2, kStart);
    hurried->timeout_us = 50;
    EXPECT_TRUE(stepper.send(std::move(hurried)).ok());
    stepper.clock.advance_ns(100 * kMs);
    EXPECT_EQ(stepper.run(), (Tags{2}));
}

TEST(IdleSequences, end_and_leave_their_slot_to_the_backlog) {
    SequenceStepper stepper(oldest_config(1));
    EXPECT_TRUE(stepper.send(uint64_t{1}, 1, kStart).ok());
    EXPECT_TRUE(stepper.send(uint64_t{2}, 2, kStart).ok());
    stepper.clock.advance_ns(5 * kMs);
    EXPECT_EQ(stepper.run(), (Tags{1}));  // it was not idle while its request waited
    stepper.clock.advance_ns(kMs - 1);
    EXPECT_EQ(stepper.run(), (Tags{}));
    const Pull watched = stepper.expire();
    EXPECT_EQ(watched.kind, Pull::Kind::kWait);
    EXPECT_LE(watched.wait_until_ns, stepper.clock.now_ns() + 1);
    stepper.clock.advance_ns(1);
    EXPECT_EQ(stepper.run(), (Tags{2}));
    EXPECT_EQ(stepper.send(uint64_t{1}, 3), missing_start("1"));
}

TEST(StartOnAnActiveId, runs_what_came_before_and_then_begins_anew_in_the_same_slot) {
    SequenceConfig config = direct_config();
    config.controls = all_controls();
    SequenceStepper stepper(config);
    EXPECT_TRUE(stepper.send(uint64_t{1}, 1, kStart).ok());
    EXPECT_TRUE(stepper.send(uint64_t{1}, 2).ok());
    EXPECT_TRUE(stepper.send(uint64_t{1}, 3, kStart).ok());
    EXPECT_EQ(stepper.run(), (Tags{1}));
    EXPECT_EQ(stepper.run(), (Tags{2}));
    EXPECT_EQ(stepper.pull(), (Tags{3}));
    EXPECT_EQ(values_of<int32_t>(stepper.running[0]->inputs[1]), (std::vector<int32_t>{1}));
}

TEST(CancelledSequences, one_request_takes_all_that_wait_with_it) {
    SequenceStepper stepper(oldest_config());
    EXPECT_TRUE(stepper.send(uint64_t{1}, 1, kStart).ok());
    auto gone = SequenceStepper::make(uint64_t{1}, 2);
    gone->cancellation = std::make_shared<Cancellation>();
    const std::shared_ptr<Cancellation> cancellation = gone->cancellation;
    EXPECT_TRUE(stepper.send(std::move(gone)).ok());
    EXPECT_TRUE(stepper.send(uint64_t{1}, 3).ok());
    EXPECT_TRUE(stepper.send(uint64_t{2}, 4, kStart).ok());
    cancellation->requested = true;
    EXPECT_EQ(stepper.run(), (Tags{4}));
    EXPECT_EQ(stepper.take_dropped(cancelled("")), (Tags{1, 2, 3}));
    EXPECT_TRUE(stepper.send(uint64_t{1}, 5).ok()) << "the sequence itself goes on";
}

TEST(CancelledSequences, a_cancelled_request_in_flight_takes_those_that_wait) {
    SequenceStepper stepper(oldest_config());
    auto gone = SequenceStepper::make(uint64_t{1}, 1, kStart);
    gone->cancellation = std::make_shared<Cancellation>();
    const std::shared_ptr<Cancellation> cancellation = gone->cancellation;
    EXPECT_TRUE(stepper.send(std::move(gone)).ok());
    EXPECT_TRUE(stepper.send(uint64_t{1}, 2).ok());
    EXPECT_EQ(stepper.pull(), (Tags{1}));
    cancellation->requested = true;
    stepper.answer();
    stepper.expire();
    EXPECT_EQ(stepper.take_dropped(cancelled("")), (Tags{2}));
}

TEST(CancelledSequences, leave_the_backlog) {
    SequenceStepper stepper(oldest_config(1));
    EXPECT_TRUE(stepper.send(uint64_t{1}, 1, kStart).ok());
    auto gone = SequenceStepper::make(uint64_t{2}, 2, kStart);
    gone->cancellation = std::make_shared<Cancellation>();
    gone->cancellation->requested = true;
    EXPECT_TRUE(stepper.send(std::move(gone)).ok());
    EXPECT_EQ(stepper.pull(), (Tags{1}));
    stepper.clock.advance_ns(limits::kBacklogSweepNs);
    EXPECT_EQ(stepper.pull(), (Tags{}));
    EXPECT_EQ(stepper.take_dropped(cancelled("")), (Tags{2}));
    stepper.answer();
}

TEST(ImplicitState, goes_from_request_to_request_without_a_copy) {
    SequenceConfig config = oldest_config();
    config.states = {{"IN", "OUT", DataType::kFp32, {-1}, {1}, ""}};
    SequenceStepper stepper(config);
    const auto state = [&] { return stepper.running[0]->inputs.back(); };
    const auto leave = [&](float value) {
        stepper.running[0]->next_states.push_back(make_tensor<float>("OUT", {1, 1}, {value}));
        return stepper.running[0]->next_states[0].data.data();
    };
    EXPECT_TRUE(stepper.send(uint64_t{1}, 1, kStart).ok());
    EXPECT_TRUE(stepper.send(uint64_t{1}, 2).ok());
    EXPECT_TRUE(stepper.send(uint64_t{1}, 3).ok());
    EXPECT_TRUE(stepper.send(uint64_t{1}, 4, kStart).ok());
    EXPECT_EQ(stepper.pull(), (Tags{1}));
    EXPECT_EQ(values_of<float>(state()), (std::vector<float>{0}));
    const std::byte* left = leave(5);
    stepper.answer();
    EXPECT_EQ(stepper.pull(), (Tags{2}));
    EXPECT_EQ(state().name, "IN");
    EXPECT_EQ(state().data.data(), left);
    stepper.answer(internal_error("an execution that fails leaves no state"));
    EXPECT_EQ(stepper.pull(), (Tags{3}));
    EXPECT_EQ(values_of<float>(state()), (std::vector<float>{5}));
    leave(6);
    stepper.answer();
    EXPECT_EQ(stepper.pull(), (Tags{4}));
    EXPECT_EQ(values_of<float>(state()), (std::vector<float>{0})) << "START begins anew";
}

TEST(ImplicitState, is_forgotten_by_a_cancelled_sequence_and_starts_with_given_bytes) {
    SequenceConfig config = oldest_config();
    const float initial = 9;
    config.states = {{"IN", "OUT", DataType::kFp32, {1}, {1},
                      std::string(reinterpret_cast<const char*>(&initial), sizeof(initial))}};
    SequenceStepper stepper(config);
    EXPECT_TRUE(stepper.send(uint64_t{1}, 1, kStart).ok());
    EXPECT_EQ(stepper.pull(), (Tags{1}));
    stepper.running[0]->next_states.push_back(make_tensor<float>("OUT", {1, 1}, {5}));
    stepper.answer();
    auto gone = SequenceStepper::make(uint64_t{1}, 2);
    gone->cancellation = std::make_shared<Cancellation>();
    gone->cancellation->requested = true;
    EXPECT_TRUE(stepper.send(std::move(gone)).ok());
    EXPECT_EQ(stepper.pull(), (Tags{}));
    EXPECT_TRUE(stepper.send(uint64_t{1}, 3).ok());
    EXPECT_EQ(stepper.pull(), (Tags{3}));
    EXPECT_EQ(values_of<float>(stepper.running[0]->inputs.back()), (std::vector<float>{9}));
}

TEST(IterativeSequences, run_again_as_long_as_the_model_wants) {
    SequenceConfig config = oldest_config();
    config.iterative = true;
    config.controls = all_controls();
    SequenceStepper stepper(config);
    EXPECT_TRUE(stepper.send(uint64_t{0}, 1).ok());
    for (uint32_t flags : {kStart, 0u, 0u}) {
        EXPECT_EQ(stepper.pull(), (Tags{1}));
        EXPECT_EQ(stepper.running[0]->flags, flags);
        EXPECT_EQ(stepper.running[0]->inputs.size(), 5u);
        auto request = std::move(stepper.running[0]);
        stepper.running.clear();
        EXPECT_TRUE(stepper.batcher.reschedule(request).ok());
    }
    EXPECT_EQ(stepper.run(), (Tags{1}));
    EXPECT_EQ(stepper.sink.tags(), (Tags{1}));
}

TEST(IterativeSequences, other_models_cannot_reschedule) {
    SequenceStepper stepper(oldest_config());
    EXPECT_TRUE(stepper.send(uint64_t{1}, 1, kStart).ok());
    EXPECT_EQ(stepper.pull(), (Tags{1}));
    EXPECT_EQ(stepper.batcher.reschedule(stepper.running[0]),
              invalid_arg("Request is released with TRITONSERVER_REQUEST_RELEASE_RESCHEDULE, while "
                          "the model is not configured to handle such a flag."));
    stepper.answer();
}

TEST(StoppingSequences, those_that_could_go_on_end) {
    SequenceStepper stepper(direct_config());
    EXPECT_TRUE(stepper.send(uint64_t{1}, 1, kStart).ok());
    EXPECT_EQ(stepper.run(), (Tags{1}));
    stepper.batcher.stop();
    EXPECT_EQ(stepper.send(uint64_t{1}, 2), stopping());
    EXPECT_EQ(stepper.pull(), (Tags{}));
    EXPECT_EQ(stepper.last.kind, Pull::Kind::kStopped);
}

TEST(StoppingSequences, stopped_all_that_waits_runs_and_nothing_comes_in) {
    SequenceStepper stepper(oldest_config(1));
    EXPECT_TRUE(stepper.send(uint64_t{1}, 1, kStart).ok());
    EXPECT_TRUE(stepper.send(uint64_t{1}, 2).ok());
    EXPECT_TRUE(stepper.send(uint64_t{2}, 3, kStart).ok());
    stepper.batcher.stop();
    EXPECT_EQ(stepper.send(uint64_t{1}, 4), stopping());
    EXPECT_EQ(stepper.run(), (Tags{1}));
    EXPECT_EQ(stepper.run(), (Tags{2}));
    EXPECT_EQ(stepper.run(), (Tags{3}));
    EXPECT_EQ(stepper.pull(), (Tags{}));
    EXPECT_EQ(stepper.last.kind, Pull::Kind::kStopped);
}

TEST(StoppingSequences, what_waits_behind_a_request_that_is_never_answered_is_refused) {
    SequenceStepper stepper(oldest_config(1));
    EXPECT_TRUE(stepper.send(uint64_t{1}, 1, kStart).ok());
    EXPECT_TRUE(stepper.send(uint64_t{1}, 2).ok());
    EXPECT_TRUE(stepper.send(uint64_t{2}, 3, kStart).ok());
    EXPECT_EQ(stepper.pull(), (Tags{1}));
    stepper.batcher.stop();
    EXPECT_EQ(stepper.pull(), (Tags{}));
    EXPECT_EQ(stepper.last.kind, Pull::Kind::kWait);
    stepper.clock.advance_ns(limits::kWorkerFarewellNs);
    EXPECT_EQ(stepper.pull(), (Tags{}));
    EXPECT_EQ(stepper.last.kind, Pull::Kind::kStopped);
    EXPECT_EQ(stepper.take_dropped(unavailable(
                  "model 'model' was unloaded before it answered an earlier request of the "
                  "sequence")),
              (Tags{2, 3}));
    stepper.answer();
}

TEST(LostInstances, end_their_sequences_and_get_no_new_ones) {
    SequenceStepper stepper(direct_config(1, 2));
    EXPECT_TRUE(stepper.send(uint64_t{1}, 1, kStart).ok());
    EXPECT_TRUE(stepper.send(uint64_t{2}, 2, kStart).ok());
    const Status dead = unavailable("dead");
    stepper.batcher.set_available(0, false, dead, stepper.dropped);
    EXPECT_EQ(stepper.take_dropped(dead), (Tags{1}));
    EXPECT_EQ(stepper.send(uint64_t{1}, 3), missing_start("1"));
    EXPECT_TRUE(stepper.send(uint64_t{3}, 4, kStart).ok());
    EXPECT_EQ(stepper.pull(0), (Tags{}));
    stepper.batcher.set_available(0, true, dead, stepper.dropped);
    EXPECT_EQ(stepper.run(0), (Tags{4}));
    EXPECT_EQ(stepper.run(1), (Tags{2}));
}

TEST(BacklogDelay, holds_everything_until_so_many_wait) {
    SequenceConfig config = oldest_config(1);
    config.delay_until_backlogged = 2;
    SequenceStepper stepper(config);
    for (uint64_t id : {1, 2, 3}) {
        EXPECT_EQ(stepper.run(), (Tags{}));
        EXPECT_TRUE(stepper.send(id, id, kStart | kEnd).ok());
    }
    EXPECT_EQ(stepper.run(), (Tags{1}));
}

}  // namespace
}  // namespace tritonpy
