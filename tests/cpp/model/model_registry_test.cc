// Goal: a name and a version lead to the right model or to the right text, before, during and
// after publication, retirement and closing.
// Method: models without threads, published and retired by hand.
#include "model/model_registry.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/model_fixture.h"

namespace tritonpy {
namespace {

struct ModelRegistryTest : ModelFixture, ::testing::Test {
    ModelRegistry registry;

    std::vector<Model*> publish(const std::vector<int64_t>& versions,
                                const std::vector<int64_t>& retire = {}) {
        std::vector<std::unique_ptr<Model>> models;
        for (int64_t version : versions) {
            models.push_back(make(make_config("m", version)));
        }
        return registry.publish("m", std::move(models), retire);
    }

    void retire(const std::vector<Model*>& retired) {
        for (Model* model : retired) {
            model->stop();
        }
        registry.discard(retired);
    }

    // The version that answers, or the error.
    std::string lookup(int64_t version, std::string_view name = "m") {
        auto found = registry.enter(name, version);
        if (!found.ok()) {
            return std::string(code_name(found.status().code())) + ": " +
                   std::string(found.status().message());
        }
        return found.value() ? std::to_string(found.value()->identity()->version) : "closed";
    }
};

TEST_F(ModelRegistryTest, finds_versions_and_the_newest) {
    publish({2, 10, 9});
    EXPECT_EQ(lookup(2), "2");
    EXPECT_EQ(lookup(9), "9");
    EXPECT_EQ(lookup(-1), "10");
}

TEST_F(ModelRegistryTest, says_what_it_does_not_have) {
    EXPECT_EQ(lookup(-1), "Not found: Request for unknown model: 'm' is not found");
    EXPECT_EQ(lookup(1), "Not found: Request for unknown model: 'm' is not found");
    publish({1});
    EXPECT_EQ(lookup(2), "Not found: Request for unknown model: 'm' version 2 is not found");
    EXPECT_EQ(lookup(1, "other"), "Not found: Request for unknown model: 'other' is not found");
    retire(publish({}, {1}));
    EXPECT_EQ(lookup(1),
              "Unavailable: Request for unknown model: 'm' version 1 is not at ready state");
    EXPECT_EQ(lookup(-1), "Not found: Request for unknown model: 'm' has no available versions");
}

TEST_F(ModelRegistryTest, a_name_in_several_namespaces_leads_to_the_only_one_that_serves) {
    const auto publish_as = [&](const std::string& identifier, int64_t version) {
        std::vector<std::unique_ptr<Model>> models;
        models.push_back(make(make_config("m", version)));
        return registry.publish(identifier, std::move(models), {});
    };
    publish_as("/a/m", 1);
    registry.note_unavailable("/c/m", {9});
    EXPECT_EQ(lookup(-1), "1");
    EXPECT_EQ(lookup(-1, "/a/m"), "1");
    publish_as("/b/m", 2);
    const std::string ambiguous =
        "Invalid argument: There are 2 identifiers of model 'm' in global map, model namespace "
        "must be provided to resolve ambiguity.";
    EXPECT_EQ(lookup(-1), ambiguous);
    EXPECT_EQ(lookup(2), ambiguous);
    EXPECT_EQ(registry.check_ready("m", 1).message(), ambiguous.substr(18));
    EXPECT_EQ(lookup(-1, "/a/m"), "1");
    EXPECT_EQ(lookup(-1, "/b/m"), "2");
    EXPECT_EQ(lookup(-1, "other"),
              "Invalid argument: Request for unknown model: 'other' is not found");
    retire(registry.publish("/a/m", {}, {1}));
    EXPECT_EQ(lookup(-1), "2");
    EXPECT_EQ(lookup(1, "/a/m"),
              "Unavailable: Request for unknown model: '/a/m' version 1 is not at ready state");
    retire(registry.publish("/b/m", {}, {2}));
    EXPECT_EQ(lookup(-1), "Not found: Request for unknown model: 'm' has no available versions");
}

TEST_F(ModelRegistryTest, versions_noted_as_unavailable_are_known_but_not_ready) {
    publish({1});
    registry.note_unavailable("m", {1, 3});
    EXPECT_EQ(lookup(1), "1");
    EXPECT_EQ(lookup(-1), "1");
    EXPECT_EQ(lookup(3),
              "Unavailable: Request for unknown model: 'm' version 3 is not at ready state");
    registry.note_unavailable("broken", {});
    EXPECT_EQ(lookup(-1, "broken"),
              "Not found: Request for unknown model: 'broken' has no available versions");
    publish({3});
    EXPECT_EQ(lookup(-1), "3");
}

TEST_F(ModelRegistryTest, publishing_replaces_retires_and_keeps_the_rest) {
    publish({1, 2, 3});
    std::vector<Model*> retired = publish({3, 4}, {1});
    ASSERT_EQ(retired.size(), 2u);
    EXPECT_EQ(retired[0]->identity()->version, 1);
    EXPECT_EQ(retired[1]->identity()->version, 3);
    EXPECT_EQ(lookup(2), "2");
    EXPECT_EQ(lookup(3), "3");
    EXPECT_EQ(lookup(-1), "4");
    retire(retired);
    retire(publish({}, {3, 4, 99}));
    EXPECT_EQ(lookup(-1), "2");
    EXPECT_EQ(lookup(99),
              "Not found: Request for unknown model: 'm' version 99 is not found");
}

TEST_F(ModelRegistryTest, a_sequence_is_found_where_it_is_and_where_it_began_anew) {
    const auto make_version = [&](int64_t version) {
        ModelConfig config = make_config("m", version);
        config.sequences.emplace();
        std::vector<std::unique_ptr<Model>> models;
        models.push_back(make(config));
        return models;
    };
    const auto start_in = [&](int64_t version, CorrelationId id) {
        auto one = request(1);
        one->correlation_id = std::move(id);
        one->flags = InferenceRequest::kSequenceStart;
        EXPECT_TRUE(registry.enter("m", version).value()->infer(one).ok());
    };
    const auto version_with = [&](CorrelationId id, int64_t version = -1) {
        return registry.enter("m", version, ModelRegistry::Caller::kClient, &id)
            .value()
            ->identity()
            ->version;
    };
    registry.publish("m", make_version(1), {});
    start_in(1, uint64_t{7});
    start_in(1, std::string("again"));
    const std::vector<Model*> retired = registry.publish("m", make_version(2), {1});
    EXPECT_EQ(version_with(uint64_t{7}), 1);
    EXPECT_EQ(version_with(uint64_t{7}, 2), 2) << "this version was asked for";
    EXPECT_EQ(version_with(uint64_t{8}), 2);
    EXPECT_EQ(version_with(std::string("again")), 1);
    start_in(2, std::string("again"));
    EXPECT_EQ(version_with(std::string("again")), 2);
    retire(retired);
    EXPECT_EQ(version_with(uint64_t{7}), 2);
}

TEST_F(ModelRegistryTest, a_model_that_was_found_takes_its_request_after_it_was_taken_out) {
    publish({1});
    auto found = registry.enter("m", -1);
    ASSERT_TRUE(found.ok());
    std::vector<Model*> retired = publish({2}, {1});
    auto one = request(1);
    EXPECT_TRUE(found.value()->infer(one).ok());
    { ModelRef leaves = std::move(found).value(); }
    auto in_flight = registry.in_flight();
    ASSERT_EQ(in_flight.size(), 1u);
    EXPECT_EQ(in_flight[0].model_name, "m");
    EXPECT_EQ(in_flight[0].model_version, 1);
    EXPECT_EQ(in_flight[0].count, 1u);
    retire(retired);
    EXPECT_EQ(sink.size(), 1u);
    EXPECT_TRUE(registry.in_flight().empty());
}

TEST_F(ModelRegistryTest, once_closed_nobody_enters_and_reading_goes_on) {
    publish({1});
    registry.close();
    registry.close();
    EXPECT_EQ(lookup(-1), "closed");
    EXPECT_EQ(lookup(2), "Not found: Request for unknown model: 'm' version 2 is not found");
    EXPECT_TRUE(registry.identity("m", -1).ok());
    EXPECT_TRUE(registry.statistics("m", 1).ok());
    publish({5});
    EXPECT_EQ(lookup(5), "closed");
    EXPECT_EQ(registry.models().size(), 2u);
}

TEST_F(ModelRegistryTest, identity_outlives_its_model) {
    publish({1});
    auto identity = registry.identity("m", 1);
    ASSERT_TRUE(identity.ok());
    retire(publish({}, {1}));
    EXPECT_EQ(identity.value()->name, "m");
    EXPECT_EQ(registry.identity("m", 1).status().code(), StatusCode::kUnavailable);
    EXPECT_EQ(registry.statistics("m", -1).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace tritonpy
