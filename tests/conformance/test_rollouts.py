"""Goal: a rollout decides who gets which version, over every protocol, and says what it did.

Method: identity models of several versions, whose answers name the version; weights of 0 and 100
and known keys, so that every answer is certain.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Array, Client
from tests.conformance.conftest import connect
from tests.conformance.metrics_page import metrics_page, wait_until_metrics_say
from tests.conformance.model_files import identity_config, write_config
from tests.conformance.python_models import write_python_model
from tests.conformance.raw_http import Answer, request
from tests.conformance.running_server import RunningServer, ServerOptions
from tests.conformance.steady_clients import SteadyClients

_DATA: Array = np.ones((1, 2), np.float32)
_LABELS = {"stable": 1, "canary": 2}
_LOADED = (
    "split",
    "sticky",
    "headed",
    "sticky_header",
    "file",
    "moving",
    "plain",
    "api",
    "back",
    "shadowed",
)
# Asks for the label of a request's parameters.
_ASKER = """
    import json
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            return [self.answer(request) for request in requests]

        def answer(self, request):
            asked = json.loads(request.parameters())
            inner = pb_utils.InferenceRequest(
                model_name=asked["model"],
                model_version=asked["version"],
                inputs=request.inputs(),
                requested_output_names=["OUTPUT0"],
            )
            response = inner.exec()
            return pb_utils.InferenceResponse(response.output_tensors(), response.error())
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, frontend: str) -> Path:
    """Models that tests roll out, each its own, one repository for each front end."""
    path = tmp_path_factory.mktemp(f"rollouts_{frontend}")
    for name in (*_LOADED, "wrong"):
        versions = "version_policy: { all {} }"
        write_config(path, name, identity_config("FP32", extra=versions), (1, 2, 3))
    _write(path, "split", split={"stable": 100, "canary": 0})
    _write(path, "sticky", split={"stable": 50, "canary": 50}, sticky_by="parameter:user")
    _write(path, "back", split={"canary": 100}, rollback={"to": "stable", "when": {"p99_ms": 0}})
    shadow = {"label": "canary", "percent": 100, "compare": {"rtol": 1e-3}}
    _write(path, "shadowed", split={"stable": 1}, shadow=shadow)
    headers = [{"name": "X-Version", "value": "beta", "label": "canary"}]
    _write(path, "headed", split={"stable": 1}, headers=headers)
    halves = {"stable": 50, "canary": 50}
    _write(path, "sticky_header", split=halves, sticky_by="header:x-user")
    write_python_model(path, "asker", _ASKER)
    sequences = identity_config("FP32", extra="sequence_batching {}")
    write_config(path, "sequences", sequences, (1, 2))
    _write(path, "sequences", split={"stable": 1}, shadow=shadow)
    (path / "wrong" / "rollout.json").write_text('{"labels": {"stable": 1}, "split": {"a": 1}}')
    return path


@pytest.fixture(scope="module")
def rollout_server(frontend: str, repository: Path) -> Iterator[RunningServer]:
    """A server that loads on demand."""
    arguments = ["--model-control-mode", "explicit", "--exit-on-error", "false"]
    for name in (*_LOADED, "asker", "sequences"):
        arguments += ["--load-model", name]
    with RunningServer(repository, ServerOptions(arguments, frontend=frontend)) as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def rolled(request: pytest.FixtureRequest, rollout_server: RunningServer) -> Iterator[Client]:
    """Both clients of that server."""
    with connect(request.param, rollout_server) as client:
        yield client


def test_a_request_without_a_version_goes_where_the_split_says(rolled: Client) -> None:
    assert [_version(rolled, "split") for _ in range(20)] == [1] * 20


def test_a_label_is_a_version_like_its_number(rolled: Client) -> None:
    assert _version(rolled, "split", "canary") == 2
    assert _version(rolled, "split", "stable") == 1
    assert _version(rolled, "split", "3") == 3
    assert rolled.raw.is_model_ready("split", "canary")


def test_metadata_config_and_statistics_know_labels(rolled: Client) -> None:
    _version(rolled, "split", "canary")
    metadata = rolled.raw.get_model_metadata("split", "canary")
    versions = metadata["versions"] if isinstance(metadata, dict) else metadata.versions
    assert list(versions) == ["2"]
    assert [each["version"] for each in rolled.statistics("split", "canary")] == ["2"]


def test_an_unknown_label_is_told_which_there_are(rolled: Client) -> None:
    with pytest.raises(InferenceServerException) as raised:
        _version(rolled, "split", "next")
    text = "model 'split' has no version label 'next', only 'stable', 'canary'"
    assert text in str(raised.value)


def test_without_a_rollout_a_word_is_no_version(rollout_server: RunningServer) -> None:
    with connect("grpc", rollout_server) as client:
        assert _version(client, "plain") == 3
        with pytest.raises(InferenceServerException, match="failed to get model version from"):
            _version(client, "plain", "canary")
    answer = request(rollout_server.http_port, "POST", "/v2/models/plain/versions/canary/infer")
    assert answer.status == 404
    answer = request(rollout_server.http_port, "GET", "/v2/models/plain/versions/canary")
    assert answer.status == 404


