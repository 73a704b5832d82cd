// One model version as the simulation knows it: how it is configured, what it was given, what came
// of that, and an executor that echoes, fails or lies as the dice say.
//
// Threads: compatible; a simulation has one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "model/model.h"
#include "model/model_config.h"

namespace tritonpy {

// The one source of chance.
class Dice {
  public:
    explicit Dice(uint64_t seed) : engine_(seed) {}
    // Evenly from [low, high].
    int64_t roll(int64_t low, int64_t high) {
        uint64_t range = static_cast<uint64_t>(high - low) + 1;
        return low + static_cast<int64_t>(engine_() % range);
    }
    bool one_in(int64_t n) { return roll(1, n) == 1; }

  private:
    std::mt19937_64 engine_;
};

struct SimulatedVersion {
    std::string name;
    int64_t version = 0;
    ModelConfig config;
    Model* model = nullptr;  // null when it was freed

    // What must come of it.
    std::deque<uint64_t> unanswered;  // tags in the order in which they were taken
    uint64_t taken = 0;
    uint64_t succeeded = 0;
    uint64_t failed = 0;
    uint64_t cancelled = 0;
    uint64_t rejected = 0;   // refused
    uint64_t timed_out = 0;  // taken, and refused later
    uint64_t rows_run = 0;
    std::map<uint64_t, uint64_t> batches_run;  // by rows

    bool batches() const { return config.executor.max_batch_size > 0; }
};

// A configuration of any kind that the core serves: FP32 INPUT0 of variable width, perhaps ragged,
// and an optional BYTES INPUT1, echoed to OUTPUT0 and OUTPUT1.
ModelConfig random_config(Dice& dice, const std::string& name, int64_t version);

// What happened to each request of a batch, by tag: OK, or the status that it will be answered
// with.
using BatchOutcome = std::function<void(uint64_t tag, const Status& status)>;
// What the simulation did not expect.
using Violation = std::function<void(const std::string& text)>;

// Runs a batch of `version` as the dice say, after checking that it may be one.
Status run_simulated_batch(Dice& dice, SimulatedVersion& version, Batch& batch,
                           const BatchOutcome& outcome, const Violation& violation);

}  // namespace tritonpy
