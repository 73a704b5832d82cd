"""Goal: clients load, unload and look at models, as the model control mode allows.

Method: a server in explicit mode whose repository the test changes; one in the default mode that
must refuse.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Array, Client
from tests.conformance.conftest import connect
from tests.conformance.model_files import add_sub_model, identity_config, write_config, write_onnx
from tests.conformance.raw_http import request
from tests.conformance.running_server import RunningServer, ServerOptions

_DATA: Array = np.ones((1, 2), np.float32)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, frontend: str) -> Path:
    """A repository that tests change, one for each front end."""
    path = tmp_path_factory.mktemp(f"controlled_{frontend}")
    write_config(path, "at_start", identity_config("FP32"))
    write_config(path, "broken", 'backend: "nothing" input [ { name: "a" } ]')
    return path


@pytest.fixture(scope="module")
def explicit_server(frontend: str, repository: Path) -> Iterator[RunningServer]:
    """A server that loads what it is told to."""
    arguments = ["--model-control-mode", "explicit", "--load-model", "at_start"]
    with RunningServer(repository, ServerOptions(arguments, frontend=frontend)) as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def control(request: pytest.FixtureRequest, explicit_server: RunningServer) -> Iterator[Client]:
    """Both clients of the explicit server."""
    with connect(request.param, explicit_server) as client:
        yield client


def _index(client: Client, ready_only: bool = False) -> dict[str, dict[str, Any]]:
    if client.protocol == "grpc":
        message = client.raw.get_model_repository_index()
        return {
            model.name: {"state": model.state, "reason": model.reason, "version": model.version}
            for model in message.models
        }
    return {model["name"]: model for model in client.raw.get_model_repository_index()}


def test_models_come_and_go(control: Client, repository: Path) -> None:
    name = f"added_{control.protocol}"
    write_onnx(repository, name, add_sub_model())
    assert "READY" not in _index(control)[name].values()
    assert not control.raw.is_model_ready(name)
    control.raw.load_model(name)
    assert control.raw.is_model_ready(name)
    assert _index(control)[name]["state"] == "READY"
    control.raw.unload_model(name)
    assert not control.raw.is_model_ready(name)
    assert _index(control)[name]["state"] == "UNAVAILABLE"
    assert _index(control)[name]["reason"] == "unloaded"
    with pytest.raises(InferenceServerException) as error:
        control.raw.get_model_metadata(name)
    assert error.value.message().startswith(f"Request for unknown model: '{name}'")
    shutil.rmtree(repository / name)


def test_only_models_of_the_command_line_are_there_at_start(control: Client) -> None:
    assert control.raw.is_server_ready()
    result = control.infer("at_start", {"INPUT0": _DATA})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), _DATA)


def test_unknown_model_does_not_load(control: Client) -> None:
    with pytest.raises(InferenceServerException) as error:
        control.raw.load_model("nobody")
    assert error.value.message() == (
        "failed to load 'nobody', failed to poll from model repository: model not found in any "
        "model repository"
    )


def test_name_that_leads_elsewhere_is_refused(control: Client) -> None:
    with pytest.raises(InferenceServerException) as error:
        control.raw.load_model("..")
    assert error.value.message() == (
        "invalid model name '..', model name must not contain path traversal characters"
    )


def test_unloading_what_is_not_loaded_succeeds(control: Client) -> None:
    control.raw.unload_model("nobody")
    control.raw.unload_model("nobody", unload_dependents=True)


def test_broken_model_does_not_load_and_hurts_no_other(control: Client) -> None:
    with pytest.raises(InferenceServerException):
        control.raw.load_model("broken")
    assert not control.raw.is_model_ready("broken")
    assert control.raw.is_model_ready("at_start")


def test_failed_reload_keeps_the_old_version(control: Client, repository: Path) -> None:
    name = f"edited_{control.protocol}"
    config = write_config(repository, name, identity_config("FP32")) / "config.pbtxt"
    control.raw.load_model(name)
    config.write_text("no config at all {")
    with pytest.raises(InferenceServerException) as error:
        control.raw.load_model(name)
    assert error.value.message().startswith(
        f"failed to load '{name}', failed to poll from model repository: {config}"
    )
    result = control.infer(name, {"INPUT0": _DATA})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), _DATA)
    config.write_text(identity_config("FP32", "[ 2 ]"))
    control.raw.load_model(name)
    metadata = control.raw.get_model_metadata(name)
    inputs = metadata["inputs"] if control.protocol == "http" else metadata.inputs
    shape = inputs[0]["shape"] if control.protocol == "http" else inputs[0].shape
    assert list(shape) == [-1, 2]
    control.raw.unload_model(name)


def test_config_of_the_call_overrides_the_file(control: Client, repository: Path) -> None:
    name = f"overridden_{control.protocol}"
    write_config(repository, name, identity_config("FP32"))
    override = {
        "backend": "identity",
        "max_batch_size": 3,
        "input": [{"name": "INPUT0", "data_type": "TYPE_FP32", "dims": [-1]}],
        "output": [{"name": "OUTPUT0", "data_type": "TYPE_FP32", "dims": [-1]}],
    }
    control.raw.load_model(name, config=json.dumps(override))
    config = control.raw.get_model_config(name)
    size = config["max_batch_size"] if control.protocol == "http" else config.config.max_batch_size
    assert size == 3
    control.raw.unload_model(name)


def test_explicit_control_is_refused_in_the_default_mode(client: Client) -> None:
    for call in (client.raw.load_model, client.raw.unload_model):
        with pytest.raises(InferenceServerException) as error:
            call("add_sub")
        assert error.value.message() == (
            "explicit model load / unload is not allowed if polling is enabled"
        )
        assert error.value.status() in ("503", "StatusCode.UNAVAILABLE")


def test_ready_filter_of_the_index(explicit_server: RunningServer) -> None:
    port = explicit_server.http_port
    everything = request(port, "POST", "/v2/repository/index").json
    ready = request(port, "POST", "/v2/repository/index", '{"ready": true}').json
    assert {"at_start", "broken"} <= {model["name"] for model in everything}
    assert [model for model in everything if model.get("state") == "READY"] == ready
    assert {"name": "at_start", "version": "1", "state": "READY"} in ready
    wrong = request(port, "POST", "/v2/repository/index", '{"ready": 1}')
    assert (wrong.status, wrong.error) == (
        400,
        "Invalid value for 'ready': expected a boolean",
    )


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ("{", 500, "failed to parse the request JSON buffer"),
        ("[" * 10_000, 400, "JSON nesting depth exceeds maximum allowed limit (100)"),
        ('{"parameters": {"other": "x"}}', 400, "Unrecognized load parameter 'other'"),
        ('{"parameters": {"config": 5}}', 400, "config"),
        ('{"parameters": {"config": "{"}}', 500, "failed to load 'at_start', failed to poll from"),
        ('{"parameters": {"file:1/model.onnx": "???"}}', 400, "base64"),
        (
            '{"parameters": {"file:1/model.onnx": "AAAA"}}',
            400,
            "Load parameter 'config' must be specified for model file override",
        ),
    ],
)
def test_bad_load_requests_are_explained(
    explicit_server: RunningServer, body: str, status: int, text: str
) -> None:
    path = "/v2/repository/models/at_start/load"
    answer = request(explicit_server.http_port, "POST", path, body)
    assert (answer.status, text in answer.error) == (status, True), answer.error
    assert request(explicit_server.http_port, "GET", "/v2/models/at_start/ready").status == 200
