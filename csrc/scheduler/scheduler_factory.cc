#include "scheduler/scheduler_factory.h"

#include "scheduler/dynamic_batcher.h"

namespace tritonpy {

std::unique_ptr<Scheduler> make_scheduler(const BatcherConfig& config, const Clock& clock) {
    return std::make_unique<DynamicBatcher>(config, clock);
}

}  // namespace tritonpy
