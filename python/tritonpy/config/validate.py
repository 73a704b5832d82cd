"""Every rule that a config must keep, in Triton's order and words.

All problems are found, not only the first: a config with three mistakes is mended in one go. The
rules of a subject are in `validate_io`, `validate_scheduling`, `validate_ensemble` and
`instance_groups`; this module holds those of the model as a whole, and puts them in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tritonpy.config.instance_groups import Devices, instance_group_problems
from tritonpy.config.latency_objective import objective_problems
from tritonpy.config.memory_bytes import memory_problems
from tritonpy.config.model_metrics import metric_problems
from tritonpy.config.padding import padding_problems
from tritonpy.config.platforms import ENSEMBLE, backend_of_platform, is_known_backend
from tritonpy.config.split_large_requests import split_problems
from tritonpy.config.validate_ensemble import ensemble_problems
from tritonpy.config.validate_io import batch_io_problems, io_problems
from tritonpy.config.validate_scheduling import dynamic_problems, sequence_problems
from tritonpy.errors import InvalidArgError
from tritonpy.protos.model_config_pb2 import ModelConfig


def validate(config: ModelConfig, devices: Devices) -> list[str]:
    """Return what is wrong with a normalised config, Triton's first error first."""
    problems = [
        *_model_problems(config),
        *dynamic_problems(config),
        *sequence_problems(config),
        *ensemble_problems(config),
        *metric_problems(config),
        *split_problems(config),
        *objective_problems(config),
        *padding_problems(config),
        *memory_problems(config),
        *_cache_problems(config),
    ]
    if config.platform != ENSEMBLE:
        problems += instance_group_problems(config, devices)
    return [*problems, *io_problems(config), *batch_io_problems(config)]


def require_valid(config: ModelConfig, devices: Devices) -> None:
    """Raise InvalidArgError with every problem of a normalised config, one a line."""
    raise_problems(validate(config, devices))


def raise_problems(problems: Sequence[str]) -> None:
    """Raise one InvalidArgError of all `problems`, one a line; nothing where there are none."""
    if problems:
        raise InvalidArgError("\n".join(problems))


def _model_problems(config: ModelConfig) -> Iterator[str]:
    if not config.name:
        yield "model configuration must specify 'name'"
    yield from _platform_problems(config)
    if config.max_batch_size < 0:
        yield f"'max_batch_size' must be non-negative value for {config.name}"
    if config.version_policy.WhichOneof("policy_choice") is None:
        yield f"must specify 'version policy' for {config.name}"


def _platform_problems(config: ModelConfig) -> Iterator[str]:
    name, platform, backend = config.name, config.platform, config.backend
    if not platform and not backend:
        yield f"must specify 'platform' or 'backend' for {name}"
    elif platform == ENSEMBLE:
        if backend:
            yield (
                f"Ensemble model '{name}' must have platform type 'ensemble' and empty backend type"
            )
    elif not backend:
        yield f"unexpected platform type '{platform}' for {name}"
    elif platform:
        owner = backend_of_platform(platform)
        if owner != backend and (owner is not None or is_known_backend(backend)):
            yield f"unexpected 'platform' and 'backend' pair, got:{platform}, {backend}"


def _cache_problems(config: ModelConfig) -> Iterator[str]:
    if not config.response_cache.enable:
        return
    subject = f"Response Cache does not currently support model {config.name} with "
    if config.HasField("sequence_batching"):
        yield f"{subject}sequence batching scheduler. Please disable the response cache."
    if config.model_transaction_policy.decoupled:
        yield f"{subject}'decoupled' transaction policy. Please disable the response cache."
