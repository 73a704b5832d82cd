"""The platforms that Triton knows, their backends and their files.

`platform` is the old name of what a model is, `backend` the new one of what runs it; a config may
give either. Backends that are not listed here are free to pair with any platform.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ENSEMBLE: Final = "ensemble"


@dataclass(frozen=True, slots=True)
class Platform:
    """One kind of model: its names and the file, or directory, of it in a version directory."""

    platform: str  # "" for a backend that never had a platform
    backend: str
    filename: str


# In the order in which a version directory is searched.
PLATFORMS: Final = (
    Platform("tensorflow_savedmodel", "tensorflow", "model.savedmodel"),
    Platform("tensorflow_graphdef", "tensorflow", "model.graphdef"),
    Platform("tensorrt_plan", "tensorrt", "model.plan"),
    Platform("onnxruntime_onnx", "onnxruntime", "model.onnx"),
    Platform("", "openvino", "model.xml"),
    Platform("pytorch_libtorch", "pytorch", "model.pt"),
    Platform("torch_aoti", "pytorch", "model.pt2"),
    Platform("", "python", "model.py"),
)

_BACKEND_OF_PLATFORM: Final = {
    "libtorch": "pytorch",
    **{known.platform: known.backend for known in PLATFORMS if known.platform},
}
_KNOWN_BACKENDS: Final = frozenset(known.backend for known in PLATFORMS)


def backend_of_platform(platform: str) -> str | None:
    """Return the backend that runs models of a platform; None for a platform that is not known."""
    return _BACKEND_OF_PLATFORM.get(platform)


def is_known_backend(backend: str) -> bool:
    """Return whether Triton ships the backend, so that its platforms are known."""
    return backend in _KNOWN_BACKENDS


def default_filename(platform: str, backend: str) -> str:
    """Return the file that a model has where its config names none: `model.<backend>` at last."""
    for known in PLATFORMS:
        if known.backend == backend and platform in ("", known.platform):
            return known.filename
    return f"model.{backend}"
