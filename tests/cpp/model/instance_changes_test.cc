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

constexpr int64_t kAnHourUs = 3'600'000'000;

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

    // Needs that matter where there is a rate limiter.
    static ModelConfig limited(size_t instances, uint64_t units) {
        ModelConfig config = make_config("m", 1, 8, instances);
        config.needs.assign(instances, {0, 1, {{"unit", false, units}}});
        return config;
    }
    static ModelConfig with_sequences(size_t instances, SequenceConfig::Strategy strategy) {
        ModelConfig config = make_config("m", 1, 2, instances);
        config.needs = limited(instances, 1).needs;
        config.sequences.emplace();
        config.sequences->strategy = strategy;
        config.sequences->max_candidate_sequences = 2;
        config.sequences->max_idle_us = kAnHourUs;
        return config;
    }
    std::unique_ptr<InferenceRequest> of_sequence(uint64_t id, uint32_t flags = 0) {
        auto request = fixture_.request(1, id);
        request->correlation_id = id;
        request->flags = flags;
        return request;
    }
    static uint64_t count_of(const RateLimiter& limiter) { return limiter.uses().at(0).count; }

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

TEST_F(InstanceChanges, passive_ones_come_and_go_too) {
    const auto config_of = [](std::vector<bool> are_passive) {
        ModelConfig config = make_config("m", 1, 8, are_passive.size());
        for (size_t index = 0; index < are_passive.size(); ++index) {
            config.instances[index].passive = are_passive[index];
        }
        return config;
    };
    auto model = make(config_of({false, true}));
    ASSERT_TRUE(change(*model, config_of({true, false, true})).ok());
    EXPECT_EQ(made_, Names{"m_0_2"});
    ASSERT_TRUE(change(*model, config_of({false, true, false})).ok());
    EXPECT_EQ(made_, (Names{"m_0_2", "m_0_2"}));
    EXPECT_EQ(names(*model).size(), 2U);
    const Status nobody = invalid_arg(
        "model 'm' has no instance that is not passive, so nothing could run it");
    EXPECT_EQ(change(*model, config_of({true})), nobody);
    EXPECT_EQ(names(*model).size(), 2U);
}

TEST_F(InstanceChanges, what_limits_them_is_to_be_built_anew) {
    const ModelConfig plain = make_config();
    const ModelConfig needy = limited(1, 1);
    EXPECT_TRUE(make(plain)->lets_instances_change(needy, context())) << "nobody limits them";
    RateLimiter limiter({}, fixture_.log);
    fixture_.rate_limiter = &limiter;
    EXPECT_FALSE(make(plain)->lets_instances_change(needy, context()));
    EXPECT_FALSE(make(needy)->lets_instances_change(plain, context()));
}

TEST_F(InstanceChanges, what_limited_instances_need_is_one_of_their_settings) {
    RateLimiter limiter({}, fixture_.log);
    fixture_.rate_limiter = &limiter;
    auto model = make(limited(2, 1));
    const ModelInstance* first = model->instances()[0].get();
    ModelConfig other = limited(2, 1);
    other.needs[1].resources[0].count = 3;
    ASSERT_TRUE(change(*model, other).ok());
    EXPECT_EQ(made_.size(), 1u);
    EXPECT_EQ(model->instances()[0].get(), first);
    EXPECT_EQ(count_of(limiter), 3u);
    ASSERT_TRUE(change(*model, limited(1, 1)).ok());
    EXPECT_EQ(count_of(limiter), 1u) << "who has left needs nothing any more";
    ASSERT_TRUE(fixture_.infer(*model, fixture_.request(1)).ok());
    EXPECT_EQ(model->instances()[0]->run_once().kind, Pull::Kind::kBatch);
}

