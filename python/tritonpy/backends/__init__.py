"""The backends of this build, by the name that a config gives them."""

from typing import Final

from tritonpy.backends.backend import Backend, CompletionContext
from tritonpy.backends.identity import IDENTITY
from tritonpy.backends.onnxruntime import ONNXRUNTIME

BACKENDS: Final = {backend.name: backend for backend in (ONNXRUNTIME, IDENTITY)}

__all__ = ["BACKENDS", "Backend", "CompletionContext"]
