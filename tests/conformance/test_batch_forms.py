"""Goal: what may and may not be in one batch, and in which form models see it, is as in Triton.

Method: the scheduler's test hook holds each first batch until so many requests wait, so that they
meet; an ONNX model shows its batch inputs as outputs, a Python model what it was given together.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Array, Client, strings
from tests.conformance.conftest import connect
from tests.conformance.model_files import add_sub_model, identity_config, write_config, write_onnx
from tests.conformance.python_models import write_python_model
from tests.conformance.ragged_models import SHOWN, default_of_three_model, write_ragged
from tests.conformance.running_server import RunningServer, ServerOptions

_REQUESTS = 3
_RAGGED_IDENTITY = """
    backend: "identity"
    max_batch_size: 8
    dynamic_batching {}
    input [ { name: "INPUT0" data_type: TYPE_STRING dims: [ -1, -1 ] allow_ragged_batch: true } ]
    output [ { name: "OUTPUT0" data_type: TYPE_STRING dims: [ -1, -1 ] } ]
"""
_TOGETHER_CONFIG = """
    backend: "python"
    max_batch_size: 8
    dynamic_batching {}
    input [
        { name: "A" data_type: TYPE_FP32 dims: [ -1 ] allow_ragged_batch: true },
        { name: "B" data_type: TYPE_FP32 dims: [ 1 ] optional: true }
    ]
    output [ { name: "TOGETHER" data_type: TYPE_STRING dims: [ -1 ] } ]
"""
_TOGETHER = """
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            forms = [
                " ".join(f"{t.name()}{list(t.shape())}" for t in request.inputs())
                for request in requests
            ]
            together = np.array([forms], np.object_)
            return [
                pb_utils.InferenceResponse([pb_utils.Tensor("TOGETHER", together)])
                for _ in requests
            ]
"""
_RESHAPED = """
    backend: "identity"
    max_batch_size: 8
    input [
        { name: "INPUT0" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] } },
        { name: "INPUT1" data_type: TYPE_FP32 dims: [ -1, 4 ] reshape { shape: [ -1, 2, 2 ] } }
    ]
    output [
        { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] } },
        { name: "OUTPUT1" data_type: TYPE_FP32 dims: [ -1, 4 ] reshape { shape: [ -1, 2, 2 ] } }
    ]
"""
_OPTIONAL = """
    backend: "onnxruntime"
    input [
        { name: "X" data_type: TYPE_FP32 dims: [ -1 ] },
        { name: "W" data_type: TYPE_FP32 dims: [ 1 ] optional: true }
    ]
    output [ { name: "Y" data_type: TYPE_FP32 dims: [ -1 ] } ]
"""


@pytest.fixture(scope="module")
def held_server(frontend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose models begin only when three requests wait."""
    repository = tmp_path_factory.mktemp("forms")
    for protocol in ("http", "grpc"):
        write_ragged(repository, f"ragged_int32_{protocol}", "TYPE_INT32", TensorProto.INT32)
        write_ragged(repository, f"ragged_fp32_{protocol}", "TYPE_FP32", TensorProto.FLOAT)
        write_config(repository, f"identity_{protocol}", _RAGGED_IDENTITY)
        write_python_model(repository, f"together_{protocol}", _TOGETHER, _TOGETHER_CONFIG)
    write_config(repository, "reshaped", _RESHAPED)
    write_onnx(repository, "optional", default_of_three_model())
    (repository / "optional" / "config.pbtxt").write_text(_OPTIONAL)
    options = ServerOptions(
        environment={"TRITONSERVER_DELAY_SCHEDULER": str(_REQUESTS)}, frontend=frontend
    )
    with RunningServer(repository, options) as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def held(request: pytest.FixtureRequest, held_server: RunningServer) -> Iterator[Client]:
    """Both clients of that server."""
    with connect(request.param, held_server) as client:
        yield client


def _infer_together(
    server: RunningServer, protocol: str, model: str, requests: list[dict[str, Array]]
) -> list[Any]:
    def send(inputs: dict[str, Array]) -> Any:
        with connect(protocol, server) as client:
            return client.infer(model, inputs)

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, requests))


def _floats(*shape: int) -> Array:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.mark.parametrize("kind", ["int32", "fp32"])
def test_onnx_model_sees_ragged_inputs_flat_and_is_told_what_is_whose(
    held_server: RunningServer, held: Client, kind: str
) -> None:
    model = f"ragged_{kind}_{held.protocol}"
    sent = [_floats(1, 3), _floats(2, 2) + 10, _floats(1, 5) + 20]
    results = _infer_together(
        held_server, held.protocol, model, [{"INPUT0": array} for array in sent]
    )
    for result, array in zip(results, sent, strict=True):
        np.testing.assert_array_equal(result.as_numpy("DOUBLED"), array * 2)
        rows = {name: result.as_numpy(f"{name}_SHOWN") for name in SHOWN}
        counts, sums, offsets, flat = (rows[name][0].tolist() for name in SHOWN)
        assert all(len(shown) == len(array) for shown in rows.values())
        assert counts.index(array.size) >= 0
        assert sorted(counts) == [3, 4, 5]  # of requests, with all their rows
        assert sums == np.cumsum(counts).tolist()
        assert offsets == [0, *sums]
        widths = {3: [3], 4: [2, 2], 5: [5]}  # of rows, by the count of their request
        assert flat == [width for count in counts for width in widths[int(count)]]
        assert result.as_numpy("SHAPES_SHOWN").tolist() == [[array.shape[1]]] * len(array)
        assert result.as_numpy("WIDTH").tolist() == [[5]] * len(array)
    (stats,) = held.statistics(model)
    assert [batch["batch_size"] for batch in stats["batch_stats"]] == [4]

    # The first batch was held; this one is alone.
    result = held.infer(model, {"INPUT0": _floats(2, 4)})
    np.testing.assert_array_equal(result.as_numpy("DOUBLED"), _floats(2, 4) * 2)
    assert result.as_numpy("COUNTS_SHOWN").tolist() == [[8], [8]]
    assert result.as_numpy("OFFSETS_SHOWN").tolist() == [[0, 8], [0, 8]]
    assert result.as_numpy("SHAPES_SHOWN").tolist() == [[4], [4]]


