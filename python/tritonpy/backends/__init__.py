"""The backends of this build by the name that a config gives them, and those that it may add."""

from pathlib import Path
from typing import Final

from tritonpy.backends.backend import Backend, CompletePythonModel, CompletionContext
from tritonpy.backends.identity import IDENTITY
from tritonpy.backends.onnxruntime import ONNXRUNTIME
from tritonpy.backends.python import PYTHON
from tritonpy.backends.python_based import find_python_based
from tritonpy.errors import InvalidArgError
from tritonpy.protos.model_config_pb2 import ModelConfig

BACKENDS: Final = {backend.name: backend for backend in (ONNXRUNTIME, IDENTITY, PYTHON)}


def find_backend(config: ModelConfig, directory: Path) -> Backend:
    """Return the backend of a config: one of this build, or a Python one in `directory`.

    One of this build stands for the library that Triton would load by default; a config that names
    another `runtime` gets that or nothing. Raises InvalidArgError where there is none,
    UnsupportedError for a shared library.
    """
    backend = BACKENDS.get(config.backend)
    if backend is None or config.runtime not in ("", f"libtriton_{config.backend}.so"):
        backend = find_python_based(config, directory)
    if backend is None:
        raise InvalidArgError(
            f"unable to find backend library for backend '{config.backend}', try specifying "
            "runtime on the model configuration."
        )
    return backend


__all__ = ["BACKENDS", "Backend", "CompletePythonModel", "CompletionContext", "find_backend"]
