"""Where the installed onnxruntime package keeps its shared library."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def onnxruntime_library_path() -> str:
    """Return the path of ONNX Runtime's library in its installed package, or "" without one."""
    spec = importlib.util.find_spec("onnxruntime")
    if spec is None or spec.origin is None:
        return ""
    capi = Path(spec.origin).parent / "capi"
    libraries = sorted(capi.glob("libonnxruntime.so*"))
    return str(libraries[0]) if libraries else ""
