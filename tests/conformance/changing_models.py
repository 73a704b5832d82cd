"""Models of three backends that a test writes anew, weights and config alike, while they serve."""

from __future__ import annotations

import itertools
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.conformance.clients import Client
from tests.conformance.model_files import checked_model, identity_config
from tests.conformance.python_models import IDENTITY_CONFIG

_SOURCE = """
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            return [
                pb_utils.InferenceResponse(
                    [pb_utils.Tensor("OUTPUT0", r.inputs()[0].as_numpy() + np.float32({weight}))]
                )
                for r in requests
            ]
"""
_BATCHING = "dynamic_batching {{ max_queue_delay_microseconds: {delay} }}"
_WEIGHTS = (1, 2)
_DATA = np.arange(4, dtype=np.float32).reshape(1, 4)


def _add_model(weight: int) -> onnx.ModelProto:
    shape: list[str | int | None] = ["batch", "n"]
    graph = helper.make_graph(
        [helper.make_node("Add", ["INPUT0", "WEIGHT"], ["OUTPUT0"])],
        "add",
        [helper.make_tensor_value_info("INPUT0", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("OUTPUT0", TensorProto.FLOAT, shape)],
        [helper.make_tensor("WEIGHT", TensorProto.FLOAT, [1], [weight])],
    )
    return checked_model(graph)


class ChangingModels:
    """`onnx`, `identity` and `python`: each adds its weight, but for the identity, to its input."""

    NAMES = ("onnx", "identity", "python")

    def __init__(self, repository: Path) -> None:
        """Write all of them for the first time."""
        self._repository = repository
        self._turns: dict[str, Iterator[int]] = {
            name: itertools.cycle(range(len(_WEIGHTS))) for name in self.NAMES
        }
        for name in self.NAMES:
            (repository / name / "1").mkdir(parents=True)
            self.change(name)

    def change(self, name: str) -> None:
        """Write the other weights and the other config of a model, each file at once."""
        turn = next(self._turns[name])
        directory = self._repository / name
        batching = _BATCHING.format(delay=turn)
        if name == "onnx":
            model = _add_model(_WEIGHTS[turn]).SerializeToString()
            _replace(directory / "1" / "model.onnx", model)
            _replace(directory / "config.pbtxt", f'backend: "onnxruntime" {batching}'.encode())
        elif name == "python":
            source = textwrap.dedent(_SOURCE).format(weight=_WEIGHTS[turn])
            _replace(directory / "1" / "model.py", source.encode())
            _replace(directory / "config.pbtxt", f"{IDENTITY_CONFIG} {batching}".encode())
        else:
            config = identity_config("FP32", extra=batching)
            _replace(directory / "config.pbtxt", config.encode())

    def ask_each(self, client: Client) -> None:
        """Ask every model once; raise where an answer is not one model's from first to last."""
        for name in self.NAMES:
            answer = client.infer(name, {"INPUT0": _DATA}).as_numpy("OUTPUT0")
            weights = (0,) if name == "identity" else _WEIGHTS
            assert _is_one_of(answer, [_DATA + weight for weight in weights]), f"{name}: {answer}"

    def weight_of(self, name: str, client: Client) -> int:
        """Ask which weight a model serves with."""
        answer: Any = client.infer(name, {"INPUT0": _DATA}).as_numpy("OUTPUT0")
        return int(answer[0, 0])


def _is_one_of(answer: Any, expected: list[Any]) -> bool:
    return any(np.array_equal(answer, each) for each in expected)


def _replace(file: Path, content: bytes) -> None:
    """Write a file so that nobody sees half of it."""
    written = file.with_suffix(".new")
    written.write_bytes(content)
    os.replace(written, file)
