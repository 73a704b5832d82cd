// Goal: whoever brings requests to a model whose instance sleeps may run them itself; whatever the
// guest cannot do, or leaves, the instance's thread does; no request is lost or answered twice.
// Method: models with threads and a scripted executor that starts batches without blocking; the
// test is the io thread. It knows that an instance sleeps by being let in.
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "model/deferred_wakes.h"
#include "model/instance_guest.h"
#include "support/model_fixture.h"
#include "support/scripted_requests.h"

namespace tritonpy {
namespace {

using Floats = std::vector<float>;

// Remembers the instance that was driven last.
class Host final : public InstanceHost {
  public:
    bool watch(DrivenInstance& instance) override {
        driven = refuses ? nullptr : &instance;
        return !refuses;
    }

    DrivenInstance* driven = nullptr;
    bool refuses = false;
};

struct DrivenInstanceTest : ModelFixture, ::testing::Test {
    DrivenInstanceTest() {
        start_threads = true;
        script.run = echo_requests;
        script.try_start = [] { return true; };
        make_model();
    }
    void make_model(const ModelConfig& config = make_config()) {
        model = try_make(config, scripted_requests({&script, &other})).value();
    }

    void ask(uint64_t tag) {
        auto one = request(1, tag);
        bool wake_due = false;
        ASSERT_TRUE(model->infer(one, wake_due).ok());
        ASSERT_TRUE(wake_due);
        model->wake(host);
    }
    // Asks until the test is let in: before the instance sleeps, its thread answers.
    void drive(uint64_t tag) {
        const auto start = script.try_start;
        bool is_in = false;
        script.try_start = [&] {
            is_in = true;
            return start();
        };
        for (ask(tag); !is_in; ask(tag)) {
            EXPECT_EQ(answer_of(tag), (Floats{static_cast<float>(tag)}));
        }
        script.try_start = start;
    }
    void finish() {
        script.answered.release();
        ASSERT_TRUE(host.driven->receive());
        std::exchange(host.driven, nullptr)->finish();
    }
    std::unique_ptr<InferenceResponse> response_to(uint64_t tag) {
        auto responses = sink.wait_and_take(1);
        EXPECT_EQ(responses.size(), 1u);
        EXPECT_EQ(responses[0]->tag, tag);
        return std::move(responses[0]);
    }
    Floats answer_of(uint64_t tag) {
        auto response = response_to(tag);
        EXPECT_TRUE(response->status.ok()) << response->status.message();
        return values_of<float>(response->outputs.at(0));
    }

