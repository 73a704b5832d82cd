"""The parameter `memory_bytes`, which is ours and not Triton's.

With

    parameters { key: "memory_bytes" value { string_value: "3000000000" } }

a version of the model counts as so many bytes of the memory budget. Without it the sizes of its
files count, which is wrong for a model that unpacks them or downloads others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tritonpy.config.own_parameters import own_parameter
from tritonpy.protos.model_config_pb2 import ModelConfig

_PARAMETER: Final = "memory_bytes"


def memory_bytes(config: ModelConfig) -> int | None:
    """Return what a config says; None where it says nothing. REQUIRES: `config` is valid."""
    text = own_parameter(config, _PARAMETER)
    return None if text is None else int(text)


def memory_problems(config: ModelConfig) -> Iterator[str]:
    """Yield what is wrong with the parameter."""
    value = own_parameter(config, _PARAMETER)
    if value is not None and not (value.isascii() and value.isdigit()):
        yield (
            f"parameter '{_PARAMETER}' must be a number of bytes for {config.name}, got '{value}'"
        )
