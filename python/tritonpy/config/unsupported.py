"""What a config may ask for and this server does not do yet."""

from __future__ import annotations

from collections.abc import Iterator

from tritonpy.protos.model_config_pb2 import (
    ModelConfig,
    ModelOptimizationPolicy,
)


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
    return [
        f"'{feature}' has no effect yet for model '{config.name}'"
        for feature in (
            *_model_features(config),
            *_optimization_features(config.optimization),
            *_instance_features(config),
        )
    ]


def _model_features(config: ModelConfig) -> Iterator[str]:
    # (A Python file is what runs the model.)
    if not config.runtime.endswith(".py") and config.runtime not in (
        "",
        f"libtriton_{config.backend}.so",
    ):
        yield "runtime"
    for field in (
        "cc_model_filenames",
        "model_repository_agents.agents",
        "model_operations.op_library_filename",
        "model_metrics.metric_control",
    ):
        value: object = config
        for part in field.split("."):
            value = getattr(value, part)
        if value:
            yield field


def _optimization_features(optimization: ModelOptimizationPolicy) -> Iterator[str]:
    if optimization.priority != ModelOptimizationPolicy.PRIORITY_DEFAULT:
        yield "optimization.priority"
    for field in ("cuda", "execution_accelerators"):
        if optimization.HasField(field):
            yield f"optimization.{field}"
    for field in ("gather_kernel_buffer_threshold", "eager_batching"):
        if getattr(optimization, field):
            yield f"optimization.{field}"


def _instance_features(config: ModelConfig) -> Iterator[str]:
    for field in ("secondary_devices", "profile"):
        if any(getattr(group, field) for group in config.instance_group):
            yield f"instance_group.{field}"
