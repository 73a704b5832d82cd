"""Goal: the index tells of every state that a model goes through, and calls do not get mixed up.

Method: a server in explicit mode over two repositories; Python models that load, and answer, when
the test lets them.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Array, Client
from tests.conformance.conftest import connect
from tests.conformance.ensembles import ensemble_config, step
from tests.conformance.gated_model import held, write_gated_model
from tests.conformance.model_files import identity_config, write_config
from tests.conformance.python_models import write_python_model
from tests.conformance.repository_index import states, wait_for_state
from tests.conformance.running_server import RunningServer, ServerOptions

_SLOW_TO_LOAD = """
    class TritonPythonModel:
        def initialize(self, args):
            open("{gate}").read()

        def execute(self, requests):
            return []
"""
_TENSORS = """
    input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ 1 ] } ]
    output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 1 ] } ]
"""
_DATA: Array = np.ones((1, 2), np.float32)
_HOUR_NS = 3_600_000_000_000


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two repositories, `models` and `others`, and the gates of models."""
    path = tmp_path_factory.mktemp("states")
    (path / "others").mkdir()
    (path / "models").mkdir()
    return path


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[RunningServer]:
    """A server that loads what it is told to."""
    arguments = ["--model-control-mode=explicit", "--repo", str(root / "others")]
    with RunningServer(root / "models", ServerOptions(arguments)) as running:
        yield running


@pytest.fixture
def client(protocol: str, server: RunningServer) -> Iterator[Client]:
    """A client of it."""
    with connect(protocol, server) as connected:
        yield connected


def test_a_model_loads_and_then_is_ready(root: Path, server: RunningServer, protocol: str) -> None:
    name, gate = f"slow_{protocol}", root / f"slow_{protocol}.gate"
    os.mkfifo(gate)
    source = _SLOW_TO_LOAD.format(gate=gate)
    write_python_model(root / "models", name, source, f'backend: "python" {_TENSORS}')
    assert states(server, name) == [("", "", "")]

    def load_it() -> None:  # a client belongs to one thread
        with connect(protocol, server) as client:
            client.raw.load_model(name)

    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(load_it)
        with gate.open("w"):  # open once the model has begun to read
            assert states(server, name) == [("1", "LOADING", "")]
        load.result()
    assert states(server, name) == [("1", "READY", "")]


def test_a_model_unloads_until_its_last_request_is_answered(
    root: Path, server: RunningServer, protocol: str
) -> None:
    name = f"busy_{protocol}"
    write_gated_model(root / "models", name)

    def unload_it() -> None:  # a client belongs to one thread
        with connect(protocol, server) as client:
            client.raw.unload_model(name)

    with connect(protocol, server) as client, ThreadPoolExecutor(1) as pool:
        client.raw.load_model(name)
        with held(server, root / "models", protocol, name) as (model, answer):
            unload = pool.submit(unload_it)
            wait_for_state(server, name, "UNLOADING")
            assert not client.raw.is_model_ready(name)
            model.let_go()
            assert answer.result() == 0
            unload.result()
        assert states(server, name) == [("1", "UNAVAILABLE", "unloaded")]
        with pytest.raises(InferenceServerException, match="has no available versions"):
            client.infer(name, {"INPUT0": np.zeros((1, 1), np.int32)})


def test_a_name_in_two_repositories_loads_once_one_of_them_gives_it_up(
    root: Path, server: RunningServer, client: Client
) -> None:
    name = f"twice_{client.protocol}"
    for repository in ("models", "others"):
        write_config(root / repository, name, identity_config("FP32"))
    with pytest.raises(InferenceServerException) as error:
        client.raw.load_model(name)
    text = f"failed to load '{name}', failed to poll from model repository"
    duplicate = "model appears in two or more repositories"
    assert error.value.message() == f"{text}: {duplicate}"
    assert states(server, name) == [("", "UNAVAILABLE", duplicate)]
    shutil.rmtree(root / "others" / name)
    client.raw.load_model(name)
    assert states(server, name) == [("1", "READY", "")]
    client.raw.unload_model(name)


