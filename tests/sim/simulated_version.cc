#include "simulated_version.h"

#include <algorithm>
#include <utility>

#include "support/request_builder.h"
#include "support/scripted_model.h"

namespace tritonpy {

namespace {

// Priorities and timeouts of some models; sizes are the queue simulation's business.
QueuePolicies random_policies(Dice& dice) {
    QueuePolicies queue;
    queue.priority_levels = static_cast<uint64_t>(dice.roll(2, 4));
    queue.default_priority_level = static_cast<uint64_t>(dice.roll(1, 2));
    queue.default_policy.default_timeout_us = dice.one_in(3) ? 0 : dice.roll(1, 2000);
    queue.default_policy.allow_timeout_override = dice.one_in(2);
    if (dice.one_in(2)) {
        queue.policy_of_level[2].default_timeout_us = dice.roll(1, 2000);
        queue.policy_of_level[2].timeout_action = QueuePolicy::TimeoutAction::kDelay;
    }
    return queue;
}

BatcherConfig random_batcher(Dice& dice, int32_t max_batch_size) {
    BatcherConfig batcher;
    batcher.max_batch_size = std::max<int64_t>(1, max_batch_size);
    batcher.queue.default_policy.max_queue_size = static_cast<uint32_t>(dice.roll(1, 24));
    batcher.dynamic_batching = max_batch_size > 0 && !dice.one_in(4);
    if (!batcher.dynamic_batching) {
        return batcher;
    }
    for (int64_t size = 1; size <= batcher.max_batch_size; ++size) {
        if (dice.one_in(3)) {
            batcher.preferred_batch_sizes.push_back(size);
        }
    }
    if (batcher.preferred_batch_sizes.empty()) {
        batcher.preferred_batch_sizes = {batcher.max_batch_size};
    }
    batcher.max_queue_delay_us = dice.one_in(2) ? 0 : dice.roll(1, 1000);
    batcher.preserve_ordering = dice.one_in(2);
    batcher.delay_until_queued = dice.one_in(6) ? static_cast<size_t>(dice.roll(1, 4)) : 0;
    if (!batcher.preserve_ordering && batcher.delay_until_queued == 0 && dice.one_in(2)) {
        batcher.queue = random_policies(dice);
    }
    return batcher;
}

// Whether the requests of the batch are alike, but for what may be ragged, and that came flat.
void check_forms(const SimulatedVersion& version, const Batch& batch, const Violation& violation) {
    const bool is_ragged = version.config.executor.inputs[0].ragged;
    const InferenceRequest& first = *batch.requests.front();
    for (const auto& request : batch.requests) {
        const auto width = request->inputs[0].shape.dims().back();
        if (request->inputs.size() != first.inputs.size() ||
            (!is_ragged && width != first.inputs[0].shape.dims().back())) {
            violation("a batch has requests of different forms");
        }
    }
    if (is_ragged && batch.inputs[0].shape.rank() != 1) {
        violation("a ragged input came as " + batch.inputs[0].shape.to_string());
    }
}

// Whether every request got into the batch lawfully.
void check_batch(const SimulatedVersion& version, const Batch& batch, const Violation& violation) {
    int64_t rows = 0;
    for (const auto& request : batch.requests) {
        rows += request->rows;
    }
    if (rows != batch.rows) {
        violation("a batch says " + std::to_string(batch.rows) + " rows and has " +
                  std::to_string(rows));
    }
    if (batch.rows > std::max<int64_t>(1, version.config.executor.max_batch_size)) {
        violation("a batch has " + std::to_string(batch.rows) + " rows");
    }
    check_forms(version, batch, violation);
    if (!version.config.batcher.dynamic_batching && batch.requests.size() != 1) {
        violation("a model that does not batch got " + std::to_string(batch.requests.size()) +
                  " requests at once");
    }
}

void echo_both(const SimulatedVersion& version, Batch& batch) {
    bool strings_came = false;
    for (const Tensor& input : batch.inputs) {
        Tensor& output = batch.outputs.emplace_back(input);
        output.name = input.name == "INPUT0" ? "OUTPUT0" : "OUTPUT1";
        strings_came = strings_came || input.name == "INPUT1";
    }
    if (!strings_came) {
        int64_t rows = version.batches() ? batch.rows : 1;
        std::vector<std::string> none(static_cast<size_t>(rows));
        Shape shape = version.batches() ? Shape{rows, 1} : Shape{1};
        batch.outputs.push_back(make_string_tensor("OUTPUT1", shape, none));
    }
}

}  // namespace

ModelConfig random_config(Dice& dice, const std::string& name, int64_t version) {
    int32_t max_batch_size = static_cast<int32_t>(dice.one_in(5) ? 0 : dice.roll(1, 8));
    auto instances = static_cast<size_t>(dice.roll(1, 3));
    ModelConfig config = make_config(name, version, max_batch_size, instances);
    bool variable = dice.one_in(2);
    config.executor.inputs = {
        make_spec("INPUT0", DataType::kFp32, variable ? Shape{-1} : Shape{2}),
        make_spec("INPUT1", DataType::kBytes, {1})};
    config.executor.inputs[1].optional = dice.one_in(2);
    config.executor.outputs = {
        make_spec("OUTPUT0", DataType::kFp32, config.executor.inputs[0].dims),
        make_spec("OUTPUT1", DataType::kBytes, {1})};
    if (dice.one_in(2)) {
        config.executor.inputs[0].ragged = true;
        config.executor.outputs[0].scatter_source = "INPUT0";
    }
    if (dice.one_in(3)) {
        Shape reshape = variable ? Shape{1, -1} : Shape{2, 1};
        config.executor.inputs[0].reshape = reshape;
        config.executor.outputs[0].reshape = reshape;
    }
    config.batcher = random_batcher(dice, max_batch_size);
    return config;
}

Status run_simulated_batch(Dice& dice, SimulatedVersion& version, Batch& batch,
                           const BatchOutcome& outcome, const Violation& violation) {
    check_batch(version, batch, violation);
    echo_both(version, batch);
    Status status;
    Status answer;  // what the requests will hear
    if (dice.one_in(10)) {
        status = unavailable("the executor of " + version.name + " failed");
        answer = status;
    } else if (dice.one_in(20) && batch.wants_output("OUTPUT0")) {
        batch.outputs[0].name = "NOBODY'S";
        answer = internal_error("model '" + version.name +
                                "' did not produce the output 'OUTPUT0'");
    }
    for (const auto& request : batch.requests) {
        outcome(request->tag, answer);
    }
    if (answer.ok()) {
        ++version.batches_run[static_cast<uint64_t>(batch.rows)];
        version.rows_run += static_cast<uint64_t>(batch.rows);
    }
    return status;
}

}  // namespace tritonpy
