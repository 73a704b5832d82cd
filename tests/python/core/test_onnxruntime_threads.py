"""Goal: ONNX models run where somebody else in the process was the first to use ONNX Runtime.

Then its environment has no threads that models could share. Method: a process of its own, for the
environment is one per process.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from onnx import TensorProto, checker, helper, save

_PROGRAM = """
import asyncio, sys
import onnxruntime
import numpy as np
from tritonpy.config.model_config import CoreModelConfig, InstanceSpec, TensorSpec
from tritonpy.core import Core, InferRequest, Log, onnxruntime_library_path

async def main():
    core = Core(Log(), onnxruntime_library_path())
    config = CoreModelConfig(
        name="twice", version=1, backend="onnxruntime", model_path=sys.argv[1], max_batch_size=8,
        inputs=(TensorSpec("X", "FP32", (2,)),), outputs=(TensorSpec("Y", "FP32", (2,)),),
        instances=(InstanceSpec("twice_0", "KIND_CPU", 0, passive=False, host_policy="cpu"),),
        dynamic_batching=None, parameters={}, graph_level=None, decoupled=False,
    )
    core.publish("twice", [core.build_model(config)], [])
    inference = core.inference()
    answer = await inference.infer(InferRequest("twice", {"X": np.ones((1, 2), np.float32)}))
    print(answer.outputs["Y"].tolist())
    inference.close()

asyncio.run(main())
"""


def _save_twice(path: Path) -> None:
    shape: list[str | int | None] = ["N", 2]
    graph = helper.make_graph(
        [helper.make_node("Add", ["X", "X"], ["Y"])],
        "twice",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    checker.check_model(model)
    save(model, path)


def test_model_gets_threads_of_its_own_where_the_process_has_none_to_share(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    _save_twice(model)
    command = [sys.executable, "-c", _PROGRAM, str(model)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ran.stdout == "[[2.0, 2.0]]\n", ran.stderr
