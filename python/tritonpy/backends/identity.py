"""The identity backend: sends inputs back as outputs. Its models need no file."""

from __future__ import annotations

from pathlib import Path

from tritonpy.backends.backend import Backend, CompletionContext
from tritonpy.config.normalize import normalize
from tritonpy.config.validate import require_valid
from tritonpy.protos.model_config_pb2 import ModelConfig


def _complete(config: ModelConfig, _file: Path, context: CompletionContext) -> ModelConfig:
    completed = normalize(config, context.devices, context.tell)
    require_valid(completed, context.devices)
    return completed


IDENTITY = Backend("identity", needs_file=False, complete=_complete)
