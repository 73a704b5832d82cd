"""Goal: no config is changed by writing and reading it, nor by normalising it twice.

Method: hypothesis draws any message at all for the two written forms, and valid configs for
normalisation and validation.
"""

from __future__ import annotations

import json

from hypothesis import example, given, settings

from tests.python.config.strategies import any_configs, valid_configs
from tritonpy.config import (
    Devices,
    ModelConfig,
    config_from_json,
    config_to_json,
    lower,
    normalize,
    parse_config,
    print_config,
    validate,
)

CPU_ONLY = Devices()

EXAMPLES = settings(max_examples=100)

# The numbers at the ends of their types, which are seldom drawn.
EXTREMES = ModelConfig()
_CONTROL = EXTREMES.sequence_batching.control_input.add().control.add()
_CONTROL.fp32_false_true.extend([3.4028234663852886e38, -3.4028234663852886e38, 1.4e-45, -0.0])
EXTREMES.model_metrics.metric_control.add().histogram_options.buckets.extend(
    [1.7976931348623157e308, 5e-324, float("inf"), float("-inf")]
)
EXTREMES.input.add().dims.extend([2**63 - 1, -(2**63)])
EXTREMES.sequence_batching.max_sequence_idle_microseconds = 2**64 - 1


@EXAMPLES
@example(EXTREMES)
@given(any_configs())
def test_printed_config_is_read_back_equal(config: ModelConfig) -> None:
    assert parse_config(print_config(config), "config.pbtxt") == config


@EXAMPLES
@example(EXTREMES)
@given(any_configs())
def test_json_of_config_is_read_back_equal(config: ModelConfig) -> None:
    assert config_from_json(json.dumps(config_to_json(config))) == config


@EXAMPLES
@given(any_configs())
def test_normalizing_twice_changes_nothing_and_leaves_argument_alone(config: ModelConfig) -> None:
    before = config.SerializeToString(deterministic=True)
    for devices in (CPU_ONLY, Devices(gpus=(0, 1), gpu_support=True)):
        once = normalize(config, devices)
        assert normalize(once, devices) == once
    assert config.SerializeToString(deterministic=True) == before


@EXAMPLES
@given(valid_configs())
def test_valid_config_has_no_problems(config: ModelConfig) -> None:
    assert validate(normalize(config, CPU_ONLY), CPU_ONLY) == []


@EXAMPLES
@given(any_configs())
def test_validation_answers_for_any_config(config: ModelConfig) -> None:
    # What is drawn is mostly nonsense; it must be told so, never crash the validator.
    problems = validate(normalize(config, CPU_ONLY), CPU_ONLY)
    assert all(problems)
    assert problems or config.name


@EXAMPLES
@given(valid_configs())
def test_lowered_config_has_every_tensor_and_instance(config: ModelConfig) -> None:
    ready = normalize(config, CPU_ONLY)
    core = lower(ready, 3, "model.onnx", {})
    assert [spec.name for spec in core.inputs] == [tensor.name for tensor in ready.input]
    assert [spec.name for spec in core.outputs] == [tensor.name for tensor in ready.output]
    assert len(core.instances) == sum(group.count for group in ready.instance_group)
    assert (core.dynamic_batching is not None) == ready.HasField("dynamic_batching")
