"""Completes a config from the files of its model: what runs it, and which file it is.

This needs no backend. What a backend then knows about the file itself completes inputs, outputs
and batching; for ONNX that is `onnx_signature`.
"""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from tritonpy.config.platforms import (
    ENSEMBLE,
    PLATFORMS,
    Platform,
    backend_of_platform,
    default_filename,
    is_known_backend,
)
from tritonpy.errors import InvalidArgError
from tritonpy.protos.model_config_pb2 import ModelConfig


def first_version_listing(model_dir: Path) -> frozenset[str]:
    """Return the names in the first sub-directory of a model's, by name; none where there is none.

    Triton looks no further than into that one, whatever versions will be served. The directory
    itself may be missing: a config given at load time needs none.
    """
    if not model_dir.is_dir():
        return frozenset()
    folders = sorted(
        path for path in model_dir.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    return frozenset(path.name for path in folders[0].iterdir()) if folders else frozenset()


def complete_from_files(config: ModelConfig, directory_name: str, files: Set[str]) -> ModelConfig:
    """Return a copy of `config` with name, platform, backend and file name filled in.

    `files` are the names in one version directory. What the config gives is kept, and restricts
    what is looked for. Raises InvalidArgError where neither files nor name tell the backend.
    """
    completed = ModelConfig()
    completed.CopyFrom(config)
    if not completed.name:
        completed.name = directory_name
    if completed.platform == ENSEMBLE or completed.HasField("ensemble_scheduling"):
        return completed
    found = next((known for known in PLATFORMS if _matches(completed, known, files)), None)
    if found is not None:
        completed.platform = completed.platform or found.platform
        completed.backend = completed.backend or found.backend
        filename = found.filename
    else:
        filename = _complete_without_files(completed)
    if not completed.default_model_filename:
        completed.default_model_filename = filename
    return completed


def _matches(config: ModelConfig, known: Platform, files: Set[str]) -> bool:
    return (
        known.filename in files
        and config.platform in ("", known.platform)
        and config.backend in ("", known.backend)
    )


def _complete_without_files(config: ModelConfig) -> str:
    """Fill the backend from the platform or the model's name; return the file name to expect."""
    config.backend = config.backend or backend_of_platform(config.platform) or ""
    if config.backend:
        known = is_known_backend(config.backend)
        return default_filename(config.platform, config.backend) if known else ""
    if config.platform:
        return ""  # not known: validation names it
    _, _, backend = config.name.partition(".")
    if not backend:
        raise InvalidArgError(
            f"Invalid model name: Could not determine backend for model '{config.name}' with no "
            "backend in model configuration. Expected model name of the form "
            "'model.<backend_name>'."
        )
    config.backend = backend
    return default_filename("", backend)


def artefact_path(config: ModelConfig, version_dir: Path) -> Path:
    """Return the file of one version that the backend loads; whether it exists is not checked.

    An ONNX model may be a directory (weights in files of their own) with the graph inside.
    """
    filename = config.default_model_filename or default_filename(config.platform, config.backend)
    path = version_dir / filename
    if config.backend == "onnxruntime" and path.is_dir():
        return path / "model.onnx"
    return path
