"""Goal: plain file operations change what a server in poll mode serves, and never half of it.

Method: a server that looks each second; tests wait for what it says of the models they change.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Array, Client
from tests.conformance.conftest import connect
from tests.conformance.model_files import (
    ALL_VERSIONS,
    add_sub_model,
    identity_config,
    write_config,
    write_onnx,
)
from tests.conformance.running_server import RunningServer, ServerOptions

_DATA: Array = np.ones((1, 2), np.float32)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, frontend: str) -> Path:
    """A repository that tests change, one for each front end."""
    path = tmp_path_factory.mktemp(f"polled_{frontend}")
    write_config(path, "at_start", identity_config("FP32"))
    return path


@pytest.fixture(scope="module")
def polling_server(frontend: str, repository: Path) -> Iterator[RunningServer]:
    """A server that looks at its repository each second."""
    arguments = ["--model-control-mode", "poll", "--repository-poll-secs", "1"]
    with RunningServer(repository, ServerOptions(arguments, frontend=frontend)) as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def polled(request: pytest.FixtureRequest, polling_server: RunningServer) -> Iterator[Client]:
    """Both clients of the polling server."""
    with connect(request.param, polling_server) as client:
        yield client


@pytest.fixture
def grpc_client(polling_server: RunningServer) -> Iterator[Client]:
    """One client: what changes on disk does not depend on who asks, and looks take seconds."""
    with connect("grpc", polling_server) as client:
        yield client


def test_a_model_comes_changes_and_goes(
    grpc_client: Client, polling_server: RunningServer, repository: Path
) -> None:
    name = "added"
    directory = write_config(repository, name, identity_config("FP32", extra=ALL_VERSIONS))
    polling_server.wait_for(f"successfully loaded '{name}'")
    result = grpc_client.infer(name, {"INPUT0": _DATA})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), _DATA)
    (directory / "2").mkdir()
    polling_server.wait_for(f"loading: {name}:2")
    shutil.rmtree(directory)
    polling_server.wait_for(f"successfully unloaded '{name}' version 2")
    assert not grpc_client.raw.is_model_ready(name)
    with pytest.raises(InferenceServerException) as error:
        grpc_client.infer(name, {"INPUT0": _DATA})
    assert error.value.message() == f"Request for unknown model: '{name}' has no available versions"
    assert grpc_client.raw.is_server_ready()


def test_a_half_written_version_is_never_loaded(
    grpc_client: Client, polling_server: RunningServer, repository: Path
) -> None:
    name, witness = "half", "witness"
    write_onnx(repository, name, add_sub_model())
    polling_server.wait_for(f"successfully loaded '{name}'")
    content = (repository / name / "1" / "model.onnx").read_bytes()
    (repository / name / "2").mkdir()
    with (repository / name / "2" / "model.onnx").open("wb") as copy:
        copy.write(content[:100])
        copy.flush()
        # The witness comes after the half and is loaded before it is whole.
        write_config(repository, witness, identity_config("FP32"))
        polling_server.wait_for(f"successfully loaded '{witness}'")
        assert grpc_client.raw.is_model_ready(name, "1")
        copy.write(content[100:])
    polling_server.wait_for(f"successfully unloaded '{name}' version 1")
    assert grpc_client.raw.is_model_ready(name, "2")
    assert f"failed to load '{name}'" not in polling_server.output


def test_a_broken_config_leaves_the_model_as_it_was(
    grpc_client: Client, polling_server: RunningServer, repository: Path
) -> None:
    name = "edited"
    directory = write_config(repository, name, identity_config("FP32"))
    polling_server.wait_for(f"successfully loaded '{name}'")
    (directory / "config.pbtxt").write_text("no config at all {")
    polling_server.wait_for(f"Poll failed for model directory '{directory}'")
    result = grpc_client.infer(name, {"INPUT0": _DATA})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), _DATA)


def test_load_and_unload_calls_are_refused(polled: Client) -> None:
    for call in (polled.raw.load_model, polled.raw.unload_model):
        with pytest.raises(InferenceServerException) as error:
            call("at_start")
        assert error.value.message() == (
            "explicit model load / unload is not allowed if polling is enabled"
        )
        assert error.value.status() in ("503", "StatusCode.UNAVAILABLE")
    assert polled.raw.is_model_ready("at_start")


def test_without_an_interval_nothing_is_looked_at_again(tmp_path: Path, frontend: str) -> None:
    write_config(tmp_path, "at_start", identity_config("FP32"))
    arguments = ["--model-control-mode", "poll", "--repository-poll-secs", "0"]
    with RunningServer(tmp_path, ServerOptions(arguments, frontend=frontend)) as server:
        with connect("http", server) as client:
            assert client.raw.is_model_ready("at_start")
        assert server.stop() == 0