def _max_batch_size(client: Client, model: str) -> int:
    config: Any = client.raw.get_model_config(model)
    size = config["max_batch_size"] if client.protocol == "http" else config.config.max_batch_size
    return int(size)


def test_a_config_that_a_call_gave_stays_until_the_file_is_newer_or_it_is_unloaded(
    root: Path, client: Client
) -> None:
    name = f"given_{client.protocol}"
    directory = write_config(root / "models", name, identity_config("FP32", max_batch_size=2))
    override = {
        "backend": "identity",
        "max_batch_size": 3,
        "input": [{"name": "INPUT0", "data_type": "TYPE_FP32", "dims": [-1]}],
        "output": [{"name": "OUTPUT0", "data_type": "TYPE_FP32", "dims": [-1]}],
    }
    client.raw.load_model(name, config=json.dumps(override))
    client.raw.load_model(name)
    assert _max_batch_size(client, name) == 3
    newer_ns = time.time_ns() + _HOUR_NS
    os.utime(directory / "config.pbtxt", ns=(newer_ns, newer_ns))
    client.raw.load_model(name)
    assert _max_batch_size(client, name) == 2
    older_ns = time.time_ns() - _HOUR_NS
    os.utime(directory / "config.pbtxt", ns=(older_ns, older_ns))
    client.raw.load_model(name, config=json.dumps(override))
    client.raw.unload_model(name)
    client.raw.load_model(name)
    assert _max_batch_size(client, name) == 2
    client.raw.unload_model(name)


def test_loads_and_unloads_of_one_model_at_once_all_succeed_and_the_last_word_counts(
    root: Path, server: RunningServer, protocol: str
) -> None:
    name = f"torn_{protocol}"
    write_config(root / "models", name, identity_config("FP32"), (1, 2))

    def come_and_go(_: int) -> None:
        with connect(protocol, server) as client:
            for _ in range(5):
                client.raw.load_model(name)
                client.raw.unload_model(name)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(come_and_go, range(8)))  # raises what a call raised
    assert states(server, name) == [("2", "UNAVAILABLE", "unloaded")]
    with connect(protocol, server) as client:
        client.raw.load_model(name)
        result = client.infer(name, {"INPUT0": _DATA})
        np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), _DATA)
        client.raw.unload_model(name)


def test_an_ensemble_loads_after_what_it_is_composed_of_and_goes_with_it(
    root: Path, server: RunningServer, client: Client
) -> None:
    part, whole = f"part_{client.protocol}", f"whole_{client.protocol}"
    write_config(root / "models", part, identity_config("FP32"))
    steps = [step(part, {"INPUT0": "I"}, {"OUTPUT0": "O"})]
    config = ensemble_config(["I FP32 [ -1 ]"], ["O FP32 [ -1 ]"], steps)
    write_config(root / "models", whole, config)
    client.raw.load_model(whole)
    server.wait_for(f"successfully loaded '{whole}'")
    lines = server.output.splitlines()
    loaded = next(at for at, line in enumerate(lines) if f"successfully loaded '{part}'" in line)
    begun = next(at for at, line in enumerate(lines) if f"loading: {whole}:1" in line)
    assert loaded < begun
    client.raw.unload_model(whole, unload_dependents=True)
    for model in (part, whole):
        assert states(server, model) == [("1", "UNAVAILABLE", "unloaded")]


@pytest.mark.parametrize("name", ["a/b", "/a", "../a", "a..b"])
def test_a_name_that_is_a_path_is_refused(server: RunningServer, name: str) -> None:
    with connect("grpc", server) as client:
        with pytest.raises(InferenceServerException) as error:
            client.raw.load_model(name)
        client.raw.unload_model(name)  # which is none, and so is unloaded
    assert error.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert error.value.message() == (
        f"invalid model name '{name}', model name must not contain path traversal characters"
    )
