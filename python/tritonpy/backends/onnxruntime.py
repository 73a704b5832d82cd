"""The ONNX Runtime backend: the model file says what a config leaves out."""

from __future__ import annotations

from pathlib import Path

from tritonpy.backends.backend import Backend, CompletionContext
from tritonpy.config.stages import onnx_stage
from tritonpy.protos.model_config_pb2 import ModelConfig


def _complete(config: ModelConfig, file: Path, context: CompletionContext) -> ModelConfig:
    return onnx_stage(
        config,
        context.describe_onnx_model(str(file)),
        context.devices,
        auto_complete=context.auto_complete,
        default_max_batch_size=context.default_max_batch_size,
    )


ONNXRUNTIME = Backend("onnxruntime", needs_file=True, complete=_complete, has_batch_io=True)
