"""Goal: the parameter means what it says, or its config is refused.

Method: configs of each value and of models that cannot have it.
"""

from __future__ import annotations

import pytest

from tritonpy.config import Devices, lower, normalize, parse_config, validate

_DEVICES = Devices(gpus=(), gpu_support=False)
_MODEL = 'name: "m" backend: "b" max_batch_size: 4'


def _parameter(value: str) -> str:
    return f'parameters {{ key: "split_large_requests" value {{ string_value: "{value}" }} }}'


@pytest.mark.parametrize(
    ("text", "splits"), [("", False), (_parameter("true"), True), (_parameter("false"), False)]
)
def test_value_reaches_the_core(text: str, splits: bool) -> None:
    config = normalize(parse_config(f"{_MODEL} {text}", "config.pbtxt"), _DEVICES)
    assert validate(config, _DEVICES) == []
    assert lower(config, 1, "", {}).split_large_requests is splits


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            _parameter("yes"),
            "parameter 'split_large_requests' must be 'true' or 'false' for m, got 'yes'",
        ),
        (
            _parameter("true") + "model_transaction_policy { decoupled: true }",
            "parameter 'split_large_requests' is not possible for m: responses of a decoupled "
            "model cannot be joined",
        ),
        (
            _parameter("true") + "sequence_batching { }",
            "parameter 'split_large_requests' is not possible for m: requests of a sequence have "
            "one row",
        ),
    ],
)
def test_config_that_cannot_have_it_is_refused(text: str, problem: str) -> None:
    config = normalize(parse_config(f"{_MODEL} {text}", "config.pbtxt"), _DEVICES)
    assert validate(config, _DEVICES) == [problem]


def test_model_that_cannot_have_it_may_say_so() -> None:
    text = _parameter("false") + "model_transaction_policy { decoupled: true }"
    config = normalize(parse_config(f"{_MODEL} {text}", "config.pbtxt"), _DEVICES)
    assert validate(config, _DEVICES) == []


def test_ensemble_is_refused() -> None:
    text = f'name: "e" platform: "ensemble" {_parameter("true")}'
    config = normalize(parse_config(text, "config.pbtxt"), _DEVICES)
    assert (
        "parameter 'split_large_requests' is not possible for e: it is an ensemble, whose steps "
        "have the parameter"
    ) in validate(config, _DEVICES)