def test_a_model_may_ask_another_for_a_label(rolled: Client) -> None:
    def answers() -> dict[str, int]:
        counted = rolled.statistics("split")
        return {one["version"]: int(one.get("inference_count", 0)) for one in counted}

    before = answers()
    asked: list[tuple[int | str, str]] = [("canary", "2"), ("stable", "1"), ("", "1"), (3, "3")]
    for version, _ in asked:
        rolled.infer("asker", {"INPUT0": _DATA}, parameters={"model": "split", "version": version})
    expected = Counter(version for _, version in asked)
    assert {one: count - before[one] for one, count in answers().items()} == expected
    for model, text in (
        ("split", "no version label 'next', only 'stable', 'canary'"),
        ("plain", "model 'plain' has no version label 'next': it has no rollout"),
        ("nobody", "Model 'nobody' is not ready"),
    ):
        with pytest.raises(InferenceServerException, match=text):
            rolled.infer("asker", {"INPUT0": _DATA}, parameters={"model": model, "version": "next"})


def test_streams_are_split_and_know_labels(rollout_server: RunningServer) -> None:
    with connect("grpc", rollout_server) as client:
        answers: list[Any] = []
        client.raw.start_stream(lambda result, error: answers.append(error or result))
        tensors = [client.tensor("INPUT0", _DATA)]
        client.raw.async_stream_infer("split", tensors)
        client.raw.async_stream_infer("split", tensors, model_version="canary")
        client.raw.async_stream_infer("split", tensors, model_version="next")
        client.raw.stop_stream()
    first, second, third = answers
    assert [int(each.get_response().model_version) for each in (first, second)] == [1, 2]
    assert "no version label 'next'" in str(third)


def test_one_user_always_meets_the_same_version_over_every_protocol(
    rollout_server: RunningServer,
) -> None:
    with connect("http", rollout_server) as http, connect("grpc", rollout_server) as grpc:
        met = {
            user: {
                _version(client, "sticky", parameters={"user": user})
                for client in (http, grpc, http)
            }
            for user in map(str, range(40))
        }
    assert all(len(versions) == 1 for versions in met.values())
    assert {version for versions in met.values() for version in versions} == {1, 2}


def test_a_header_leads_to_a_label(rolled: Client) -> None:
    assert _version(rolled, "headed") == 1
    assert _version(rolled, "headed", headers={"x-version": "beta"}) == 2
    assert _version(rolled, "headed", headers={"x-version": "alpha"}) == 1
    assert _version(rolled, "headed", "3", headers={"x-version": "beta"}) == 3


def test_a_header_leads_streams_and_generate_to_a_label(rollout_server: RunningServer) -> None:
    with connect("grpc", rollout_server) as client:
        answers: list[Any] = []
        client.raw.start_stream(
            lambda result, error: answers.append(error or result), headers={"x-version": "beta"}
        )
        for _ in range(2):
            client.raw.async_stream_infer("headed", [client.tensor("INPUT0", _DATA)])
        client.raw.stop_stream()
    assert [each.get_response().model_version for each in answers] == ["2", "2"]
    for headers, version in (({}, "1"), ({"X-Version": "beta"}, "2")):
        answer = _generate(rollout_server, "models/headed/generate", headers)
        assert answer.json["model_version"] == version


def test_one_header_always_meets_the_same_version_over_every_protocol(
    rollout_server: RunningServer,
) -> None:
    with connect("http", rollout_server) as http, connect("grpc", rollout_server) as grpc:
        met = [
            {
                _version(client, "sticky_header", headers={"x-user": str(user)})
                for client in (http, grpc, http)
            }
            for user in range(40)
        ]
    assert all(len(versions) == 1 for versions in met)
    assert set.union(*met) == {1, 2}


def test_generate_knows_labels(rollout_server: RunningServer) -> None:
    for kind in ("generate", "generate_stream"):
        answer = _generate(rollout_server, f"models/split/versions/canary/{kind}")
        body = answer.body.removeprefix(b"data: ")
        assert json.loads(body)["model_version"] == "2"
        unknown = _generate(rollout_server, f"models/split/versions/next/{kind}")
        assert unknown.status == 400
        assert unknown.error == (
            "model 'split' has no version label 'next', only 'stable', 'canary'"
        )
        assert _generate(rollout_server, f"models/plain/versions/canary/{kind}").status == 404


def test_no_request_is_lost_while_files_change(
    rollout_server: RunningServer, repository: Path
) -> None:
    clients = SteadyClients(
        rollout_server, ["http", "grpc"], lambda client: _version(client, "moving")
    )
    try:
        with connect("http", rollout_server) as control:
            for label in ("stable", "canary", "stable", "canary"):
                clients.wait_for_a_round()
                _write(repository, "moving", split={label: 1})
                control.raw.load_model("moving")
                assert _version(control, "moving") == _LABELS[label]
    finally:
        clients.stop()
    assert not clients.failures


