"""Models of sequences for tests: they add up, tell their controls, or run again and again."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from tests.conformance.model_files import write_config
from tests.conformance.python_models import write_python_model

_SUM_CONFIG = """
    backend: "onnxruntime"
    max_batch_size: %d
    input [ { name: "INPUT" data_type: TYPE_FP32 dims: [ 1 ] } ]
    output [ { name: "SUM" data_type: TYPE_FP32 dims: [ 1 ] } %s ]
    sequence_batching {
      %s
      state [ { input_name: "STATE_IN" output_name: "STATE_OUT" data_type: TYPE_FP32 dims: [ -1 ]
                %s } ]
    }
    instance_group [ { count: %d kind: KIND_CPU } ]
"""
DIRECT = "direct { }"
OLDEST = "oldest { max_candidate_sequences: 8 }"
STATE_OUTPUT = ', { name: "STATE_OUT" data_type: TYPE_FP32 dims: [ 1 ] }'


def write_sum_model(
    repository: Path,
    name: str,
    strategy: str,
    *,
    batch: int = 4,
    outputs: str = "",
    initial: str = "",
    instances: int = 1,
) -> Path:
    """Write SUM = STATE_OUT = INPUT + STATE_IN through ONNX Runtime; return its directory."""
    config = _SUM_CONFIG % (batch, outputs, strategy, initial, instances)
    directory = write_config(repository, name, config)
    shape: list[str | int | None] = ["batch", 1] if batch else [1]
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["INPUT", "STATE_IN"], ["SUM"]),
            helper.make_node("Add", ["STATE_IN", "INPUT"], ["STATE_OUT"]),
        ],
        "sum",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("INPUT", "STATE_IN")],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("SUM", "STATE_OUT")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, directory / "1" / "model.onnx")
    return directory


_HISTORY_CONFIG = """
    backend: "onnxruntime"
    max_batch_size: 4
    input [ { name: "INPUT" data_type: TYPE_FP32 dims: [ 1 ] } ]
    output [ { name: "HISTORY" data_type: TYPE_FP32 dims: [ -1 ] } ]
    sequence_batching {
      max_sequence_idle_microseconds: 60000000
      state [ { input_name: "PAST" output_name: "HISTORY" data_type: TYPE_FP32 dims: [ -1 ]
                use_same_buffer_for_input_output: true use_growable_memory: true } ]
    }
    instance_group [ { count: 1 kind: KIND_CPU } ]
"""


def write_history_model(repository: Path, name: str) -> None:
    """Write a model whose state is all that its sequence brought, and grows with each request."""
    directory = write_config(repository, name, _HISTORY_CONFIG)

    def info(tensor: str, columns: str | int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(tensor, TensorProto.FLOAT, ["batch", columns])

    graph = helper.make_graph(
        [helper.make_node("Concat", ["PAST", "INPUT"], ["HISTORY"], axis=1)],
        "history",
        [info("INPUT", 1), info("PAST", "past")],
        [info("HISTORY", "now")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, directory / "1" / "model.onnx")


_CONTROLS_CONFIG = """
    backend: "python"
    max_batch_size: 4
    input [ { name: "INPUT" data_type: TYPE_INT32 dims: [ 1 ] } ]
    output [ { name: "TOLD" data_type: TYPE_STRING dims: [ 1 ] } ]
    sequence_batching {
      max_sequence_idle_microseconds: 60000000
      direct { }
      control_input [
        { name: "START" control [
            { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } ] },
        { name: "END" control [ { kind: CONTROL_SEQUENCE_END bool_false_true: [ false, true ] } ] },
        { name: "READY" control [ { kind: CONTROL_SEQUENCE_READY fp32_false_true: [ 0, 1 ] } ] },
        { name: "CORRID" control [ { kind: CONTROL_SEQUENCE_CORRID data_type: %s } ] }
      ]
    }
"""
_CONTROLS = """
    import numpy as np
    import triton_python_backend_utils as pb_utils

    def told(request):
        values = [
            pb_utils.get_input_tensor_by_name(request, name).as_numpy()
            for name in ("START", "END", "READY", "CORRID")
        ]
        assert all(value.shape == (1, 1) for value in values)
        start, end, ready, corrid = (value[0, 0] for value in values)
        corrid = corrid.decode() if isinstance(corrid, bytes) else corrid
        text = f"{int(start)} {int(end)} {int(ready)} {corrid} {request.correlation_id()}"
        return np.array([[text.encode()]], np.object_)

    class TritonPythonModel:
        def execute(self, requests):
            return [
                pb_utils.InferenceResponse([pb_utils.Tensor("TOLD", told(request))])
                for request in requests
            ]
"""


def write_controls_model(repository: Path, name: str, corrid_type: str) -> None:
    """Write a Python model that answers with the controls of its request."""
    write_python_model(repository, name, _CONTROLS, _CONTROLS_CONFIG % corrid_type)


_COUNTDOWN_CONFIG = """
    backend: "python"
    max_batch_size: 4
    model_transaction_policy { decoupled: %s }
    input [ { name: "FROM" data_type: TYPE_INT32 dims: [ 1 ] } ]
    output [ { name: "LEFT" data_type: TYPE_INT32 dims: [ 1 ] } ]
    %s
"""
ITERATIVE = "sequence_batching { iterative_sequence: true oldest { max_candidate_sequences: 4 } }"
_COUNTDOWN = """
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            self.left = {}
            self.decoupled = '"decoupled":true' in args["model_config"].replace(" ", "")

        def execute(self, requests):
            answers = [self.run(request) for request in requests]
            return None if self.decoupled else answers

        def run(self, request):
            key = request.correlation_id()
            if request.flags() & pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START:
                self.left[key] = int(request.inputs()[0].as_numpy()[0, 0])
            self.left[key] -= 1
            left = self.left[key]
            response = pb_utils.InferenceResponse(
                [pb_utils.Tensor("LEFT", np.array([[left]], np.int32))]
            )
            if self.decoupled:
                sender = request.get_response_sender()
                sender.send(response)
            if left > 0:
                request.set_release_flags(pb_utils.TRITONSERVER_REQUEST_RELEASE_RESCHEDULE)
                return None
            if self.decoupled:
                sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
                request.set_release_flags(pb_utils.TRITONSERVER_REQUEST_RELEASE_ALL)
            return response
"""


def write_countdown_model(
    repository: Path, name: str, scheduling: str = ITERATIVE, *, decoupled: bool = False
) -> None:
    """Write a model that runs a request as often as it says, and answers each time or at last."""
    config = _COUNTDOWN_CONFIG % (str(decoupled).lower(), scheduling)
    write_python_model(repository, name, _COUNTDOWN, config)
