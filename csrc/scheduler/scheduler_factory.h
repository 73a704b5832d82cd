// The one place that names every scheduler of the build.
#pragma once

#include <memory>

#include "base/clock.h"
#include "memory/block_pool.h"
#include "scheduler/batcher_config.h"
#include "scheduler/scheduler.h"
#include "scheduler/sequence_config.h"

namespace tritonpy {

// The scheduler that `config` asks for. `clock` is borrowed and outlives it.
std::unique_ptr<Scheduler> make_scheduler(const BatcherConfig& config, const Clock& clock);

// The same for sequences; control tensors come from `pool`, which is borrowed and outlives it.
std::unique_ptr<Scheduler> make_scheduler(const SequenceConfig& config, const Clock& clock,
                                          BlockPool& pool);

}  // namespace tritonpy
