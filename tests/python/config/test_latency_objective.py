"""Goal: the parameter means what it says, or its config is refused.

Method: configs of each value and of models that cannot have it.
"""

from __future__ import annotations

import pytest

from tritonpy.config import Devices, lower, normalize, parse_config, validate

_DEVICES = Devices(gpus=(), gpu_support=False)
_MODEL = 'name: "m" backend: "b" max_batch_size: 4'
_SUBJECT = "parameter 'latency_objective_microseconds'"


def _parameter(value: str) -> str:
    key = "latency_objective_microseconds"
    return f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}'


def _beside(dynamic_batching: str) -> str:
    return f"{_parameter('20000')} dynamic_batching {{ {dynamic_batching} }}"


@pytest.mark.parametrize(
    ("text", "objective_us"),
    [
        ("", 0),
        (_parameter("20000"), 20_000),
        (_parameter("1"), 1),
        (_parameter(str(10**15)), 10**15),
        (_beside(""), 20_000),
        (_beside("default_queue_policy { max_queue_size: 7 }"), 20_000),
        (_beside("default_queue_policy { allow_timeout_override: true }"), 20_000),
    ],
)
def test_value_reaches_the_core(text: str, objective_us: int) -> None:
    config = normalize(parse_config(f"{_MODEL} {text}", "config.pbtxt"), _DEVICES)
    assert validate(config, _DEVICES) == []
    assert lower(config, 1, "", {}).latency_objective_us == objective_us


@pytest.mark.parametrize("value", ["", "0", "-1", "20ms", "1.5", "²", str(10**15 + 1)])
def test_value_that_is_no_time_is_refused(value: str) -> None:
    config = normalize(parse_config(f"{_MODEL} {_parameter(value)}", "config.pbtxt"), _DEVICES)
    assert validate(config, _DEVICES) == [
        f"{_SUBJECT} must be a number of microseconds in [1, {10**15}] for m, got '{value}'"
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            _parameter("20000") + "model_transaction_policy { decoupled: true }",
            "a decoupled model's last response may come at any time",
        ),
        (
            _parameter("20000") + "sequence_batching { }",
            "requests of a sequence run in their order",
        ),
        *(
            (_beside(text), f"it decides what 'dynamic_batching.{field}' would")
            for text, field in (
                ("preferred_batch_size: [ 2, 4 ]", "preferred_batch_size"),
                ("max_queue_delay_microseconds: 100", "max_queue_delay_microseconds"),
                ("preserve_ordering: true", "preserve_ordering"),
                ("priority_levels: 2 default_priority_level: 1", "priority_levels"),
                (
                    "default_queue_policy { default_timeout_microseconds: 9 }",
                    "default_queue_policy.default_timeout_microseconds",
                ),
            )
        ),
    ],
)
def test_config_that_cannot_have_it_is_refused(text: str, reason: str) -> None:
    config = normalize(parse_config(f"{_MODEL} {text}", "config.pbtxt"), _DEVICES)
    assert validate(config, _DEVICES) == [f"{_SUBJECT} is not possible for m: {reason}"]


def test_policy_of_a_level_is_refused() -> None:
    text = _beside("priority_queue_policy { key: 1 value { } }")
    config = normalize(parse_config(f"{_MODEL} {text}", "config.pbtxt"), _DEVICES)
    assert (
        f"{_SUBJECT} is not possible for m: it decides what "
        "'dynamic_batching.priority_queue_policy' would"
    ) in validate(config, _DEVICES)


def test_batches_too_large_to_know_each_size_are_refused() -> None:
    text = f'name: "m" backend: "b" max_batch_size: 4097 {_parameter("20000")}'
    config = normalize(parse_config(text, "config.pbtxt"), _DEVICES)
    assert validate(config, _DEVICES) == [
        f"{_SUBJECT} is not possible for m: 'max_batch_size' is larger than 4096"
    ]


def test_ensemble_is_refused() -> None:
    text = f'name: "e" platform: "ensemble" {_parameter("20000")}'
    config = normalize(parse_config(text, "config.pbtxt"), _DEVICES)
    assert (
        f"{_SUBJECT} is not possible for e: it is an ensemble, whose steps have the parameter"
    ) in validate(config, _DEVICES)
