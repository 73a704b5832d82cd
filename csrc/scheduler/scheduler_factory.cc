#include "scheduler/scheduler_factory.h"

#include "scheduler/dynamic_batcher.h"
#include "scheduler/latency_batcher.h"
#include "scheduler/policy_batcher.h"
#include "scheduler/sequence_batcher.h"

namespace tritonpy {

std::unique_ptr<Scheduler> make_scheduler(const BatcherConfig& config, const Clock& clock) {
    if (config.latency_objective_us > 0) {
        return std::make_unique<LatencyBatcher>(config, clock);
    }
    if (config.queue.are_plain()) {
        return std::make_unique<DynamicBatcher>(config, clock);
    }
    return std::make_unique<PolicyBatcher>(config, clock);
}

std::unique_ptr<Scheduler> make_scheduler(const SequenceConfig& config, const Clock& clock,
                                          BlockPool& pool) {
    return std::make_unique<SequenceBatcher>(config, clock, pool);
}

}  // namespace tritonpy
