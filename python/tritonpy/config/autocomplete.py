"""Completes a config from the files of its model: what runs it, and which file it is.

This needs no backend. What a backend then knows about the file itself completes inputs, outputs
and batching; for ONNX that is `onnx_signature`.
"""

from __future__ import annotations

import re
from collections.abc import Set
from pathlib import Path
from typing import Final

from tritonpy.config.platforms import (
    ENSEMBLE,
    PLATFORMS,
    Platform,
    backend_of_platform,
    default_filename,
    is_known_backend,
)
from tritonpy.config.provenance import Tell, tell_nobody
from tritonpy.errors import InvalidArgError
from tritonpy.protos.model_config_pb2 import ModelConfig

_VERSION: Final = re.compile(r"[1-9][0-9]*")


def first_version_listing(model_dir: Path) -> frozenset[str]:
    """Return the names in the first version directory of a model, by name.

    Triton looks no further than into the first sub-directory, whatever versions will be served; so
    does this where none is a version, but another one must not hide the versions. None where there
    is no sub-directory, or no `model_dir`: a config given at load time needs none.
    """
    if not model_dir.is_dir():
        return frozenset()
    folders = sorted(
        path for path in model_dir.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    versions = [path for path in folders if _VERSION.fullmatch(path.name)]
    first = next(iter(versions or folders), None)
    return frozenset() if first is None else frozenset(path.name for path in first.iterdir())


def complete_from_files(
    config: ModelConfig, directory_name: str, files: Set[str], tell: Tell = tell_nobody
) -> ModelConfig:
    """Return a copy of `config` with name, platform, backend and file name filled in.

    `files` are the names in one version directory. What the config gives is kept, and restricts
    what is looked for. Raises InvalidArgError where neither files nor name tell the backend.
    """
    completed = ModelConfig()
    completed.CopyFrom(config)
    fill_name(completed, directory_name, tell)
    if completed.platform == ENSEMBLE or completed.HasField("ensemble_scheduling"):
        return completed
    found = next((known for known in PLATFORMS if _matches(completed, known, files)), None)
    if found is not None:
        _complete_from_file(completed, found, tell)
    else:
        _complete_without_files(completed, tell)
    return completed


def fill_name(config: ModelConfig, directory_name: str, tell: Tell = tell_nobody) -> None:
    """Fill in the name of a config that has none."""
    if not config.name:
        config.name = directory_name
        tell("name", "inferred: the name of the directory")


def _matches(config: ModelConfig, known: Platform, files: Set[str]) -> bool:
    return (
        known.filename in files
        and config.platform in ("", known.platform)
        and config.backend in ("", known.backend)
    )


def _complete_from_file(config: ModelConfig, found: Platform, tell: Tell) -> None:
    reason = f"inferred: a version directory has '{found.filename}'"
    if found.platform and not config.platform:
        config.platform = found.platform
        tell("platform", reason)
    if not config.backend:
        config.backend = found.backend
        tell("backend", reason)
    _expect_file(config, found.filename, reason, tell)


def _expect_file(config: ModelConfig, filename: str, reason: str, tell: Tell) -> None:
    if filename and not config.default_model_filename:
        config.default_model_filename = filename
        tell("default_model_filename", reason)


def _complete_without_files(config: ModelConfig, tell: Tell) -> None:
    """Fill the backend from the platform or the model's name, and the file name to expect."""
    fill_backend(config, tell)
    if config.backend:
        if is_known_backend(config.backend):
            filename = default_filename(config.platform, config.backend)
            _expect_file(config, filename, f"default: of backend {config.backend}", tell)
        return
    if config.platform:
        return  # not known: validation names it
    _, _, backend = config.name.partition(".")
    if not backend:
        raise InvalidArgError(
            f"Invalid model name: Could not determine backend for model '{config.name}' with no "
            "backend in model configuration. Expected model name of the form "
            "'model.<backend_name>'."
        )
    config.backend = backend
    reason = "inferred: the model is called '<name>.<backend>'"
    tell("backend", reason)
    _expect_file(config, default_filename("", backend), reason, tell)


def fill_backend(config: ModelConfig, tell: Tell) -> None:
    """Fill in the backend of the platform, where the config gives only that."""
    if not config.backend:
        config.backend = backend_of_platform(config.platform) or ""
        if config.backend:
            tell("backend", f"inferred: it runs platform {config.platform}")


def artefact_path(config: ModelConfig, version_dir: Path) -> Path:
    """Return the file of one version that the backend loads; whether it exists is not checked.

    An ONNX model may be a directory (weights in files of their own) with the graph inside.
    """
    filename = config.default_model_filename or default_filename(config.platform, config.backend)
    path = version_dir / filename
    if config.backend == "onnxruntime" and path.is_dir():
        return path / "model.onnx"
    return path
