// Goal: whatever models come, run and go, resources are never overcommitted, turns are taken as
// priorities say (so that nobody starves: who waits is passed only by rivals that have had less,
// and every run brings those forward), and in the end everything is given back.
// Method: a seeded cast over the decision alone, which keeps its own books and compares. A failure
// prints its seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "scheduler/resource_turns.h"
#include "seeds.h"

namespace tritonpy {
namespace {

using Instance = ResourceTurns::Instance;
constexpr int kSteps = 150;
constexpr uint64_t kGiven = 5;  // of resource A on every device; the others are as needed

class World {
  public:
    explicit World(uint64_t seed) : random_(seed) {}

    void run() {
        for (int step = 0; step < kSteps && !::testing::Test::HasFailure(); ++step) {
            do_something();
        }
        finish();
    }

    size_t runs() const { return runs_; }

  private:
    uint64_t pick(uint64_t below) { return random_() % below; }

    void do_something() {
        switch (pick(6)) {
            case 0:
                models_.size() < 4 ? load() : unload();
                break;
            case 1:
            case 2:
                for_some([&](ResourceTurns::ModelId model) {
                    turns_.want(model);
                    wanted_.insert(model);
                });
                break;
            case 3:
                park_somebody();
                break;
            default:
                end_a_run();
        }
        note_ready();
        grant();
    }

    template <typename Function>
    void for_some(Function function) {
        if (!models_.empty()) {
            auto model = models_.begin();
            std::advance(model, static_cast<ptrdiff_t>(pick(models_.size())));
            function(model->first);
        }
    }

    void load() {
        std::vector<InstanceNeeds> instances(1 + pick(3));
        for (InstanceNeeds& needs : instances) {
            needs.device = static_cast<int32_t>(pick(2));
            needs.priority = static_cast<uint32_t>(1 + pick(3));
            if (pick(3) > 0) {
                needs.resources.push_back({"A", false, 1 + pick(kGiven)});
            }
            if (pick(3) == 0) {
                needs.resources.push_back({"B", false, pick(4)});
            }
            if (pick(3) == 0) {
                needs.resources.push_back({"G", true, 1 + pick(3)});
            }
        }
        const ResourceTurns::ModelId id = ++last_id_;
        ASSERT_TRUE(turns_.add(id, instances).ok());
        models_[id] = std::move(instances);
    }

    void unload() {
        for_some([&](ResourceTurns::ModelId model) {
            for (size_t index = 0; index < models_[model].size(); ++index) {
                const Instance instance{model, index};
                if (running_.contains(instance)) {
                    end(instance);
                }
                if (turns_.is_parked(instance)) {
                    turns_.leave(instance);
                }
                ready_.erase(instance);
            }
            turns_.remove(model);
            models_.erase(model);
            wanted_.erase(model);
        });
    }

    void park_somebody() {
        for_some([&](ResourceTurns::ModelId model) {
            const Instance instance{model, pick(models_[model].size())};
            if (!running_.contains(instance) && !turns_.is_parked(instance)) {
                turns_.park(instance);
            }
        });
    }

    void end_a_run() {
        if (!running_.empty()) {
            auto instance = running_.begin();
            std::advance(instance, static_cast<ptrdiff_t>(pick(running_.size())));
            end(*instance);
        }
    }

    void end(Instance instance) {
        running_.erase(instance);
        const uint64_t before = turns_.passed(instance);
        const bool ran = pick(4) > 0;
        turns_.done(instance, ran);
        // Each run brings it nearer to the point from which its rivals come first.
        ASSERT_EQ(turns_.passed(instance), before + (ran ? needs_of(instance).priority : 0));
    }

    const InstanceNeeds& needs_of(Instance instance) {
        return models_.at(instance.model).at(instance.index);
    }

    static std::string pool_of(const InstanceNeeds& needs, const ResourceNeed& need) {
        return need.name + (need.global ? "" : std::to_string(needs.device));
    }

