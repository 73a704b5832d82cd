"""Fills in what a config may leave out, so that nobody after this has to know a default.

Normalising twice changes nothing more.
"""

from __future__ import annotations

from tritonpy.config.autocomplete import fill_backend
from tritonpy.config.instance_groups import Devices, fill_instance_groups
from tritonpy.config.platforms import ENSEMBLE
from tritonpy.config.provenance import Tell, tell_nobody
from tritonpy.protos.model_config_pb2 import (
    ModelConfig,
    ModelDynamicBatching,
    ModelSequenceBatching,
)

_SEQUENCE_IDLE_DEFAULT_US = 1_000_000


def normalize(config: ModelConfig, devices: Devices, tell: Tell = tell_nobody) -> ModelConfig:
    """Return a copy of `config` with every default filled in; `config` stays as it is."""
    filled = ModelConfig()
    filled.CopyFrom(config)
    fill_backend(filled, tell)
    if filled.version_policy.WhichOneof("policy_choice") is None:
        filled.version_policy.latest.num_versions = 1
        tell("version_policy", "default: the newest version serves")
    if filled.platform != ENSEMBLE:
        _fill_pinned_memory(filled, tell)
        fill_instance_groups(filled, devices, tell)
    _fill_scheduling(filled, tell)
    return filled


def _fill_pinned_memory(config: ModelConfig, tell: Tell) -> None:
    reason = "default: of use on GPUs"
    optimization = config.optimization
    if not optimization.HasField("input_pinned_memory"):
        optimization.input_pinned_memory.enable = True
        tell("optimization.input_pinned_memory", reason)
    if not optimization.HasField("output_pinned_memory"):
        optimization.output_pinned_memory.enable = True
        tell("optimization.output_pinned_memory", reason)


def _fill_scheduling(config: ModelConfig, tell: Tell) -> None:
    if config.HasField("dynamic_batching"):
        _fill_preferred_size(config, config.dynamic_batching, "dynamic_batching", tell)
    elif config.HasField("sequence_batching"):
        sequence = config.sequence_batching
        if sequence.max_sequence_idle_microseconds == 0:
            sequence.max_sequence_idle_microseconds = _SEQUENCE_IDLE_DEFAULT_US
            tell("sequence_batching.max_sequence_idle_microseconds", "default: one second")
        if sequence.HasField("oldest"):
            _fill_preferred_size(config, sequence.oldest, "sequence_batching.oldest", tell)


def _fill_preferred_size(
    config: ModelConfig,
    batching: ModelDynamicBatching | ModelSequenceBatching.StrategyOldest,
    path: str,
    tell: Tell,
) -> None:
    if config.max_batch_size > 0 and not batching.preferred_batch_size:
        batching.preferred_batch_size.append(config.max_batch_size)
        tell(f"{path}.preferred_batch_size", "default: max_batch_size")
