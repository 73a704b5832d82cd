"""The two stages in which a config is made ready.

Core stage, before a backend is asked: name, backend and file from the directory, defaults, every
rule. Backend stage, with the signature that the backend read from the model file: batching, inputs
and outputs, defaults and rules again, and config against model.
"""

from __future__ import annotations

from pathlib import Path

from tritonpy.config.autocomplete import complete_from_files, first_version_listing
from tritonpy.config.instance_groups import Devices
from tritonpy.config.normalize import normalize
from tritonpy.config.onnx_signature import (
    DEFAULT_MAX_BATCH_SIZE,
    OnnxSignature,
    complete_from_signature,
    require_matching,
)
from tritonpy.config.provenance import Tell, tell_nobody
from tritonpy.config.validate import require_valid
from tritonpy.errors import InvalidArgError
from tritonpy.protos.model_config_pb2 import ModelConfig


def core_stage(
    config: ModelConfig, model_dir: Path, devices: Devices, *, auto_complete: bool = True
) -> ModelConfig:
    """Return `config` completed from the files of `model_dir`, normalised and valid.

    Raises InvalidArgError with every problem, one a line.
    """
    completed = config
    if auto_complete:
        files = first_version_listing(model_dir)
        completed = complete_from_files(config, model_dir.name, files)
    require_directory_name(completed, model_dir.name)
    completed = normalize(completed, devices)
    require_valid(completed, devices)
    return completed


def require_directory_name(config: ModelConfig, directory_name: str) -> None:
    """Raise InvalidArgError where the config names a model that its directory does not."""
    if config.name and config.name != directory_name:
        raise InvalidArgError(
            f"unexpected directory name '{directory_name}' for model '{config.name}', directory "
            "name must equal model name"
        )


def onnx_stage(
    config: ModelConfig,
    signature: OnnxSignature,
    devices: Devices,
    *,
    auto_complete: bool = True,
    default_max_batch_size: int = DEFAULT_MAX_BATCH_SIZE,
    tell: Tell = tell_nobody,
) -> ModelConfig:
    """Return a config from `core_stage` completed from its ONNX model, valid and fitting it.

    Raises InvalidArgError with every problem, one a line; UnsupportedError for a model with inputs
    or outputs that are not tensors.
    """
    completed = config
    if auto_complete:
        completed = complete_from_signature(config, signature, default_max_batch_size, tell)
    completed = normalize(completed, devices, tell)
    require_valid(completed, devices)
    require_matching(completed, signature)
    return completed
