"""Strings to upper case, in the C locale because every machine has it."""

from __future__ import annotations

from pathlib import Path

from onnx import TensorProto, helper

from tools.sample_models import onnx_file


def make(version_dir: Path, cache: Path) -> list[Path]:
    """Build the graph."""
    del cache
    upper = helper.make_node(
        "StringNormalizer", ["INPUT"], ["OUTPUT"], case_change_action="UPPER", locale="C"
    )
    graph = helper.make_graph(
        [upper],
        "string_upper",
        [helper.make_tensor_value_info("INPUT", TensorProto.STRING, ["count"])],
        [helper.make_tensor_value_info("OUTPUT", TensorProto.STRING, ["count"])],
    )
    return [onnx_file.write(graph, version_dir / "model.onnx")]
