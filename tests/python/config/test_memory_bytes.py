"""Goal: the parameter means what it says, or its config is refused.

Method: configs of each value.
"""

from __future__ import annotations

import pytest

from tritonpy.config import Devices, normalize, parse_config, validate
from tritonpy.config.memory_bytes import memory_bytes

_DEVICES = Devices(gpus=(), gpu_support=False)
_MODEL = 'name: "m" backend: "b"'


def _parameter(value: str) -> str:
    return f'parameters {{ key: "memory_bytes" value {{ string_value: "{value}" }} }}'


@pytest.mark.parametrize(
    ("text", "size"), [("", None), (_parameter("0"), 0), (_parameter("3000000000"), 3_000_000_000)]
)
def test_value_is_a_number_or_nothing(text: str, size: int | None) -> None:
    config = normalize(parse_config(f"{_MODEL} {text}", "config.pbtxt"), _DEVICES)
    assert validate(config, _DEVICES) == []
    assert memory_bytes(config) == size


@pytest.mark.parametrize("value", ["", "-1", "1.5", "3 GB", "٣"])
def test_anything_else_is_refused(value: str) -> None:
    config = normalize(parse_config(f"{_MODEL} {_parameter(value)}", "config.pbtxt"), _DEVICES)
    assert validate(config, _DEVICES) == [
        f"parameter 'memory_bytes' must be a number of bytes for m, got '{value}'"
    ]
