"""What a config may ask for and this server does not do: not yet, or not without GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tritonpy.protos.model_config_pb2 import (
    ModelConfig,
    ModelOptimizationPolicy,
)

# What `model_metrics` may set the buckets of, in Triton.
_CUSTOMIZABLE_FAMILY: Final = "nv_inference_first_response_histogram_ms"


def unsupported_scheduler(config: ModelConfig) -> str | None:
    """Return why the model cannot be served at all; None where its scheduler exists."""
    if config.sequence_batching.state and config.backend != "onnxruntime":
        return (
            f"'sequence_batching.state' is not supported by backend '{config.backend}', model "
            f"'{config.name}' cannot be served"
        )
    return None


def unsupported_features(config: ModelConfig) -> list[str]:
    """Return one text for each setting that is read and checked, but has no effect yet."""
    without_effect = [
        f"'{feature}' has no effect yet for model '{config.name}'"
        for feature in (*_model_features(config), *_optimization_features(config.optimization))
    ]
    return [*without_effect, *_unknown_families(config)]


def gpu_features(config: ModelConfig) -> str | None:
    """Return the line that names all settings that mean something only where there are GPUs."""
    features = ", ".join(f"'{feature}'" for feature in _gpu_features(config))
    if not features:
        return None
    return f"settings of model '{config.name}' that concern only GPUs have no effect: {features}"


def _model_features(config: ModelConfig) -> Iterator[str]:
    # (A Python file is what runs the model.)
    if not config.runtime.endswith(".py") and config.runtime not in (
        "",
        f"libtriton_{config.backend}.so",
    ):
        yield "runtime"
    for field in (
        "model_repository_agents.agents",
        "model_operations.op_library_filename",
    ):
        value: object = config
        for part in field.split("."):
            value = getattr(value, part)
        if value:
            yield field
    if _CUSTOMIZABLE_FAMILY in _metric_families(config):
        yield "model_metrics.metric_control"


def _metric_families(config: ModelConfig) -> list[str]:
    return [control.metric_identifier.family for control in config.model_metrics.metric_control]


def _unknown_families(config: ModelConfig) -> Iterator[str]:
    for family in _metric_families(config):
        if family != _CUSTOMIZABLE_FAMILY:
            yield (
                f"Metric family '{family}' in 'metric_identifier' is not a customizable metric in "
                "Triton core."
            )


def _gpu_features(config: ModelConfig) -> Iterator[str]:
    if config.cc_model_filenames:  # by compute capability; a CPU has default_model_filename
        yield "cc_model_filenames"
    optimization = config.optimization
    if optimization.priority != ModelOptimizationPolicy.PRIORITY_DEFAULT:  # of CUDA streams
        yield "optimization.priority"
    if optimization.HasField("cuda"):
        yield "optimization.cuda"
    if optimization.execution_accelerators.gpu_execution_accelerator:
        yield "optimization.execution_accelerators.gpu_execution_accelerator"
    if optimization.gather_kernel_buffer_threshold:
        yield "optimization.gather_kernel_buffer_threshold"
    for field in ("secondary_devices", "profile"):  # DLA cores, and profiles of TensorRT
        if any(getattr(group, field) for group in config.instance_group):
            yield f"instance_group.{field}"


def _optimization_features(optimization: ModelOptimizationPolicy) -> Iterator[str]:
    if optimization.execution_accelerators.cpu_execution_accelerator:
        yield "optimization.execution_accelerators.cpu_execution_accelerator"
    if optimization.eager_batching:
        yield "optimization.eager_batching"