def test_a_file_is_taken_up_by_a_load_that_loads_no_version_again(
    rollout_server: RunningServer, repository: Path
) -> None:
    with connect("http", rollout_server) as client:
        assert _version(client, "file") == 3
        loaded = rollout_server.output.count("loading: file:")
        _write(repository, "file", split={"stable": 1})
        client.raw.load_model("file")
        assert _version(client, "file") == 1
        _write(repository, "file", split={"canary": 1})
        client.raw.load_model("file")
        assert _version(client, "file") == 2
        (repository / "file" / "rollout.json").unlink()
        client.raw.load_model("file")
        assert _version(client, "file") == 3
    assert rollout_server.output.count("loading: file:") == loaded


def test_a_wrong_file_fails_the_load_and_names_its_field(
    rollout_server: RunningServer, repository: Path
) -> None:
    with connect("grpc", rollout_server) as client:
        with pytest.raises(InferenceServerException) as raised:
            client.raw.load_model("wrong")
        assert not client.raw.is_model_ready("wrong")
    path = repository / "wrong" / "rollout.json"
    assert f"{path}: split: \"a\" is not one of the labels 'stable'" in str(raised.value)


def test_the_api_sets_resets_and_shows_a_rollout(rollout_server: RunningServer) -> None:
    assert _get(rollout_server, "api").error == "model 'api' has no rollout"
    document = {"labels": _LABELS, "split": {"canary": 1}}
    shown = _post(rollout_server, "api", document).json
    assert shown["rollout"] == document
    assert (shown["source"], shown["rolled_back"]) == ("api", "")
    with connect("http", rollout_server) as client:
        assert _version(client, "api") == 2
        client.raw.load_model("api")  # has no file, as before: what was set stays
        assert _version(client, "api") == 2
    counted = [
        (each["label"], each["requests"]) for each in _get(rollout_server, "api").json["labels"]
    ]
    assert counted == [("stable", 0), ("canary", 2)]
    wrong = _post(rollout_server, "api", {"labels": _LABELS})
    assert (wrong.status, wrong.error) == (400, "rollout of model 'api': split: is missing")
    unknown = _post(rollout_server, "nobody", document)
    assert unknown.status == 404
    assert "'nobody' is not found" in unknown.error


def test_a_version_over_its_limit_loses_its_traffic_until_the_rollout_is_reset(
    rollout_server: RunningServer,
) -> None:
    reason = "label 'canary' (version 2): 3 of the last 200 requests took more than 0 ms"
    with connect("grpc", rollout_server) as client:
        assert [_version(client, "back") for _ in range(5)] == [2, 2, 2, 1, 1]
        assert _get(rollout_server, "back").json["rolled_back"] == reason
        rollout_server.wait_for(f"goes back to label 'stable' (version 1), because of {reason}")
        page = metrics_page(rollout_server)
        assert 'tritonpy_rollout_rolled_back{model="back"} 1\n' in page
        labels = 'label="canary",model="back",version="2"'
        assert f"tritonpy_rollout_requests_total{{{labels}}} 3\n" in page
        assert f"tritonpy_rollout_failures_total{{{labels}}} 0\n" in page
        client.raw.load_model("back")  # the same file gives no other try
        assert _version(client, "back") == 1
        assert _post(rollout_server, "back", {"reset": True}).json["rolled_back"] == ""
        assert _version(client, "back") == 2


def test_a_shadow_is_compared_and_nobody_hears_of_it(rollout_server: RunningServer) -> None:
    for protocol in ("http", "grpc"):
        with connect(protocol, rollout_server) as client:
            assert _version(client, "shadowed") == 1
    labels = 'label="canary",model="shadowed",result="equal",version="2"'
    wait_until_metrics_say(rollout_server, f"tritonpy_shadow_comparisons_total{{{labels}}} 2")
    labels = 'label="canary",model="shadowed",version="2"'
    assert f"tritonpy_shadow_max_difference{{{labels}}} 0\n" in metrics_page(rollout_server)
    assert _get(rollout_server, "shadowed").json["shadow"]["equal"] == 2


def test_a_shadow_of_sequences_is_warned_of(rollout_server: RunningServer) -> None:
    rollout_server.wait_for(
        "model 'sequences' is not shadowed: requests of sequences, and those that are answered "
        "more than once, have no second answer to compare"
    )


def _generate(server: RunningServer, path: str, headers: Mapping[str, str] | None = None) -> Answer:
    return request(server.http_port, "POST", f"/v2/{path}", '{"INPUT0": [1, 2]}', headers)


def _version(client: Client, model: str, version: str = "", **options: Any) -> int:
    result = client.infer(model, {"INPUT0": _DATA}, model_version=version, **options)
    return int(client.response(result)["model_version"])


def _write(repository: Path, model: str, **fields: Any) -> None:
    document = {"labels": _LABELS, **fields}
    (repository / model / "rollout.json").write_text(json.dumps(document))


def _get(server: RunningServer, model: str) -> Answer:
    return request(server.http_port, "GET", _path(model))


def _post(server: RunningServer, model: str, document: dict[str, Any]) -> Answer:
    return request(server.http_port, "POST", _path(model), json.dumps(document))


def _path(model: str) -> str:
    return f"/v2/repository/models/{model}/rollout"