    bool are_rivals(Instance a, Instance b) {
        const InstanceNeeds& first = needs_of(a);
        const InstanceNeeds& second = needs_of(b);
        return std::ranges::any_of(first.resources, [&](const ResourceNeed& one) {
            return std::ranges::any_of(second.resources, [&](const ResourceNeed& other) {
                return pool_of(first, one) == pool_of(second, other);
            });
        });
    }

    void note_ready() {
        ready_.clear();
        for (const ResourceTurns::ModelId id : wanted_) {
            for (size_t index = 0; index < models_.at(id).size(); ++index) {
                if (turns_.is_parked({id, index})) {
                    ready_.insert({id, index});
                }
            }
        }
    }

    void grant() {
        while (const std::optional<Instance> next = turns_.next()) {
            ASSERT_TRUE(ready_.contains(*next));
            for (const Instance ready : ready_) {
                if (are_rivals(ready, *next)) {
                    ASSERT_LE(turns_.passed(*next), turns_.passed(ready));
                }
            }
            running_.insert(*next);
            wanted_.erase(next->model);
            std::erase_if(ready_, [&](Instance one) { return one.model == next->model; });
            ++runs_;
            check_books();
        }
        // Nobody is left waiting who could run: the first in line is blocked by what is held.
        for (const Instance ready : ready_) {
            const bool is_first = std::ranges::none_of(ready_, [&](Instance other) {
                return other != ready && are_rivals(ready, other) &&
                       turns_.passed(other) <= turns_.passed(ready);
            });
            if (is_first && needs_of(ready).resources.empty()) {
                FAIL() << "who needs nothing waits";
            }
            if (is_first && running_.empty()) {
                FAIL() << "everything is free, and the first in line waits";
            }
        }
    }

    void check_books() {
        std::map<std::string, uint64_t> held;
        for (const Instance instance : running_) {
            const InstanceNeeds& needs = needs_of(instance);
            for (const ResourceNeed& need : needs.resources) {
                held[pool_of(needs, need)] += need.count;
            }
        }
        for (const ResourceTurns::Use& use : turns_.uses()) {
            const std::string pool =
                use.name + (use.device ? std::to_string(*use.device) : std::string());
            ASSERT_EQ(use.held, held[pool]) << pool;
            if (use.name == "A") {
                ASSERT_EQ(use.count, kGiven);
                ASSERT_LE(use.held, kGiven);
            }
        }
    }

    // No more work comes: all that is wanted is run, and nothing is held.
    void finish() {
        for (int i = 0; i < 10'000 && (!running_.empty() || !ready_.empty()); ++i) {
            end_a_run();
            note_ready();
            grant();
        }
        ASSERT_TRUE(running_.empty());
        ASSERT_TRUE(ready_.empty()) << "somebody waits for ever";
        for (const ResourceTurns::Use& use : turns_.uses()) {
            ASSERT_EQ(use.held, 0u);
        }
        while (!models_.empty()) {
            unload();
        }
        ASSERT_TRUE(turns_.uses().empty());
    }

    std::mt19937_64 random_;
    ResourceTurns turns_{{{"A", kGiven, std::nullopt}}};
    std::map<ResourceTurns::ModelId, std::vector<InstanceNeeds>> models_;
    std::set<ResourceTurns::ModelId> wanted_;
    std::set<Instance> ready_;
    std::set<Instance> running_;
    ResourceTurns::ModelId last_id_ = 0;
    size_t runs_ = 0;
};

TEST(RateLimiterSimulation, holds_for_every_seed) {
    size_t runs = 0;
    const auto [first, count] = seeds_to_run(10'000);
    for (uint64_t seed = first; seed < first + count; ++seed) {
        World world(seed);
        world.run();
        ASSERT_FALSE(HasFailure()) << "seed " << seed;
        runs += world.runs();
    }
    EXPECT_GT(runs, 10 * count) << "the simulation hardly did anything";
}

}  // namespace
}  // namespace tritonpy
