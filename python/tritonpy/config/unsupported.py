"""What a config may ask for and this server does not do, and why; or not without GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tritonpy.config.model_metrics import unknown_families
from tritonpy.protos.model_config_pb2 import (
    ModelConfig,
    ModelOptimizationPolicy,
)

_ONNX: Final = "onnxruntime"
_BATCH_STRATEGY: Final = "TRITON_BATCH_STRATEGY_PATH"  # a library of Triton's custom batching


def unsupported_scheduler(config: ModelConfig) -> str | None:
    """Return why the model cannot be served at all; None where its scheduler exists."""
    if config.sequence_batching.state and config.backend != _ONNX:
        return (
            f"'sequence_batching.state' is not supported by backend '{config.backend}', model "
            f"'{config.name}' cannot be served"
        )
    return None


def unsupported_features(config: ModelConfig) -> list[str]:
    """Return one text for each setting that is read and checked, but has no effect."""
    without_effect = [
        f"'{feature}' has no effect for model '{config.name}': {reason}"
        for feature, reason in _features(config)
    ]
    return [*without_effect, *unknown_families(config)]


def gpu_features(config: ModelConfig) -> str | None:
    """Return the line that names all settings that mean something only where there are GPUs."""
    features = ", ".join(f"'{feature}'" for feature in _gpu_features(config))
    if not features:
        return None
    return f"settings of model '{config.name}' that concern only GPUs have no effect: {features}"


def _features(config: ModelConfig) -> Iterator[tuple[str, str]]:
    """Yield each setting, and why it changes nothing."""
    if config.model_operations.op_library_filename and config.backend != _ONNX:
        yield "model_operations.op_library_filename", f"only backend {_ONNX} loads such libraries"
    if _BATCH_STRATEGY in config.parameters:
        yield f"parameters.{_BATCH_STRATEGY}", "this server loads no libraries that form batches"
    optimization = config.optimization
    if optimization.execution_accelerators.cpu_execution_accelerator:
        reason = (
            "the installed onnxruntime has no OpenVINO provider, and its own for CPUs runs the "
            "model"
            if config.backend == _ONNX
            else f"only backend {_ONNX} has accelerators"
        )
        yield "optimization.execution_accelerators.cpu_execution_accelerator", reason
    if optimization.eager_batching:
        yield "optimization.eager_batching", "an instance forms its next batch when it is free"
    if any(state.use_same_buffer_for_input_output for state in config.sequence_batching.state):
        field = "sequence_batching.state.use_same_buffer_for_input_output"
        yield field, "a state is handed on as the output that it was, without a copy"
    if optimization.HasField("graph") and config.backend != _ONNX:
        yield "optimization.graph", f"only backend {_ONNX} optimises graphs"


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
    if any(state.use_growable_memory for state in config.sequence_batching.state):
        yield "sequence_batching.state.use_growable_memory"
    for field in ("input_pinned_memory", "output_pinned_memory"):
        if optimization.HasField(field) and not getattr(optimization, field).enable:
            yield f"optimization.{field}"
    for field in ("secondary_devices", "profile"):  # DLA cores, and profiles of TensorRT
        if any(getattr(group, field) for group in config.instance_group):
            yield f"instance_group.{field}"
