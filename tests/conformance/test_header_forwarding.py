"""Goal: headers that a pattern names become parameters that a Python model sees, and no others.

Method: a Python model that answers with its request's parameters, asked by tritonclient over both
protocols.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Client
from tests.conformance.conftest import connect
from tests.conformance.python_models import write_python_model
from tests.conformance.raw_http import request
from tests.conformance.running_server import RunningServer, ServerOptions

_SOURCE = """
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            return [
                pb_utils.InferenceResponse(
                    [pb_utils.Tensor("SEEN", np.array([request.parameters()], np.object_))]
                )
                for request in requests
            ]
"""
_CONFIG = """
    backend: "python"
    input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ 1 ] } ]
    output [ { name: "SEEN" data_type: TYPE_STRING dims: [ 1 ] } ]
"""
_DATA = np.ones(1, np.float32)


@pytest.fixture(scope="module")
def forwarding_server(
    tmp_path_factory: pytest.TempPathFactory, frontend: str
) -> Iterator[RunningServer]:
    """A server that forwards some headers."""
    repository = tmp_path_factory.mktemp(f"forwarding_{frontend}")
    write_python_model(repository, "seeing", _SOURCE, _CONFIG)
    arguments = ["--http-header-forward-pattern", "MY_header.*|sequence"]
    arguments += ["--grpc-header-forward-pattern", "my_header.*"]
    with RunningServer(repository, ServerOptions(arguments, frontend=frontend)) as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def forwarding(
    request: pytest.FixtureRequest, forwarding_server: RunningServer
) -> Iterator[Client]:
    """Both clients of that server."""
    with connect(request.param, forwarding_server) as client:
        yield client


def _seen(client: Client, **options: Any) -> Any:
    return json.loads(client.infer("seeing", {"INPUT0": _DATA}, **options).as_numpy("SEEN")[0])


def test_headers_of_the_pattern_are_parameters(forwarding: Client) -> None:
    headers = {"my_header_1": 'a "quoted" \\ word', "my_header_2": "2", "other": "x"}
    seen = _seen(forwarding, headers=headers, parameters={"own": 5})
    assert seen == {"own": 5, "my_header_1": 'a "quoted" \\ word', "my_header_2": "2"}
    assert _seen(forwarding) == {}


def test_requests_of_a_stream_have_the_headers_that_it_began_with(
    forwarding_server: RunningServer,
) -> None:
    answers: list[Any] = []
    with connect("grpc", forwarding_server) as client:
        client.raw.start_stream(
            lambda result, error: answers.append(error or result), headers={"my_header": "s"}
        )
        for _ in range(2):
            client.raw.async_stream_infer("seeing", [client.tensor("INPUT0", _DATA)])
        client.raw.stop_stream()
    assert [json.loads(each.as_numpy("SEEN")[0]) for each in answers] == [{"my_header": "s"}] * 2


def test_http_refuses_reserved_names(forwarding_server: RunningServer) -> None:
    with connect("http", forwarding_server) as client:
        with pytest.raises(InferenceServerException) as raised:
            _seen(client, headers={"sequence_id": "7"})
        assert _seen(client, headers={"sequences": "7"}) == {"sequences": "7"}
    text = "Header 'sequence_id' is reserved for Triton usage and cannot be forwarded."
    assert raised.value.message() == text
    assert raised.value.status() == "400"


def test_generate_forwards_nothing(forwarding_server: RunningServer) -> None:
    answer = request(
        forwarding_server.http_port,
        "POST",
        "/v2/models/seeing/generate",
        '{"INPUT0": 1, "own": 2}',
        {"my_header": "x"},
    )
    assert json.loads(answer.json["SEEN"]) == {"own": 2}


def test_a_pattern_that_is_none_is_told_at_the_start(frontend: str, tmp_path: Path) -> None:
    arguments = ["--http-header-forward-pattern", "x-("]
    text = r"header forward pattern 'x-\(' is no regular expression"
    with pytest.raises(AssertionError, match=text):
        RunningServer(tmp_path, ServerOptions(arguments, frontend=frontend))
