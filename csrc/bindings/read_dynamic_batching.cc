#include "bindings/read_dynamic_batching.h"

#include <algorithm>
#include <vector>

#include "bindings/python_attribute.h"

namespace py = pybind11;

namespace tritonpy {

namespace {

QueuePolicy read_policy(py::handle policy) {
    QueuePolicy read;
    read.max_queue_size = attribute<uint32_t>(policy, "max_queue_size");
    read.default_timeout_us = attribute<int64_t>(policy, "default_timeout_us");
    read.allow_timeout_override = attribute<bool>(policy, "allow_timeout_override");
    read.timeout_action = attribute<bool>(policy, "delays") ? QueuePolicy::TimeoutAction::kDelay
                                                            : QueuePolicy::TimeoutAction::kReject;
    return read;
}

QueuePolicies read_queue(py::handle batching) {
    QueuePolicies queue;
    queue.priority_levels = attribute<uint64_t>(batching, "priority_levels");
    queue.default_priority_level = attribute<uint64_t>(batching, "default_priority_level");
    queue.default_policy = read_policy(batching.attr("default_queue_policy"));
    for (auto [level, policy] : attribute<py::dict>(batching, "priority_queue_policy")) {
        queue.policy_of_level.emplace(level.cast<uint64_t>(), read_policy(policy));
    }
    return queue;
}

}  // namespace

BatcherConfig read_batcher(py::handle config) {
    BatcherConfig batcher;
    batcher.max_batch_size = std::max<int64_t>(1, attribute<int64_t>(config, "max_batch_size"));
    batcher.delay_until_queued = attribute<size_t>(config, "delay_until_queued");
    batcher.latency_objective_us = attribute<int64_t>(config, "latency_objective_us");
    py::object batching = config.attr("dynamic_batching");
    if (batching.is_none()) {
        return batcher;
    }
    batcher.dynamic_batching = attribute<int64_t>(config, "max_batch_size") > 0;
    batcher.preferred_batch_sizes =
        attribute<std::vector<int64_t>>(batching, "preferred_batch_sizes");
    std::sort(batcher.preferred_batch_sizes.begin(), batcher.preferred_batch_sizes.end());
    batcher.max_queue_delay_us = attribute<int64_t>(batching, "max_queue_delay_us");
    batcher.preserve_ordering = attribute<bool>(batching, "preserve_ordering");
    batcher.queue = read_queue(batching);
    return batcher;
}

}  // namespace tritonpy
