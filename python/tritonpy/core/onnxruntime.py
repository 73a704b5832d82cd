"""Where the installed onnxruntime package keeps its shared library, and how it is to behave."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path


def onnxruntime_library_path() -> str:
    """Return the path of ONNX Runtime's library in its installed package, or "" without one."""
    spec = importlib.util.find_spec("onnxruntime")
    if spec is None or spec.origin is None:
        return ""
    capi = Path(spec.origin).parent / "capi"
    libraries = sorted(capi.glob("libonnxruntime.so*"))
    return str(libraries[0]) if libraries else ""


def turn_telemetry_off() -> None:
    """Let ONNX Runtime tell nobody what it runs, unless the environment says otherwise.

    From 1.32 on it writes what it does to a database in the user's cache directory and sends that
    away. To be called before it is loaded; Python models' processes inherit it.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
