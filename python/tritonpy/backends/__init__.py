"""The backends of this build, by the name that a config gives them."""

from typing import Final

from tritonpy.backends.backend import Backend, CompletePythonModel, CompletionContext
from tritonpy.backends.identity import IDENTITY
from tritonpy.backends.onnxruntime import ONNXRUNTIME
from tritonpy.backends.python import PYTHON

BACKENDS: Final = {backend.name: backend for backend in (ONNXRUNTIME, IDENTITY, PYTHON)}

__all__ = ["BACKENDS", "Backend", "CompletePythonModel", "CompletionContext"]
