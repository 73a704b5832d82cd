"""Goal: a version that fails or has become slow loses its traffic, and everybody can see why.

Method: a Python model whose second version breaks where the request says so; rollouts by the API,
one of them with a limit that every answer is later than.
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

from tests.conformance.clients import Client
from tests.conformance.conftest import connect
from tests.conformance.metrics_page import metrics_page
from tests.conformance.python_models import IDENTITY_CONFIG, write_python_model
from tests.conformance.raw_http import request
from tests.conformance.running_server import RunningServer, ServerOptions

_SOURCE = """
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            self.is_new = args["model_version"] == "2"

        def execute(self, requests):
            return [self.answer(request.inputs()[0].as_numpy()) for request in requests]

        def answer(self, data):
            if self.is_new and data[0, 0] == 1:
                return pb_utils.InferenceResponse([], pb_utils.TritonError("it broke"))
            return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", data)])
"""
_FINE, _BREAK = 0, 1


@pytest.fixture(scope="module")
def judging_server(
    tmp_path_factory: pytest.TempPathFactory, frontend: str
) -> Iterator[RunningServer]:
    """A server with the model in two versions."""
    repository = tmp_path_factory.mktemp(f"rollbacks_{frontend}")
    config = IDENTITY_CONFIG + "version_policy: { all {} }"
    first: Path = write_python_model(repository, "judged", _SOURCE, config).parent
    shutil.copytree(first, first.with_name("2"))
    with RunningServer(repository, ServerOptions(frontend=frontend)) as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def judge(request: pytest.FixtureRequest, judging_server: RunningServer) -> Iterator[Client]:
    """Both clients of that server."""
    with connect(request.param, judging_server) as client:
        yield client


def test_errors_above_the_rate_send_the_traffic_back(
    judge: Client, judging_server: RunningServer
) -> None:
    label = f"wrong_{judge.protocol}"  # whose counters are its own
    _post(judging_server, _rollout(label, {"error_rate": 0.2}))
    assert _version(judge, _FINE) == 2
    for _ in range(3):
        assert _state(judging_server)["rolled_back"] == ""
        with pytest.raises(InferenceServerException, match="it broke"):
            _version(judge, _BREAK)
    reason = f"label '{label}' (version 2): 3 of the last 10 requests failed"
    assert _version(judge, _BREAK) == 1
    _expect_rolled_back(judging_server, label, reason, requests=4, failures=3)
    assert _version(judge, _FINE, label) == 2  # by its name it still answers
    assert _post(judging_server, {"reset": True})["rolled_back"] == ""
    assert 'tritonpy_rollout_rolled_back{model="judged"} 0\n' in metrics_page(judging_server)
    assert _version(judge, _FINE) == 2


def test_answers_later_than_the_limit_send_the_traffic_back(
    judge: Client, judging_server: RunningServer
) -> None:
    label = f"slow_{judge.protocol}"
    _post(judging_server, _rollout(label, {"p99_ms": 0.001}))
    assert _version(judge, _FINE) == 2
    reason = f"label '{label}' (version 2): 1 of the last 10 requests took more than 0.001 ms"
    assert _version(judge, _FINE) == 1
    _expect_rolled_back(judging_server, label, reason, requests=1, failures=0)


def _rollout(label: str, when: dict[str, float]) -> dict[str, Any]:
    return {
        "labels": {"stable": 1, label: 2},
        "split": {label: 1},
        "rollback": {"to": "stable", "when": when, "over_requests": 10},
    }


def _expect_rolled_back(
    server: RunningServer, label: str, reason: str, *, requests: int, failures: int
) -> None:
    state = _state(server)
    assert state["rolled_back"] == reason
    counted = {each["label"]: (each["requests"], each["failures"]) for each in state["labels"]}
    assert counted[label] == (requests, failures)
    server.wait_for(f"goes back to label 'stable' (version 1), because of {reason}")
    page = metrics_page(server)
    assert 'tritonpy_rollout_rolled_back{model="judged"} 1\n' in page
    labels = f'label="{label}",model="judged",version="2"'
    assert f"tritonpy_rollout_requests_total{{{labels}}} {requests}\n" in page
    assert f"tritonpy_rollout_failures_total{{{labels}}} {failures}\n" in page


def _version(client: Client, wish: int, version: str = "") -> int:
    data = np.full((1, 1), wish, np.float32)
    result = client.infer("judged", {"INPUT0": data}, model_version=version)
    return int(client.response(result)["model_version"])


def _post(server: RunningServer, document: dict[str, Any]) -> Any:
    answer = request(server.http_port, "POST", _PATH, json.dumps(document))
    assert answer.status == 200, answer.body
    return answer.json


def _state(server: RunningServer) -> Any:
    return request(server.http_port, "GET", _PATH).json


_PATH = "/v2/repository/models/judged/rollout"
