"""The parameter `latency_objective_microseconds`, which is ours and not Triton's.

With

    parameters { key: "latency_objective_microseconds" value { string_value: "20000" } }

a request is answered within so long of being queued, or refused with UNAVAILABLE as soon as it is
clear that it cannot be. A request's own timeout shortens its time. Batches are formed by deadline
and as large as the deadlines allow, by what batches of each size were seen to take; nothing waits
for a batch to fill. So the settings that say when a batch runs, and in which order requests are
served, have no place beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tritonpy.config.lower_dynamic_batching import TIME_MAX_US
from tritonpy.config.own_parameters import impossible, own_parameter
from tritonpy.config.platforms import ENSEMBLE
from tritonpy.protos.model_config_pb2 import ModelConfig, ModelDynamicBatching

_PARAMETER: Final = "latency_objective_microseconds"
# The cost of each size is kept, and looked at with every batch.
_MAX_BATCH_SIZE: Final = 4096


def latency_objective_us(config: ModelConfig) -> int:
    """Return what a config asks for; 0 where it says nothing. REQUIRES: `config` is valid."""
    return int(own_parameter(config, _PARAMETER) or 0)


def objective_problems(config: ModelConfig) -> Iterator[str]:
    """Yield what is wrong with the parameter."""
    value = own_parameter(config, _PARAMETER)
    if value is None:
        return
    is_number = value.isascii() and value.isdigit()
    if not is_number or not 1 <= int(value) <= TIME_MAX_US:
        yield (
            f"parameter '{_PARAMETER}' must be a number of microseconds in [1, {TIME_MAX_US}] for "
            f"{config.name}, got '{value}'"
        )
    yield from impossible(config, _PARAMETER, _obstacles(config))


def _obstacles(config: ModelConfig) -> Iterator[str]:
    if config.platform == ENSEMBLE:
        yield "it is an ensemble, whose steps have the parameter"
    if config.model_transaction_policy.decoupled:
        yield "a decoupled model's last response may come at any time"
    if config.HasField("sequence_batching"):
        yield "requests of a sequence run in their order"
    if config.max_batch_size > _MAX_BATCH_SIZE:
        yield f"'max_batch_size' is larger than {_MAX_BATCH_SIZE}"
    for field in _contradictions(config.dynamic_batching, config.max_batch_size):
        yield f"it decides what 'dynamic_batching.{field}' would"


def _contradictions(dynamic: ModelDynamicBatching, max_batch_size: int) -> Iterator[str]:
    # (Normalisation adds the largest batch as a preferred size.)
    if any(size != max_batch_size for size in dynamic.preferred_batch_size):
        yield "preferred_batch_size"
    for field in ("max_queue_delay_microseconds", "preserve_ordering", "priority_levels"):
        if getattr(dynamic, field):
            yield field
    if dynamic.priority_queue_policy:
        yield "priority_queue_policy"
    if dynamic.default_queue_policy.default_timeout_microseconds:
        yield "default_queue_policy.default_timeout_microseconds"
