"""Instance groups: how many instances of a model run, and on what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tritonpy.config.provenance import Tell
from tritonpy.protos.model_config_pb2 import ModelConfig, ModelInstanceGroup

# Two instances let one batch be gathered and scattered while the other computes.
_CPU_COUNT_OF_BACKEND: Final = {"onnxruntime": 2, "tensorflow": 2}

# Each instance is a thread with buffers of its own, whether or not its backend lets instances share
# the loaded model (ONNX Runtime: one session a version): more than this is a slip of the pen.
INSTANCE_COUNT_MAX: Final = 1024


@dataclass(frozen=True, slots=True)
class Devices:
    """The GPUs of this machine that a model may use."""

    gpus: tuple[int, ...] = ()
    gpu_support: bool = False  # whether this build can use a GPU at all
    min_compute_capability: str = "6.0"


def fill_instance_groups(config: ModelConfig, devices: Devices, tell: Tell) -> None:
    """Complete every group of `config` in place; one group named as the model where none is."""
    if not config.instance_group:
        config.instance_group.add(name=config.name)
        tell("instance_group[0].name", "default: the model's, for its only group")
    for index, group in enumerate(config.instance_group):
        _fill_group(config, group, index, devices, tell)


def _fill_group(
    config: ModelConfig, group: ModelInstanceGroup, index: int, devices: Devices, tell: Tell
) -> None:
    path = f"instance_group[{index}]"
    if not group.name:
        group.name = f"{config.name}_{index}"
        tell(f"{path}.name", "default: the model's, and the number of the group")
    if group.kind == ModelInstanceGroup.KIND_AUTO:
        usable = bool(devices.gpus) and set(group.gpus) <= set(devices.gpus)
        group.kind = ModelInstanceGroup.KIND_GPU if usable else ModelInstanceGroup.KIND_CPU
        tell(f"{path}.kind", "default: " + ("the GPUs" if usable else "the CPU, without a GPU"))
    if group.count < 1:
        on_cpu = group.kind == ModelInstanceGroup.KIND_CPU
        group.count = _CPU_COUNT_OF_BACKEND.get(config.backend, 1) if on_cpu else 1
        kind = ModelInstanceGroup.Kind.Name(group.kind)
        tell(f"{path}.count", f"default: of backend {config.backend} on {kind}")
    if group.kind == ModelInstanceGroup.KIND_GPU and not group.gpus:
        group.gpus.extend(devices.gpus)
        if devices.gpus:
            tell(f"{path}.gpus", "default: all of this machine")


def instance_group_problems(config: ModelConfig, devices: Devices) -> Iterator[str]:
    """Yield what is wrong with the groups of a normalised config that is not an ensemble."""
    if not config.instance_group:
        yield f"must specify one or more 'instance group's for {config.name}"
    for group in config.instance_group:
        subject = f"instance group {group.name} of model {config.name} has kind "
        if group.kind == ModelInstanceGroup.KIND_GPU:
            for problem in _gpu_problems(group, devices):
                yield f"{subject}KIND_GPU but {problem}"
        elif group.gpus:
            kind = ModelInstanceGroup.Kind.Name(group.kind)
            yield f"{subject}{kind} but specifies one or more GPUs"
        if group.count > INSTANCE_COUNT_MAX:
            yield (
                f"instance group {group.name} of model {config.name} specifies count "
                f"{group.count}, at most {INSTANCE_COUNT_MAX} instances are allowed"
            )


def _gpu_problems(group: ModelInstanceGroup, devices: Devices) -> Iterator[str]:
    if not devices.gpu_support:
        yield "server does not support GPUs"
        return
    if not group.gpus:
        yield "specifies no GPUs" if devices.gpus else "no GPUs are available"
    for gpu in group.gpus:
        if gpu not in devices.gpus:
            usable = ", ".join(str(known) for known in devices.gpus)
            yield (
                f"specifies invalid or unsupported gpu id {gpu}. GPUs with at least the minimum "
                f"required CUDA compute compatibility of {devices.min_compute_capability} are: "
                f"{usable}"
            )
