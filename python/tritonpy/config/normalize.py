"""Fills in what a config may leave out, so that nobody after this has to know a default.

Normalising twice changes nothing more.
"""

from __future__ import annotations

from tritonpy.config.instance_groups import Devices, fill_instance_groups
from tritonpy.config.platforms import ENSEMBLE, backend_of_platform
from tritonpy.protos.model_config_pb2 import ModelConfig

_SEQUENCE_IDLE_DEFAULT_US = 1_000_000


def normalize(config: ModelConfig, devices: Devices) -> ModelConfig:
    """Return a copy of `config` with every default filled in; `config` stays as it is."""
    filled = ModelConfig()
    filled.CopyFrom(config)
    if not filled.backend:
        filled.backend = backend_of_platform(filled.platform) or ""
    if filled.version_policy.WhichOneof("policy_choice") is None:
        filled.version_policy.latest.num_versions = 1
    if filled.platform != ENSEMBLE:
        _fill_pinned_memory(filled)
        fill_instance_groups(filled, devices)
    _fill_scheduling(filled)
    return filled


def _fill_pinned_memory(config: ModelConfig) -> None:
    optimization = config.optimization
    if not optimization.HasField("input_pinned_memory"):
        optimization.input_pinned_memory.enable = True
    if not optimization.HasField("output_pinned_memory"):
        optimization.output_pinned_memory.enable = True


def _fill_scheduling(config: ModelConfig) -> None:
    whole_batch = [config.max_batch_size] if config.max_batch_size > 0 else []
    if config.HasField("dynamic_batching"):
        dynamic = config.dynamic_batching
        if not dynamic.preferred_batch_size:
            dynamic.preferred_batch_size.extend(whole_batch)
    elif config.HasField("sequence_batching"):
        sequence = config.sequence_batching
        if sequence.max_sequence_idle_microseconds == 0:
            sequence.max_sequence_idle_microseconds = _SEQUENCE_IDLE_DEFAULT_US
        if sequence.HasField("oldest") and not sequence.oldest.preferred_batch_size:
            sequence.oldest.preferred_batch_size.extend(whole_batch)
