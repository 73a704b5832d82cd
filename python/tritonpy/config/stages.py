"""The two stages in which a config is made ready.

Core stage, before a backend is asked: name, backend and file from the directory, and defaults. What
rules that breaks is for the loader to say, since some stop a model and others only its versions.
Backend stage, with the signature that the backend read from the model file: batching, inputs and
outputs, defaults, every rule, and config against model.
"""

from __future__ import annotations

from pathlib import Path

from tritonpy.config.autocomplete import complete_from_files, fill_name, first_version_listing
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
    """Return `config` completed from the files of `model_dir` and normalised.

    Raises InvalidArgError for another model's name, and where nothing tells the backend.
    """
    require_directory_name(config, model_dir.name)
    if auto_complete:
        files = first_version_listing(model_dir)
        return normalize(complete_from_files(config, model_dir.name, files), devices)
    named = ModelConfig()
    named.CopyFrom(config)
    fill_name(named, model_dir.name)
    return normalize(named, devices)


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
