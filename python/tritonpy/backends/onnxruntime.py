"""The ONNX Runtime backend: the model file says what a config leaves out."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tritonpy.backends.backend import Backend, CompletionContext
from tritonpy.config.stages import onnx_stage
from tritonpy.errors import InvalidArgError
from tritonpy.protos.model_config_pb2 import ModelConfig

# Known to Triton's backend; here its models run on the CPU without it, with the same results.
_CPU_ACCELERATOR: Final = "openvino"


def _complete(config: ModelConfig, file: Path, context: CompletionContext) -> ModelConfig:
    for accelerator in config.optimization.execution_accelerators.cpu_execution_accelerator:
        if accelerator.name != _CPU_ACCELERATOR:
            raise InvalidArgError(
                f"unknown Execution Accelerator '{accelerator.name}' is requested"
            )
    return onnx_stage(
        config,
        context.describe_onnx_model(str(file), config.model_operations.op_library_filename),
        context.devices,
        auto_complete=context.auto_complete,
        default_max_batch_size=context.default_max_batch_size,
        tell=context.tell,
    )


ONNXRUNTIME = Backend("onnxruntime", needs_file=True, complete=_complete, has_batch_io=True)
