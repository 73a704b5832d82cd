"""Two inputs, their sum and their difference."""

from __future__ import annotations

from pathlib import Path

from onnx import TensorProto, helper

from tools.sample_models import onnx_file

WIDTH = 16


def make(version_dir: Path, cache: Path) -> list[Path]:
    """Build the graph."""
    del cache
    shape: list[str | int | None] = ["batch", WIDTH]
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["INPUT0", "INPUT1"], ["OUTPUT0"]),
            helper.make_node("Sub", ["INPUT0", "INPUT1"], ["OUTPUT1"]),
        ],
        "add_sub",
        [helper.make_tensor_value_info(f"INPUT{i}", TensorProto.FLOAT, shape) for i in (0, 1)],
        [helper.make_tensor_value_info(f"OUTPUT{i}", TensorProto.FLOAT, shape) for i in (0, 1)],
    )
    return [onnx_file.write(graph, version_dir / "model.onnx")]