TEST_F(InstanceChanges, an_instance_that_could_never_run_changes_nothing) {
    RateLimiter limiter({{"unit", 2, std::nullopt}}, fixture_.log);
    fixture_.rate_limiter = &limiter;
    auto model = make(limited(1, 1));
    EXPECT_EQ(change(*model, limited(2, 3)),
              invalid_arg("Resource count for \"unit\" is limited to 2 which will prevent "
                          "scheduling of one or more model instances, the minimum required count "
                          "is 3"));
    EXPECT_EQ(names(*model), Names{"m_0_0"});
    ASSERT_TRUE(change(*model, limited(2, 1)).ok());
    EXPECT_EQ(model->instances().size(), 2u);
}

TEST_F(InstanceChanges, an_instance_leaves_though_a_rival_holds_what_it_waits_for) {
    RateLimiter limiter({}, fixture_.log);
    fixture_.rate_limiter = &limiter;
    auto rival = make(limited(1, 1));
    ASSERT_TRUE(fixture_.infer(*rival, fixture_.request(1)).ok());
    rival->instances()[0]->take();  // and holds the only unit
    fixture_.start_threads = true;
    auto model = make(limited(3, 1));
    ASSERT_TRUE(fixture_.infer(*model, fixture_.request(1)).ok());
    ASSERT_TRUE(change(*model, limited(1, 1)).ok());
    EXPECT_EQ(names(*model).size(), 1u);
    EXPECT_EQ(fixture_.sink.size(), 0u);
    rival->instances()[0]->complete();
    EXPECT_EQ(fixture_.sink.wait_and_take(2).size(), 2u);
    model->stop();
}

