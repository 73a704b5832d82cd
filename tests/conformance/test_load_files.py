"""Goal: clients and Python models load models whose files they bring themselves.

Method: a server in explicit mode; Triton's clients of both protocols; what each model answers tells
which files it serves from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Array, Client
from tests.conformance.conftest import connect
from tests.conformance.model_files import add_sub_model, write_onnx
from tests.conformance.python_models import write_python_model
from tests.conformance.running_server import RunningServer, ServerOptions

_DATA: Array = np.ones((1, 16), np.float32)
_ONNX = json.dumps({"backend": "onnxruntime"})
_IDENTITY = json.dumps(
    {
        "backend": "python",
        "max_batch_size": 8,
        "input": [{"name": "INPUT0", "data_type": "TYPE_FP32", "dims": [-1]}],
        "output": [{"name": "OUTPUT0", "data_type": "TYPE_FP32", "dims": [-1]}],
    }
)
_TRIPLE = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", 3 * r.inputs()[0].as_numpy())])
            for r in requests
        ]
"""
_LOADING = f"""
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        files = {{"file:1/model.py": {_TRIPLE!r}.encode()}}
        pb_utils.load_model("brought", files=files, config={_IDENTITY!r})
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", r.inputs()[0].as_numpy())])
            for r in requests
        ]
"""


@pytest.fixture(scope="module")
def explicit_server(
    frontend: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A server with two models on disk, of which it loads none."""
    repository = tmp_path_factory.mktemp(f"files_{frontend}")
    write_onnx(repository, "on_disk", add_sub_model())
    write_python_model(repository, "loading", _LOADING)
    arguments = ["--model-control-mode", "explicit"]
    with RunningServer(repository, ServerOptions(arguments, frontend=frontend)) as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def control(request: pytest.FixtureRequest, explicit_server: RunningServer) -> Iterator[Client]:
    """Both clients of that server."""
    with connect(request.param, explicit_server) as client:
        yield client


def _tripled(client: Client, name: str) -> bool:
    result = client.infer(name, {"INPUT0": _DATA}).as_numpy("OUTPUT0")
    return bool(np.array_equal(result, 3 * _DATA))


def test_a_model_without_a_directory_is_brought(control: Client) -> None:
    name = f"brought_{control.protocol}"
    model = add_sub_model().SerializeToString()
    control.raw.load_model(name, config=_ONNX, files={"file:5/model.onnx": model})
    result = control.infer(name, {"INPUT0": _DATA, "INPUT1": _DATA})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), 2 * _DATA)
    assert control.raw.is_model_ready(name, "5")
    control.raw.unload_model(name)
    with pytest.raises(InferenceServerException, match="model not found in any model repository"):
        control.raw.load_model(name)


def test_the_next_load_goes_back_to_disk(control: Client) -> None:
    files = {"file:1/model.py": _TRIPLE.encode()}
    control.raw.load_model("on_disk", config=_IDENTITY, files=files)
    assert _tripled(control, "on_disk")
    control.raw.load_model("on_disk")
    result = control.infer("on_disk", {"INPUT0": _DATA, "INPUT1": _DATA})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), 2 * _DATA)
    control.raw.unload_model("on_disk")


def test_a_file_that_is_no_model_says_so_and_the_old_one_serves(control: Client) -> None:
    control.raw.load_model("on_disk")
    with pytest.raises(InferenceServerException) as error:
        control.raw.load_model("on_disk", config=_ONNX, files={"file:1/model.onnx": b"no model"})
    assert error.value.message().startswith(
        "load failed for model 'on_disk': version 1 is at UNAVAILABLE state: "
    )
    control.infer("on_disk", {"INPUT0": _DATA, "INPUT1": _DATA})
    control.raw.unload_model("on_disk")


def test_files_without_a_config_are_refused(control: Client) -> None:
    with pytest.raises(InferenceServerException) as error:
        control.raw.load_model("on_disk", files={"file:1/model.onnx": b""})
    assert error.value.message() == (
        "Load parameter 'config' must be specified for model file override"
    )


@pytest.mark.parametrize("path", ["../../escaped", "1/../../../escaped", "/escaped"])
def test_a_path_that_leads_elsewhere_is_refused(control: Client, path: str) -> None:
    with pytest.raises(InferenceServerException) as error:
        control.raw.load_model("on_disk", config=_ONNX, files={f"file:{path}": b"x"})
    assert error.value.message() == (
        "failed to load 'on_disk', failed to poll from model repository: file override "
        f"'{path}' is outside of the model's directory"
    )
    assert not Path("/escaped").exists()


def test_a_python_model_brings_another(explicit_server: RunningServer) -> None:
    with connect("grpc", explicit_server) as client:
        client.raw.load_model("loading")
        client.infer("loading", {"INPUT0": _DATA})
        assert _tripled(client, "brought")
        client.raw.unload_model("brought")
        assert not client.raw.is_model_ready("brought")
