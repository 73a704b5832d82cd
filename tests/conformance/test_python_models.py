"""Goal: a bad Python model gets a clear error, and nobody else is harmed.

Method: models that are wrong in one way each, loaded by a client, and one model that misbehaves as
its request says; a good model beside them has to go on answering.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Client
from tests.conformance.conftest import connect
from tests.conformance.python_models import wait_until_ready, write_python_model
from tests.conformance.running_server import RunningServer, ServerOptions

_MODEL = """
    import ctypes, os, sys
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        {auto_complete}

        def initialize(self, args):
            {initialize}

        def execute(self, requests):
            return []
"""
_COMPLETING = "@staticmethod\n        def auto_complete_config(config):\n            "
_UNHEALTHY = "Stub process 'bad_0' is not healthy."


def _source(initialize: str = "pass", auto_complete: str = "") -> str:
    completing = _COMPLETING + auto_complete if auto_complete else ""
    return _MODEL.format(initialize=initialize, auto_complete=completing)


# What is wrong, the source, and what the client must read.
UNLOADABLE = [
    ("syntax", "class TritonPythonModel(:\n", "invalid syntax"),
    ("no class", "x = 1\n", "has no attribute 'TritonPythonModel'"),
    ("no execute", "class TritonPythonModel: pass\n", "has no attribute 'execute'"),
    ("import", "import no_such_module\n", "No module named 'no_such_module'"),
    ("initialize", _source("undefined_variable"), "name 'undefined_variable' is not defined"),
    ("exit", _source("os._exit(3)"), _UNHEALTHY),
    ("sys.exit", _source("sys.exit(3)"), "SystemExit: 3"),
    ("segfault", _source("ctypes.string_at(0)"), _UNHEALTHY),
    ("abort", _source("os.abort()"), _UNHEALTHY),
    ("completion", _source(auto_complete="1 / 0"), "division by zero"),
    (
        "completion result",
        _source(auto_complete="return 7"),
        "auto_complete_config function in model 'bad' must return a valid pb.ModelConfig object.",
    ),
    (
        "completion exit",
        _source(auto_complete="os._exit(0)"),
        "Stub process 'bad' is not healthy.",
    ),
]

MISBEHAVING = """
    import ctypes, os, sys, threading
    import numpy as np
    import triton_python_backend_utils as pb_utils

    def good(value=b"fine"):
        output = np.empty([1], np.object_)
        output[0] = value
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUT", output)])

    class TritonPythonModel:
        def initialize(self, args):
            print("worker", os.getpid())

        def execute(self, requests):
            (request,) = requests
            how = request.inputs()[0].as_numpy()[0].decode()
            return getattr(self, how)()

        def fine(self):
            return [good()]

        def raising(self):
            raise RuntimeError("a bug")

        def triton_error(self):
            raise pb_utils.TritonModelException("a known bug")

        def too_many(self):
            return [good(), good()]

        def too_few(self):
            return []

        def no_list(self):
            return good()

        def no_response(self):
            return ["fine"]

        def unknown_output(self):
            tensor = pb_utils.Tensor("NOBODY", np.zeros([1], np.float32))
            return [pb_utils.InferenceResponse([tensor])]

        def wrong_type(self):
            tensor = pb_utils.Tensor("OUT", np.zeros([1], np.float32))
            return [pb_utils.InferenceResponse([tensor])]

        def enormous(self):
            big = np.broadcast_to(np.float32(0), (1 << 43,))
            return [pb_utils.InferenceResponse([pb_utils.Tensor("BIG", big)])]

        def error_response(self):
            error = pb_utils.TritonError("not today", pb_utils.TritonError.UNAVAILABLE)
            return [pb_utils.InferenceResponse(error=error)]

        def exit(self):
            sys.exit(7)

        def flood(self):
            for number in range(200_000):
                print("x" * 50, number)
            return [good()]

        def hard_exit(self):
            os._exit(7)

        def segfault(self):
            ctypes.string_at(0)

        def kill(self):
            os.kill(os.getpid(), 9)
"""
MISBEHAVING_CONFIG = """
    backend: "python"
    input [ { name: "HOW" data_type: TYPE_STRING dims: [ 1 ] } ]
    output [
        { name: "OUT" data_type: TYPE_STRING dims: [ 1 ] },
        { name: "BIG" data_type: TYPE_FP32 dims: [ -1 ] }
    ]
"""
_FAILED = "Failed to process the request(s) for model 'misbehaving_0', message: "
# How it misbehaves, and what the client must read.
FAILURES = [
    ("raising", _FAILED + "RuntimeError: a bug"),
    ("triton_error", "a known bug"),
    (
        "too_many",
        "Number of InferenceResponse objects do not match the number of InferenceRequest objects. "
        "InferenceRequest(s) size is:1, and InferenceResponse(s) size is:2",
    ),
    ("too_few", "InferenceRequest(s) size is:1, and InferenceResponse(s) size is:0"),
    ("no_list", "Expected a list in the execute return, found type '"),
    (
        "no_response",
        "Expected an 'InferenceResponse' object in the execute function return list, found type '",
    ),
    ("unknown_output", "NOBODY"),
    ("wrong_type", "OUT"),
    ("enormous", "Failed to increase the shared memory pool size"),
    ("error_response", "not today"),
    ("exit", "SystemExit: 7"),
]
DEATHS = ["hard_exit", "segfault", "kill"]

# A non-contiguous array is no mistake: numpy makes them of every slice and transposition.
TRANSPOSING = """
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            return [
                pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", r.inputs()[0].as_numpy().T)])
                for r in requests
            ]
