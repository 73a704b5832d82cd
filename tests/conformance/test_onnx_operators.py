"""Goal: any ONNX model gives the same answers through the server as through onnxruntime itself.

Method: the onnx package has a small model with inputs for nearly every operator and data type.
Each whose tensors V2 can carry is loaded, run through Triton's gRPC client and unloaded again;
plain onnxruntime in this process says what is right. What onnxruntime cannot run is left out, and
how many are left is checked, so that the comparison cannot quietly shrink to nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Array, Client, GrpcClient
from tests.conformance.running_server import RunningServer, ServerOptions

_WIRE_TYPES: Final[dict[int, str]] = {
    TensorProto.BOOL: "BOOL",
    TensorProto.UINT8: "UINT8",
    TensorProto.UINT16: "UINT16",
    TensorProto.UINT32: "UINT32",
    TensorProto.UINT64: "UINT64",
    TensorProto.INT8: "INT8",
    TensorProto.INT16: "INT16",
    TensorProto.INT32: "INT32",
    TensorProto.INT64: "INT64",
    TensorProto.FLOAT16: "FP16",
    TensorProto.FLOAT: "FP32",
    TensorProto.DOUBLE: "FP64",
    TensorProto.STRING: "BYTES",
}
# Of some 1880 cases about 1380 run, with the onnx and onnxruntime of today.
_FLOOR: Final = 1300
_CLIENTS: Final = 4


@dataclass(frozen=True, slots=True)
class _Case:
    """One model with one set of inputs, and what onnxruntime makes of them."""

    name: str
    model: bytes
    inputs: tuple[tuple[str, str, Array], ...]  # name, V2 data type, value
    outputs: tuple[str, ...]
    expected: tuple[Array, ...]
    deterministic: bool


@pytest.fixture(scope="module")
def cases() -> list[_Case]:
    """Every case that V2 can carry and onnxruntime can run."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numpy, while expected outputs are computed
        collected = collect_testcases(None)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return [case for test in collected if (case := _case_of(test, options)) is not None]


def _case_of(test: Any, options: onnxruntime.SessionOptions) -> _Case | None:
    graph = test.model.graph
    types = [_wire_type(value) for value in (*graph.input, *graph.output)]
    if None in types or not graph.input:
        return None
    values = test.data_sets[0][0]
    if not all(isinstance(value, (np.ndarray, np.generic)) for value in values):
        return None
    inputs = tuple(
        (info.name, _WIRE_TYPES[info.type.tensor_type.elem_type], np.asarray(value))
        for info, value in zip(graph.input, values, strict=True)
    )
    model = test.model.SerializeToString()
    feeds = {name: value for name, _, value in inputs}
    try:
        session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
        first = session.run(None, feeds)
        second = session.run(None, feeds)
    except Exception:  # what it raises differs by release and reason
        return None
    same = all(_same(left, right) for left, right in zip(first, second, strict=True))
    names = tuple(info.name for info in graph.output)
    return _Case(test.name, model, inputs, names, tuple(map(np.asarray, first)), same)


def _wire_type(value: onnx.ValueInfoProto) -> str | None:
    if value.type.WhichOneof("value") != "tensor_type":
        return None
    return _WIRE_TYPES.get(value.type.tensor_type.elem_type)


def _same(left: Array, right: Array) -> bool:
    if np.asarray(left).dtype.kind in "OSU":
        return _texts(left) == _texts(right)
    return np.array_equal(left, right, equal_nan=np.asarray(left).dtype.kind == "f")


def _texts(array: Array) -> list[bytes]:
    return [
        element if isinstance(element, bytes) else str(element).encode()
        for element in np.asarray(array).ravel()
    ]


@pytest.fixture(scope="module")
def operator_server(
    cases: Sequence[_Case], frontend: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A server whose repository has a model for each case, none of them loaded."""
    repository: Path = tmp_path_factory.mktemp("operators")
    for case in cases:
        directory = repository / case.name / "1"
        directory.mkdir(parents=True)
        (directory / "model.onnx").write_bytes(case.model)
    options = ServerOptions(["--model-control-mode", "explicit"], frontend=frontend)
    with RunningServer(repository, options) as server:
        yield server


def test_every_operator_answers_as_onnxruntime_does(
    cases: Sequence[_Case], operator_server: RunningServer
) -> None:
    assert len(cases) >= _FLOOR
    assert sum(case.deterministic for case in cases) >= _FLOOR
    shares = [cases[start::_CLIENTS] for start in range(_CLIENTS)]
    with ThreadPoolExecutor(_CLIENTS) as pool:
        problems = [
            problem
            for share in pool.map(lambda share: _problems(operator_server, share), shares)
            for problem in share
        ]
    assert not problems, f"{len(problems)} of {len(cases)}:\n" + "\n".join(sorted(problems))


def _problems(server: RunningServer, cases: Sequence[_Case]) -> list[str]:
    with GrpcClient(server.grpc_address) as client:
        found = ((case.name, _problem(client, case)) for case in cases)
        return [f"{name}: {problem}" for name, problem in found if problem]


def _problem(client: Client, case: _Case) -> str:
    """Return what is wrong with the server's answer, "" if nothing is."""
    try:
        client.raw.load_model(case.name)
        tensors = [
            client.tensor(name, value if value.ndim else value.reshape(1), wire_type)
            for name, wire_type, value in case.inputs
        ]
        result = client.infer(case.name, tensors)
        client.raw.unload_model(case.name)
    except InferenceServerException as error:
        return str(error)
    for name, expected in zip(case.outputs, case.expected, strict=True):
        received = result.as_numpy(name)
        shape = expected.shape or (1,)  # V2 has no scalars
        if received is None or received.shape != shape:
            return f"output '{name}' has shape {getattr(received, 'shape', None)}, not {shape}"
        if case.deterministic and not _close(received, expected.reshape(shape)):
            return f"output '{name}' is {received}, not {expected}"
    return ""


def _close(received: Array, expected: Array) -> bool:
    if expected.dtype.kind in "OSU":
        return _texts(received) == _texts(expected)
    if received.dtype != expected.dtype:
        return False
    if expected.dtype.kind != "f":
        return np.array_equal(received, expected)
    return np.allclose(received, expected, rtol=1e-5, atol=1e-6, equal_nan=True)
