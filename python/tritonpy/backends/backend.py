"""What the control plane must know of a backend; the core knows how it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tritonpy.config.instance_groups import Devices
from tritonpy.config.onnx_signature import OnnxSignature
from tritonpy.protos.model_config_pb2 import ModelConfig


@dataclass(frozen=True, slots=True)
class CompletionContext:
    """What completing a config may need beside the config and the file."""

    describe_onnx_model: Callable[[str], OnnxSignature]  # blocks while the file is read
    devices: Devices
    auto_complete: bool
    default_max_batch_size: int


@dataclass(frozen=True, slots=True)
class Backend:
    """One backend: how a config that the core stage made is completed from the model's file.

    `complete` returns a config that is normalised and valid, and raises TritonError; it blocks.
    """

    name: str
    needs_file: bool
    complete: Callable[[ModelConfig, Path, CompletionContext], ModelConfig]