    RequestScript script;
    RequestScript other;
    Host host;
    std::unique_ptr<Model> model;
};

TEST_F(DrivenInstanceTest, a_guest_runs_a_batch_from_its_start_to_its_answer) {
    drive(1);
    ASSERT_NE(host.driven, nullptr);
    EXPECT_EQ(sink.size(), 0u);
    EXPECT_EQ(model->in_flight(), 1u);
    const uint64_t before = model->statistics().execution_count;
    finish();
    EXPECT_EQ(sink.size(), 1u);  // no other thread has any part in it
    EXPECT_EQ(answer_of(1), (Floats{1}));
    EXPECT_EQ(model->in_flight(), 0u);
    EXPECT_EQ(model->statistics().execution_count, before + 1);
    ask(2);  // the instance sleeps still
    ASSERT_NE(host.driven, nullptr);
    finish();
    EXPECT_EQ(answer_of(2), (Floats{2}));
}

TEST_F(DrivenInstanceTest, what_comes_while_a_guest_drives_the_thread_runs_after_it) {
    drive(1);
    ask(2);
    ask(3);
    EXPECT_EQ(model->in_flight(), 3u);
    finish();
    auto responses = sink.wait_and_take(3);
    for (uint64_t tag : {1, 2, 3}) {
        EXPECT_EQ(responses[tag - 1]->tag, tag);
    }
    model->stop();
    EXPECT_EQ(host.driven, nullptr);
}

TEST_F(DrivenInstanceTest, a_second_instance_is_driven_while_the_first_is) {
    other.run = echo_requests;
    bool is_other_in = false;
    other.try_start = [&] { return is_other_in = true; };
    make_model(make_config("model", 1, 1, 2));
    script.try_start = [] { return true; };
    std::vector<DrivenInstance*> driven;
    for (uint64_t tag = 1; driven.size() < 2; ++tag) {
        ask(tag);
        if (DrivenInstance* instance = std::exchange(host.driven, nullptr)) {
            driven.push_back(instance);
        } else {
            EXPECT_EQ(answer_of(tag), (Floats{static_cast<float>(tag)}));
        }
    }
    EXPECT_TRUE(is_other_in);
    EXPECT_EQ(model->in_flight(), 2u);
    for (DrivenInstance* instance : driven) {
        instance->finish();
    }
    EXPECT_EQ(sink.wait_and_take(2).size(), 2u);
}

TEST_F(DrivenInstanceTest, the_thread_finishes_what_nobody_can_watch) {
    host.refuses = true;
    script.answered.release(1000);
    drive(1);
    EXPECT_EQ(answer_of(1), (Floats{1}));
    model->stop();
    EXPECT_EQ(model->in_flight(), 0u);
}

TEST_F(DrivenInstanceTest, the_thread_finishes_what_is_handed_back) {
    drive(1);
    script.answered.release();
    std::exchange(host.driven, nullptr)->hand_back();
    EXPECT_EQ(answer_of(1), (Floats{1}));
}

TEST_F(DrivenInstanceTest, the_thread_runs_what_only_it_can) {
    script.try_start = [] { return false; };
    drive(1);
    EXPECT_EQ(host.driven, nullptr);
    EXPECT_EQ(answer_of(1), (Floats{1}));
}

TEST_F(DrivenInstanceTest, what_cannot_be_started_is_refused) {
    script.try_start = []() -> Result<bool> { return unavailable("no room"); };
    drive(1);
    EXPECT_EQ(host.driven, nullptr);
    EXPECT_EQ(response_to(1)->status, unavailable("no room"));
    EXPECT_EQ(model->in_flight(), 0u);
    const auto reason = static_cast<size_t>(FailureReason::kBackend);
    EXPECT_EQ(model->statistics().failures_by_reason[reason], 1u);
}

TEST_F(DrivenInstanceTest, a_model_that_cannot_run_is_left_to_its_thread) {
    drive(1);
    finish();
    EXPECT_EQ(answer_of(1), (Floats{1}));
    bool is_in = false;
    script.try_start = [&] { return is_in = true; };
    script.healthy = false;
    ask(2);
    EXPECT_EQ(sink.size(), 0u);
    script.healthy = true;
    EXPECT_EQ(answer_of(2), (Floats{2}));
    EXPECT_FALSE(is_in);
}

TEST_F(DrivenInstanceTest, a_batch_that_fails_is_told_of_and_the_thread_looks_after_the_model) {
    drive(1);
    const Status died = internal_error("it died");
    script.run = [&](Batch& batch, ResponseOutlet& outlet) {
        auto response = std::make_unique<InferenceResponse>();
        response->status = died;
        outlet.finish(std::move(batch.requests[0]), std::move(response));
        return died;
    };
    script.healthy = false;
    finish();
    EXPECT_EQ(response_to(1)->status, died);
    script.run = echo_requests;
    script.healthy = true;
    drive(2);
    ASSERT_NE(host.driven, nullptr);
    finish();
    EXPECT_EQ(answer_of(2), (Floats{2}));
}

TEST_F(DrivenInstanceTest, a_model_ends_when_its_guest_has_finished) {
    drive(1);
    std::promise<void> closed;
    std::thread stopping([&] {
        model->close();
        closed.set_value();
        model->stop();
    });
    closed.get_future().wait();
    EXPECT_EQ(sink.size(), 0u);
    finish();
    stopping.join();
    EXPECT_EQ(answer_of(1), (Floats{1}));
    EXPECT_EQ(script.stops, 1);
}

TEST_F(DrivenInstanceTest, an_instance_that_is_dismissed_ends_when_its_guest_has_finished) {
    other.run = echo_requests;
    make_model(make_config("model", 1, 8, 1));
    drive(1);
    ModelConfig config = make_config();
    config.instances[0].host_policy = "elsewhere";
    const ExecutorFactoryMaker maker = scripted_requests({&other});
    const ModelContext context{{clock, log, pool, ""}, maker, all_answered};
    std::thread changing([&] { EXPECT_TRUE(model->change_instances(config, context).ok()); });
    finish();
    changing.join();
    EXPECT_EQ(answer_of(1), (Floats{1}));
    ask(2);
    EXPECT_EQ(answer_of(2), (Floats{2}));
}

TEST_F(DrivenInstanceTest, models_of_a_burst_are_driven_at_its_end) {
    drive(1);
    finish();
    EXPECT_EQ(answer_of(1), (Floats{1}));
    DeferredWakes wakes;
    auto one = request(1, 2);
    bool wake_due = false;
    ASSERT_TRUE(model->infer(one, wake_due).ok());
    wakes.add(ModelRef(*model));
    EXPECT_EQ(host.driven, nullptr);
    wakes.wake_all(&host);
    EXPECT_FALSE(model->is_entered());
    ASSERT_NE(host.driven, nullptr);
    finish();
    EXPECT_EQ(answer_of(2), (Floats{2}));
}

}  // namespace
}  // namespace tritonpy
