"""Writing one graph as an ONNX file that every ONNX Runtime since 1.17 reads."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import helper

OPSET = 17
IR_VERSION = 8


def write(graph: onnx.GraphProto, path: Path) -> Path:
    """Check `graph`, write it to `path` and return `path`."""
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))
    return path
