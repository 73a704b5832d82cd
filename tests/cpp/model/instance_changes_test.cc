// Goal: instances come and go while a model serves; what stays is not touched, nothing is lost.
// Method: scripted executors that count how many were made, driven by hand; then with threads.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "model/model.h"
#include "scheduler/rate_limiter.h"
#include "support/model_fixture.h"

namespace tritonpy {
namespace {

class CountingFactory final : public ExecutorFactory {
  public:
    explicit CountingFactory(std::vector<std::string>& made) : made_(made) {}
    Result<std::unique_ptr<Executor>> create(const InstanceSpec& instance) override {
        if (instance.name == "bad") {
            return internal_error("no more of these");
        }
        made_.push_back(instance.name);
        return std::unique_ptr<Executor>(std::make_unique<ScriptedExecutor>(echo));
    }

  private:
    std::vector<std::string>& made_;
};

class InstanceChanges : public testing::Test {
  protected:
    std::unique_ptr<Model> make(const ModelConfig& config) {
        auto model = fixture_.try_make(config, maker_);
        TRITONPY_CHECK(model.ok());
        made_.clear();
        return std::move(model).value();
    }

    Status change(Model& model, const ModelConfig& config) {
        TRITONPY_CHECK(model.lets_instances_change(config, context()));
        return model.change_instances(config, context());
    }

    ModelContext context() {
        return {{fixture_.clock, fixture_.log, fixture_.pool, ""},
                maker_,
                fixture_.all_answered,
                fixture_.start_threads,
                nullptr,
                fixture_.rate_limiter};
    }

    static std::vector<std::string> names(const Model& model) {
        std::vector<std::string> names;
        for (const auto& instance : model.instances()) {
            names.push_back(instance->name());
        }
        return names;
    }

    ModelFixture fixture_;
    std::vector<std::string> made_;
    const ExecutorFactoryMaker maker_ = [this](const ExecutorConfig&, const ExecutorContext&)
        -> Result<std::unique_ptr<ExecutorFactory>> {
        return std::unique_ptr<ExecutorFactory>(std::make_unique<CountingFactory>(made_));
    };
};

using Names = std::vector<std::string>;

TEST_F(InstanceChanges, missing_instances_are_made_and_the_others_stay) {
    auto model = make(make_config("m", 1, 8, 1));
    const ModelInstance* first = model->instances()[0].get();
    ASSERT_TRUE(change(*model, make_config("m", 1, 8, 3)).ok());
    EXPECT_EQ(made_.size(), 2u);
    ASSERT_EQ(model->instances().size(), 3u);
    EXPECT_EQ(model->instances()[0].get(), first);
    for (uint64_t tag = 0; tag < 3; ++tag) {
        ASSERT_TRUE(fixture_.infer(*model, fixture_.request(8, tag * 8)).ok());
        EXPECT_EQ(model->instances()[tag]->run_once().kind, Pull::Kind::kBatch);
    }
    EXPECT_EQ(model->statistics().execution_count, 3u);
}

TEST_F(InstanceChanges, surplus_instance_answers_what_it_took_and_leaves_the_rest) {
    auto model = make(make_config("m", 1, 1, 2));
    ASSERT_TRUE(fixture_.infer(*model, fixture_.request(1)).ok());
    ASSERT_TRUE(fixture_.infer(*model, fixture_.request(1)).ok());
    model->instances()[1]->take();
    ASSERT_TRUE(change(*model, make_config("m", 1, 1, 1)).ok());
    EXPECT_EQ(fixture_.sink.size(), 1u);
    EXPECT_EQ(names(*model), Names{"m_0_0"});
    model->instances()[0]->run_once();
    EXPECT_EQ(fixture_.sink.size(), 2u);
    EXPECT_EQ(model->statistics().execution_count, 2u) << "what the other one ran still counts";
    EXPECT_TRUE(made_.empty());
}

TEST_F(InstanceChanges, only_settings_count_and_not_names) {
    auto model = make(make_config("m", 1, 8, 2));
    ModelConfig other = make_config("m", 1, 8, 2);
    other.instances[0].name = "renamed";
    other.instances[1].host_policy = "elsewhere";
    ASSERT_TRUE(change(*model, other).ok());
    EXPECT_EQ(made_, Names{"m_0_1"});
    EXPECT_EQ(names(*model), (Names{"m_0_0", "m_0_1"}));
}

TEST_F(InstanceChanges, failure_changes_nothing) {
    auto model = make(make_config("m", 1, 8, 1));
    ModelConfig bad = make_config("m", 1, 8, 3);
    bad.instances[2].name = "bad";
    EXPECT_EQ(change(*model, bad).message(), "no more of these");
    EXPECT_EQ(names(*model), Names{"m_0_0"});
}

TEST_F(InstanceChanges, models_that_schedule_by_instance_are_to_be_built_anew) {
    const ModelConfig plain = make_config();
    ModelConfig passive = make_config("m", 1, 8, 2);
    passive.instances[1].passive = true;
    EXPECT_FALSE(make(plain)->lets_instances_change(passive, context()));
    EXPECT_FALSE(make(passive)->lets_instances_change(plain, context()));
    ModelConfig hurried = make_config();
    hurried.batcher.latency_objective_us = 1000;
    EXPECT_FALSE(make(hurried)->lets_instances_change(hurried, context()));
    ModelConfig needy = make_config();
    needy.needs = {{0, 1, {{"unit", false, 1}}}};
    EXPECT_TRUE(make(plain)->lets_instances_change(needy, context())) << "nobody limits them";
    RateLimiter limiter({}, fixture_.log);
    fixture_.rate_limiter = &limiter;
    EXPECT_FALSE(make(plain)->lets_instances_change(needy, context()));
}

TEST_F(InstanceChanges, every_request_is_answered_while_threads_come_and_go) {
    for (const bool has_priorities : {false, true}) {
        SCOPED_TRACE(has_priorities);
        fixture_.start_threads = true;
        const auto config_of = [&](size_t instances) {
            ModelConfig config = make_config("m", 1, 8, instances);
            config.batcher.queue.priority_levels = has_priorities ? 2 : 0;
            config.batcher.queue.default_priority_level = has_priorities ? 1 : 0;
            return config;
        };
        auto model = make(config_of(1));
        const size_t before = fixture_.sink.size();
        constexpr uint64_t kRequests = 2000;
        std::thread client([&] {
            for (uint64_t tag = 0; tag < kRequests;) {
                auto request = fixture_.request(1, tag);
                tag += fixture_.infer(*model, std::move(request)).ok() ? 1 : 0;
            }
        });
        for (size_t instances : {4u, 1u, 3u, 2u, 4u, 1u}) {
            ASSERT_TRUE(change(*model, config_of(instances)).ok());
            EXPECT_EQ(names(*model).size(), instances);
        }
        client.join();
        model->stop();
        EXPECT_EQ(fixture_.sink.size() - before, kRequests);
        EXPECT_EQ(model->statistics().success.count, kRequests);
    }
}

}  // namespace
}  // namespace tritonpy
