// Goal: instances come and go while sequences run: who leaves keeps what only it knows, and nothing
// is lost.
// Method: a batcher that is stepped by hand, with a clock of its own.
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "base/limits.h"
#include "scheduler/sequence_stepper.h"

namespace tritonpy {
namespace {

using Tags = std::vector<uint64_t>;

constexpr int64_t kHourMs = 3'600'000;
constexpr uint64_t kA = 1, kB = 2, kC = 3;  // sequences

// Instances of one slot each, with sequences that are never idle for too long.
SequenceConfig one_slot_each(size_t instances) {
    SequenceConfig config = direct_config(1, instances);
    config.max_idle_us = kHourMs * 1'000;
    return config;
}

struct SequenceInstances : testing::TestWithParam<SequenceConfig::Strategy> {
    SequenceConfig config(size_t instances) const {
        SequenceConfig config = one_slot_each(instances);
        config.strategy = GetParam();
        config.max_candidate_sequences = 1;
        return config;
    }
    static Pull::Kind kind_of(SequenceStepper& stepper, size_t instance) {
        EXPECT_EQ(stepper.pull(instance), Tags());
        return stepper.last.kind;
    }
    static int64_t later(const SequenceStepper& stepper, int64_t by_ms) {
        return stepper.clock.now_ns() + by_ms * kMs;
    }
};

TEST_P(SequenceInstances, one_that_comes_gets_what_waits_for_a_slot) {
    SequenceStepper stepper(config(1));
    ASSERT_TRUE(stepper.send(kA, 11, kStart).ok());
    ASSERT_TRUE(stepper.send(kB, 21, kStart).ok());
    EXPECT_EQ(stepper.run(0), Tags{11});
    EXPECT_EQ(kind_of(stepper, 0), Pull::Kind::kIdle);
    ASSERT_TRUE(stepper.batcher.lets_instances_change());
    stepper.batcher.engage(1);
    EXPECT_EQ(stepper.run(1), Tags{21});
    ASSERT_TRUE(stepper.send(kA, 12).ok());
    EXPECT_EQ(kind_of(stepper, 1), Pull::Kind::kIdle);
    EXPECT_EQ(stepper.run(0), Tags{12});
}

TEST_P(SequenceInstances, one_that_never_came_gets_nothing) {
    SequenceStepper stepper(config(1));
    ASSERT_TRUE(stepper.send(kA, 11, kStart).ok());
    stepper.batcher.engage(1);
    ASSERT_TRUE(stepper.send(kB, 21, kStart).ok());
    stepper.batcher.dismiss(1, stepper.clock.now_ns());
    EXPECT_EQ(stepper.run(0), Tags{11});
    ASSERT_TRUE(stepper.send(kA, 12, kEnd).ok());
    EXPECT_EQ(stepper.run(0), Tags{12});
    EXPECT_EQ(stepper.run(0), Tags{21});
}

TEST_P(SequenceInstances, one_that_leaves_goes_on_with_its_sequences_and_gets_no_others) {
    SequenceStepper stepper(config(2));
    ASSERT_TRUE(stepper.send(kA, 11, kStart).ok());
    ASSERT_TRUE(stepper.send(kB, 21, kStart).ok());
    EXPECT_EQ(stepper.run(0), Tags{11});
    EXPECT_EQ(stepper.run(1), Tags{21});
    stepper.batcher.dismiss(1, later(stepper, kHourMs));
    EXPECT_EQ(kind_of(stepper, 1), Pull::Kind::kWait);
    ASSERT_TRUE(stepper.send(kC, 31, kStart).ok());
    ASSERT_TRUE(stepper.send(kB, 22).ok());
    EXPECT_EQ(stepper.run(1), Tags{22});
    EXPECT_EQ(kind_of(stepper, 1), Pull::Kind::kWait);
    ASSERT_TRUE(stepper.send(kB, 23, kEnd).ok());
    EXPECT_EQ(stepper.run(1), Tags{23});
    EXPECT_EQ(kind_of(stepper, 1), Pull::Kind::kStopped);
    ASSERT_TRUE(stepper.send(kA, 12, kEnd).ok());
    EXPECT_EQ(stepper.run(0), Tags{12});
    EXPECT_EQ(stepper.run(0), Tags{31});
}

TEST_P(SequenceInstances, one_that_leaves_with_nothing_open_goes_at_once) {
    SequenceStepper stepper(config(2));
    stepper.batcher.dismiss(1, later(stepper, kHourMs));
    EXPECT_EQ(kind_of(stepper, 1), Pull::Kind::kStopped);
    EXPECT_EQ(kind_of(stepper, 0), Pull::Kind::kIdle);
}

TEST_P(SequenceInstances, sequences_that_do_not_end_in_time_end_with_what_waits) {
    SequenceStepper stepper(config(2));
    ASSERT_TRUE(stepper.send(kA, 11, kStart).ok());
    ASSERT_TRUE(stepper.send(kB, 21, kStart).ok());
    ASSERT_TRUE(stepper.send(kB, 22).ok());
    stepper.batcher.dismiss(0, later(stepper, 10));
    stepper.batcher.dismiss(1, later(stepper, 10));
    EXPECT_EQ(stepper.run(0), Tags{11});
    stepper.clock.advance_ns(10 * kMs);
    EXPECT_EQ(kind_of(stepper, 0), Pull::Kind::kStopped);
    EXPECT_EQ(stepper.run(1), Tags{21});
    EXPECT_EQ(stepper.send(kB, 23).code(), StatusCode::kInvalidArg);
    EXPECT_EQ(stepper.run(1), Tags{22});
    EXPECT_EQ(kind_of(stepper, 1), Pull::Kind::kStopped);
}

TEST_P(SequenceInstances, one_that_leaves_goes_when_its_last_sequence_was_idle_for_too_long) {
    SequenceStepper stepper(config(1));
    ASSERT_TRUE(stepper.send(kA, 11, kStart).ok());
    EXPECT_EQ(stepper.run(0), Tags{11});
    stepper.batcher.engage(1);
    stepper.batcher.dismiss(0, later(stepper, 2 * kHourMs));
    stepper.clock.advance_ns((kHourMs - 1) * kMs);
    EXPECT_EQ(kind_of(stepper, 0), Pull::Kind::kWait);
    stepper.clock.advance_ns(kMs);
    EXPECT_EQ(kind_of(stepper, 0), Pull::Kind::kStopped);
}

TEST_P(SequenceInstances, what_waits_behind_a_model_that_does_not_answer_is_refused) {
    SequenceStepper stepper(config(1));
    stepper.batcher.engage(1);
    ASSERT_TRUE(stepper.send(kA, 11, kStart).ok());
    ASSERT_TRUE(stepper.send(kA, 12).ok());
    EXPECT_EQ(stepper.pull(0), Tags{11});
    stepper.batcher.dismiss(0, later(stepper, 10));
    stepper.clock.advance_ns(10 * kMs);
    EXPECT_EQ(stepper.pull(0), Tags());
    EXPECT_EQ(stepper.last.kind, Pull::Kind::kWait);
    EXPECT_EQ(stepper.last.wait_until_ns, stepper.clock.now_ns() + limits::kWorkerFarewellNs);
    stepper.clock.advance_ns(limits::kWorkerFarewellNs);
    EXPECT_EQ(stepper.pull(0), Tags());
    EXPECT_EQ(stepper.last.kind, Pull::Kind::kStopped);
    EXPECT_EQ(stepper.take_dropped(unavailable("model 'model' was unloaded before it answered an "
                                               "earlier request of the sequence")),
              Tags{12});
    stepper.answer();  // after all
    ASSERT_TRUE(stepper.send(kA, 13, kStart).ok());
    EXPECT_EQ(stepper.run(1), Tags{13});
}

TEST_P(SequenceInstances, one_that_leaves_and_comes_back_to_life_gets_no_sequences) {
    SequenceStepper stepper(config(2));
    ASSERT_TRUE(stepper.send(kA, 11, kStart).ok());
    ASSERT_TRUE(stepper.send(kB, 21, kStart).ok());
    ASSERT_TRUE(stepper.send(kC, 31, kStart).ok());
    stepper.batcher.dismiss(1, later(stepper, kHourMs));
    const Status lost = unavailable("it died");
    stepper.batcher.set_available(1, false, lost, stepper.dropped);
    EXPECT_EQ(stepper.take_dropped(lost), Tags{21});
    stepper.batcher.set_available(1, true, lost, stepper.dropped);
    EXPECT_EQ(kind_of(stepper, 1), Pull::Kind::kStopped);
    ASSERT_TRUE(stepper.send(kA, 12, kEnd).ok());
    EXPECT_EQ(stepper.run(0), Tags{11});
    EXPECT_EQ(stepper.run(0), Tags{12});
    EXPECT_EQ(stepper.run(0), Tags{31});
}

TEST_P(SequenceInstances, stop_ends_those_that_leave_too) {
    SequenceStepper stepper(config(2));
    ASSERT_TRUE(stepper.send(kA, 11, kStart).ok());
    ASSERT_TRUE(stepper.send(kB, 21, kStart).ok());
    ASSERT_TRUE(stepper.send(kC, 31, kStart).ok());
    stepper.batcher.dismiss(1, later(stepper, kHourMs));
    stepper.batcher.stop();
    EXPECT_EQ(stepper.run(1), Tags{21});
    EXPECT_EQ(kind_of(stepper, 1), Pull::Kind::kStopped);
    EXPECT_EQ(stepper.run(0), Tags{11});
    EXPECT_EQ(stepper.run(0), Tags{31});
    EXPECT_EQ(kind_of(stepper, 0), Pull::Kind::kStopped);
}

TEST_P(SequenceInstances, so_many_may_come_and_then_the_model_is_to_be_loaded_anew) {
    SequenceStepper stepper(config(1));
    size_t next = 1;
    while (stepper.batcher.lets_instances_change()) {
        stepper.batcher.engage(next);
        stepper.batcher.dismiss(next++, stepper.clock.now_ns());
    }
    EXPECT_GT(next, 1000U);
    ASSERT_TRUE(stepper.send(kA, 11, kStart).ok());
    EXPECT_EQ(stepper.run(0), Tags{11});
}

INSTANTIATE_TEST_SUITE_P(Strategies, SequenceInstances,
                         testing::Values(SequenceConfig::Strategy::kDirect,
                                         SequenceConfig::Strategy::kOldest));

}  // namespace
}  // namespace tritonpy