"""
TRANSPOSING_CONFIG = """
    backend: "python"
    input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ -1, -1 ] } ]
    output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ -1, -1 ] } ]
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that tests add bad models to."""
    path = tmp_path_factory.mktemp("python")
    write_python_model(path, "good")
    write_python_model(path, "misbehaving", MISBEHAVING, MISBEHAVING_CONFIG)
    write_python_model(path, "transposing", TRANSPOSING, TRANSPOSING_CONFIG)
    write_python_model(path, "bad", "")
    return path


@pytest.fixture(scope="module")
def explicit_server(frontend: str, repository: Path) -> Iterator[RunningServer]:
    """A server with the good, the misbehaving and the transposing model."""
    arguments = ["--model-control-mode", "explicit"]
    for name in ("good", "misbehaving", "transposing"):
        arguments += ["--load-model", name]
    with RunningServer(repository, ServerOptions(arguments, frontend=frontend)) as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def client(request: pytest.FixtureRequest, explicit_server: RunningServer) -> Iterator[Client]:
    """Both clients, one after the other."""
    with connect(request.param, explicit_server) as connected:
        yield connected


def _require_good(client: Client) -> None:
    data = np.array([[1, 2, 3]], np.float32)
    np.testing.assert_array_equal(client.infer("good", {"INPUT0": data}).as_numpy("OUTPUT0"), data)


def _misbehave(client: Client, how: str) -> Any:
    return client.infer("misbehaving", {"HOW": np.array([how.encode()], np.object_)})


def _reason(client: Client, model: str) -> str:
    index: Any = client.raw.get_model_repository_index()
    if client.protocol == "grpc":
        return next(str(each.reason) for each in index.models if each.name == model)
    return next(str(each["reason"]) for each in index if each["name"] == model)


@pytest.mark.parametrize(
    ("source", "text"),
    [pytest.param(source, text, id=name) for name, source, text in UNLOADABLE],
)
def test_a_model_that_cannot_start_says_why(
    client: Client, repository: Path, source: str, text: str
) -> None:
    file = repository / "bad" / "1" / "model.py"
    file.unlink()
    bad = repository / "bad"
    (bad / "config.pbtxt").unlink()
    file.parent.rmdir()
    bad.rmdir()
    write_python_model(repository, "bad", source)
    with pytest.raises(InferenceServerException) as raised:
        client.raw.load_model("bad")
    assert text in raised.value.message()
    assert text in _reason(client, "bad")
    assert not client.raw.is_model_ready("bad")
    _require_good(client)


def test_a_model_without_its_file_is_told_as_triton_does(client: Client, repository: Path) -> None:
    file = repository / "bad" / "1" / "model.py"
    file.unlink()
    with pytest.raises(InferenceServerException) as raised:
        client.raw.load_model("bad")
    file.touch()
    text = f"Failed to preinitialize Python stub: Python model file not found in '{file}'"
    assert text in raised.value.message()


@pytest.mark.parametrize(("how", "text"), FAILURES, ids=[how for how, _ in FAILURES])
def test_a_wrong_answer_fails_its_request_alone(client: Client, how: str, text: str) -> None:
    with pytest.raises(InferenceServerException) as raised:
        _misbehave(client, how)
    assert text in raised.value.message()
    assert _misbehave(client, "fine").as_numpy("OUT").tolist() == [b"fine"]


@pytest.mark.parametrize("how", DEATHS)
def test_a_death_fails_its_request_and_the_model_comes_back(client: Client, how: str) -> None:
    with pytest.raises(InferenceServerException) as raised:
        _misbehave(client, how)
    assert "Stub process 'misbehaving_0' is not healthy." in raised.value.message()
    _require_good(client)
    wait_until_ready(client, "misbehaving")
    assert _misbehave(client, "fine").as_numpy("OUT").tolist() == [b"fine"]


def test_a_crash_leaves_its_traceback_in_the_log(
    client: Client, explicit_server: RunningServer
) -> None:
    with pytest.raises(InferenceServerException):
        _misbehave(client, "segfault")
    explicit_server.wait_for("misbehaving_0: Fatal Python error: Segmentation fault")
    wait_until_ready(client, "misbehaving")


def test_a_flood_of_prints_holds_nobody_up(client: Client, explicit_server: RunningServer) -> None:
    assert _misbehave(client, "flood").as_numpy("OUT").tolist() == [b"fine"]
    _require_good(client)
    explicit_server.wait_for("lines of output are left out")


def test_a_transposed_array_is_sent_as_it_looks(client: Client) -> None:
    data = np.arange(6, dtype=np.float32).reshape(2, 3)
    result = client.infer("transposing", {"INPUT0": data})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), data.T)
