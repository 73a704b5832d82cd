// The one place that names every scheduler of the build.
#pragma once

#include <memory>

#include "base/clock.h"
#include "scheduler/batcher_config.h"
#include "scheduler/scheduler.h"

namespace tritonpy {

// The scheduler that `config` asks for. `clock` is borrowed and outlives it.
std::unique_ptr<Scheduler> make_scheduler(const BatcherConfig& config, const Clock& clock);

}  // namespace tritonpy