TEST_F(InstanceChanges, every_request_is_answered_while_threads_come_and_go) {
    enum class Kind : uint8_t { kPlain, kPriorities, kObjective, kLimited };
    RateLimiter limiter({}, fixture_.log);
    for (const Kind kind : {Kind::kPlain, Kind::kPriorities, Kind::kObjective, Kind::kLimited}) {
        SCOPED_TRACE(static_cast<int>(kind));
        fixture_.start_threads = true;
        fixture_.rate_limiter = kind == Kind::kLimited ? &limiter : nullptr;
        const auto config_of = [&](size_t instances) {
            ModelConfig config = limited(instances, 1);
            config.batcher.queue.priority_levels = kind == Kind::kPriorities ? 2 : 0;
            config.batcher.queue.default_priority_level = kind == Kind::kPriorities ? 1 : 0;
            config.batcher.latency_objective_us = kind == Kind::kObjective ? kAnHourUs : 0;
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

using Strategy = SequenceConfig::Strategy;
constexpr uint32_t kStart = InferenceRequest::kSequenceStart;
constexpr uint32_t kEnd = InferenceRequest::kSequenceEnd;

TEST_F(InstanceChanges, one_without_sequences_leaves_though_a_rival_holds_what_it_waits_for) {
    RateLimiter limiter({}, fixture_.log);
    fixture_.rate_limiter = &limiter;
    for (const Strategy strategy : {Strategy::kDirect, Strategy::kOldest}) {
        fixture_.start_threads = false;
        auto rival = make(limited(1, 1));
        ASSERT_TRUE(fixture_.infer(*rival, fixture_.request(1)).ok());
        rival->instances()[0]->take();  // and holds the only unit
        fixture_.start_threads = true;
        auto model = make(with_sequences(3, strategy));
        ASSERT_TRUE(change(*model, with_sequences(1, strategy)).ok());
        EXPECT_EQ(names(*model).size(), 1u);
        rival->instances()[0]->complete();
        model->stop();
        fixture_.sink.wait_and_take(1);
    }
}

TEST_F(InstanceChanges, one_that_leaves_runs_its_sequences_in_its_turns) {
    RateLimiter limiter({}, fixture_.log);
    fixture_.rate_limiter = &limiter;
    for (const Strategy strategy : {Strategy::kDirect, Strategy::kOldest}) {
        fixture_.start_threads = false;
        auto rival = make(limited(1, 1));
        fixture_.start_threads = true;
        auto model = make(with_sequences(1, strategy));
        ASSERT_TRUE(fixture_.infer(*model, of_sequence(1, kStart)).ok());
        fixture_.sink.wait_and_take(1);
        ModelConfig other = with_sequences(1, strategy);
        other.needs[0].priority = 7;  // so that the one there is goes
        std::thread load([&] { EXPECT_TRUE(change(*model, other).ok()); });
        ASSERT_TRUE(fixture_.infer(*rival, fixture_.request(1)).ok());
        while (rival->instances()[0]->take().kind != Pull::Kind::kBatch) {  // the only unit
            std::this_thread::yield();
        }
        ASSERT_TRUE(fixture_.infer(*model, of_sequence(1, kEnd)).ok());
        EXPECT_EQ(fixture_.sink.size(), 0u);
        rival->instances()[0]->complete();
        fixture_.sink.wait_and_take(2);
        load.join();
        EXPECT_EQ(count_of(limiter), 1u);
        ASSERT_TRUE(fixture_.infer(*model, of_sequence(2, kStart | kEnd)).ok());
        fixture_.sink.wait_and_take(1);
        model->stop();
    }
}

TEST_F(InstanceChanges, sequences_whose_newcomer_could_never_run_stay_as_they_are) {
    RateLimiter limiter({{"unit", 2, std::nullopt}}, fixture_.log);
    fixture_.rate_limiter = &limiter;
    auto model = make(with_sequences(1, Strategy::kDirect));
    ModelConfig needy = with_sequences(3, Strategy::kDirect);
    needy.needs[2].resources[0].count = 3;
    EXPECT_EQ(change(*model, needy).code(), StatusCode::kInvalidArg);
    EXPECT_EQ(names(*model), Names{"m_0_0"});
    ASSERT_TRUE(change(*model, with_sequences(3, Strategy::kDirect)).ok());
    EXPECT_EQ(names(*model).size(), 3u);
}

class SequencesOfInstances : public InstanceChanges,
                             public testing::WithParamInterface<std::pair<Strategy, bool>> {};

TEST_P(SequencesOfInstances, every_sequence_goes_on_while_threads_come_and_go) {
    const auto [strategy, is_limited] = GetParam();
    RateLimiter limiter({}, fixture_.log);
    fixture_.start_threads = true;
    fixture_.rate_limiter = is_limited ? &limiter : nullptr;
    auto model = make(with_sequences(1, strategy));
    constexpr uint64_t kSequences = 200;
    constexpr uint64_t kEach = 10;
    std::vector<std::thread> clients;
    for (uint64_t client = 0; client < 4; ++client) {
        clients.emplace_back([&, client] {
            for (uint64_t number = 0; number < kSequences; ++number) {
                for (uint64_t at = 0; at < kEach; ++at) {
                    const uint32_t flags =
                        (at == 0 ? kStart : 0) | (at + 1 == kEach ? kEnd : 0);
                    auto request = of_sequence(client * kSequences + number + 1, flags);
                    EXPECT_TRUE(fixture_.infer(*model, std::move(request)).ok());
                }
            }
        });
    }
    for (size_t instances : {4u, 1u, 3u, 2u, 4u, 1u}) {
        ASSERT_TRUE(change(*model, with_sequences(instances, strategy)).ok());
        EXPECT_EQ(names(*model).size(), instances);
    }
    for (std::thread& client : clients) {
        client.join();
    }
    model->stop();
    EXPECT_EQ(fixture_.sink.size(), 4 * kSequences * kEach);
    EXPECT_EQ(model->statistics().success.count, 4 * kSequences * kEach);
}

INSTANTIATE_TEST_SUITE_P(Kinds, SequencesOfInstances,
                         testing::Values(std::pair(Strategy::kDirect, false),
                                         std::pair(Strategy::kOldest, false),
                                         std::pair(Strategy::kDirect, true),
                                         std::pair(Strategy::kOldest, true)));

}  // namespace
}  // namespace tritonpy