def test_identity_model_gives_ragged_inputs_back_as_they_were(
    held_server: RunningServer, held: Client
) -> None:
    model = f"identity_{held.protocol}"
    sent = [
        strings("a", "bc").reshape(1, 1, 2),
        strings(*"defg").reshape(2, 2, 1),
        strings("").reshape(1, 1, 1),
    ]
    results = _infer_together(
        held_server, held.protocol, model, [{"INPUT0": array} for array in sent]
    )
    for result, array in zip(results, sent, strict=True):
        np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), array)
    (stats,) = held.statistics(model)
    assert [batch["batch_size"] for batch in stats["batch_stats"]] == [4]


def test_python_models_get_ragged_inputs_as_sent_and_one_set_of_optional_inputs(
    held_server: RunningServer, held: Client
) -> None:
    model = f"together_{held.protocol}"
    with_b = {"A": _floats(1, 2), "B": _floats(1, 1)}
    requests = [{"A": _floats(1, 3)}, with_b, {"A": _floats(1, 4)}]
    for result, inputs in zip(
        _infer_together(held_server, held.protocol, model, requests), requests, strict=True
    ):
        form = " ".join(f"{name}{list(array.shape)}" for name, array in inputs.items())
        together = [text.decode() for text in result.as_numpy("TOGETHER")[0]]
        assert form in together
        assert len({"B" in other for other in together}) == 1


def test_onnx_model_runs_with_and_without_an_optional_input(
    held_server: RunningServer, held: Client
) -> None:
    alone = held.infer("optional", {"X": np.array([1, 2], np.float32)})
    assert alone.as_numpy("Y").tolist() == [4, 5]
    given = held.infer("optional", {"X": _floats(2), "W": np.array([10], np.float32)})
    assert given.as_numpy("Y").tolist() == [10, 11]
    with pytest.raises(InferenceServerException) as refused:
        held.infer("optional", {"W": np.array([10], np.float32)})
    assert "expected number of inputs between 1 and 2 but got 1 inputs" in refused.value.message()


def test_reshape_is_between_client_and_backend_also_of_variable_dimensions(held: Client) -> None:
    inputs = {"INPUT0": _floats(3, 1), "INPUT1": _floats(3, 2, 4)}
    result = held.infer("reshaped", inputs)
    for number in (0, 1):
        np.testing.assert_array_equal(result.as_numpy(f"OUTPUT{number}"), inputs[f"INPUT{number}"])
    with pytest.raises(InferenceServerException) as refused:
        held.infer("reshaped", {"INPUT0": _floats(3, 1), "INPUT1": _floats(3, 2, 2, 2)})
    assert "Expected [-1,-1,4], got [3,2,2,2]" in refused.value.message()


_BATCH_IO = 'batch_input { target_name: "COUNT" data_type: TYPE_INT32 source_input: "INPUT0" }'
_ONNX_RAGGED = """
    backend: "onnxruntime"
    max_batch_size: 4
    input [
        { name: "INPUT0" data_type: TYPE_FP32 dims: [ 16 ] allow_ragged_batch: true },
        { name: "INPUT1" data_type: TYPE_FP32 dims: [ 16 ] }
    ]
    output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 16 ] } ]
"""


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (
            "identity",
            "batch inputs and batch outputs are only supported for custom platform and TensorRT "
            "platform",
        ),
        (
            "not_flat",
            "unable to load model 'not_flat', configuration expects model provides input with "
            "shape [-1]  for ragged input 'INPUT0', model provides [-1,16]",
        ),
    ],
)
def test_what_a_backend_cannot_do_keeps_a_model_from_loading(
    frontend: str, tmp_path_factory: pytest.TempPathFactory, model: str, text: str
) -> None:
    repository = tmp_path_factory.mktemp("refused")
    if model == "identity":
        write_config(repository, model, identity_config("FP32", extra=_BATCH_IO))
    else:
        write_onnx(repository, model, add_sub_model())
        (repository / model / "config.pbtxt").write_text(_ONNX_RAGGED)
    options = ServerOptions(["--model-control-mode", "explicit"], frontend=frontend)
    with RunningServer(repository, options) as server:
        for protocol in ("http", "grpc"):
            with connect(protocol, server) as client:
                with pytest.raises(InferenceServerException) as refused:
                    client.raw.load_model(model)
                assert text in refused.value.message()
