"""The parameter `split_large_requests`, which is ours and not Triton's.

Triton refuses a request with more rows than `max_batch_size`. With

    parameters { key: "split_large_requests" value { string_value: "true" } }

it is queued in parts of at most so many rows, which run like other requests, and answered as one;
the statistics count the parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tritonpy.config.own_parameters import impossible, own_parameter
from tritonpy.config.platforms import ENSEMBLE
from tritonpy.protos.model_config_pb2 import ModelConfig

_PARAMETER: Final = "split_large_requests"
_MEANINGS: Final = {"true": True, "false": False}


def splits_large_requests(config: ModelConfig) -> bool:
    """Return what a config asks for; False where it says nothing. REQUIRES: `config` is valid."""
    value = own_parameter(config, _PARAMETER)
    return value is not None and _MEANINGS[value]


def split_problems(config: ModelConfig) -> Iterator[str]:
    """Yield what is wrong with the parameter."""
    value = own_parameter(config, _PARAMETER)
    if value is None:
        return
    if value not in _MEANINGS:
        yield f"parameter '{_PARAMETER}' must be 'true' or 'false' for {config.name}, got '{value}'"
    elif _MEANINGS[value]:
        yield from impossible(config, _PARAMETER, _obstacles(config))


def _obstacles(config: ModelConfig) -> Iterator[str]:
    if config.platform == ENSEMBLE:
        yield "it is an ensemble, whose steps have the parameter"
    if config.model_transaction_policy.decoupled:
        yield "responses of a decoupled model cannot be joined"
    if config.HasField("sequence_batching"):
        yield "requests of a sequence have one row"
