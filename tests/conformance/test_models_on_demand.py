"""Goal: models that are loaded when somebody asks for them serve as if they had always been there.

Method: servers whose memory budget has room for two of their models, asked over every front end.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Array, Client
from tests.conformance.conftest import connect
from tests.conformance.gated_model import held
from tests.conformance.metrics_page import metrics_page, wait_until_metrics_say
from tests.conformance.model_files import identity_config, write_config
from tests.conformance.on_demand_models import (
    MODEL_BYTES,
    NATIVE,
    gate_of,
    takes,
    write_models,
)
from tests.conformance.raw_http import request
from tests.conformance.repository_index import states
from tests.conformance.running_server import RunningServer, ServerOptions
from tests.conformance.scripted_model import NAME as SCRIPTED

_BUDGET = 2 * MODEL_BYTES + MODEL_BYTES // 2
_DATA: Array = np.arange(3, dtype=np.float32).reshape(1, 3)
_OPTIONS = (
    "--load-on-demand",
    "true",
    "--model-memory-budget",
    str(_BUDGET),
    "--pin-model",
    "pinned",
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, frontend: str) -> Path:
    """A repository of more models than there is memory for, one for each front end."""
    path: Path = tmp_path_factory.mktemp(f"on_demand_{frontend}")
    write_models(path)
    return path


@pytest.fixture(scope="module")
def sparing_server(frontend: str, repository: Path) -> Iterator[RunningServer]:
    """A server that has room for two models."""
    with RunningServer(repository, ServerOptions(_OPTIONS, frontend=frontend)) as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def client(request: pytest.FixtureRequest, sparing_server: RunningServer) -> Iterator[Client]:
    """Both clients, one after the other."""
    with connect(request.param, sparing_server) as connected:
        yield connected


@pytest.fixture
def one_client(sparing_server: RunningServer) -> Iterator[Client]:
    """One client, where it does not matter who asks."""
    with connect("grpc", sparing_server) as connected:
        yield connected


def _ask(client: Client, model: str) -> None:
    result = client.infer(model, {"INPUT0": _DATA})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), _DATA)


def _make_room(client: Client, kept_out: str) -> None:
    """Leave a model out of memory."""
    for other in [name for name in NATIVE if name != kept_out][:2]:
        _ask(client, other)


def _in_memory(server: RunningServer) -> set[str]:
    return {
        name for name in NATIVE if any(state == "READY" for _, state, _ in states(server, name))
    }


def _metric(server: RunningServer, name: str, model: str) -> float:
    start = f'{name}{{model="{model}"}} '
    lines = [line for line in metrics_page(server).splitlines() if line.startswith(start)]
    return float(lines[0].removeprefix(start)) if lines else 0.0


def test_models_come_when_they_are_asked_for_and_the_oldest_makes_room(
    client: Client, sparing_server: RunningServer
) -> None:
    for asked in ("a", "b", "c", "b", "d", "a"):
        _ask(client, asked)
    assert _in_memory(sparing_server) == {"d", "a"}
    ((version, state, reason),) = states(sparing_server, "b")
    assert (version, state) == ("1", "UNAVAILABLE")
    assert reason == "not in memory, is loaded when it is asked for"
    sparing_server.wait_for("successfully unloaded 'b' version 1")


def test_a_pinned_model_was_never_out(one_client: Client, sparing_server: RunningServer) -> None:
    for asked in ("pinned", "a", "b", "c", "d"):
        _ask(one_client, asked)
    assert [line[1] for line in states(sparing_server, "pinned")] == ["READY"]
    assert sparing_server.output.count("loading: pinned:1") == 1


def test_a_model_that_is_out_is_ready_and_comes_for_whoever_asks_what_it_is(
    client: Client, sparing_server: RunningServer
) -> None:
    _make_room(client, kept_out="d")
    assert client.raw.is_server_ready()
    assert client.raw.is_model_ready("d")
    assert client.raw.is_model_ready("d", "1")
    assert "d" not in _in_memory(sparing_server)
    client.raw.get_model_metadata("d")
    assert "d" in _in_memory(sparing_server)
    _make_room(client, kept_out="d")
    client.raw.get_model_config("d")
    assert "d" in _in_memory(sparing_server)
    assert not client.raw.is_model_ready("nobody")


def test_labels_of_a_model_that_was_never_loaded(
    client: Client, sparing_server: RunningServer
) -> None:
    model = f"labelled_{client.protocol}"
    assert client.raw.is_model_ready(model, "stable")
    assert _metric(sparing_server, "tritonpy_model_cold_loads_total", model) == 0
    result = client.infer(model, {"INPUT0": _DATA}, model_version="canary")
    assert client.response(result)["model_version"] == "2"
    result = client.infer(model, {"INPUT0": _DATA})
    assert client.response(result)["model_version"] == "1"
    unknown = "has no version label 'beta', only 'stable', 'canary'"
    with pytest.raises(InferenceServerException, match=unknown):
        client.infer(model, {"INPUT0": _DATA}, model_version="beta")


def test_wrong_requests_are_wrong_for_a_model_that_is_out(client: Client) -> None:
    _make_room(client, kept_out="d")
    with pytest.raises(InferenceServerException, match="unexpected inference input 'WRONG'"):
        client.infer("d", {"WRONG": _DATA})
    _make_room(client, kept_out="d")
    with pytest.raises(InferenceServerException, match="'d' version 7 is not found"):
        client.infer("d", {"INPUT0": _DATA}, model_version="7")
    with pytest.raises(InferenceServerException, match="unknown model: 'nobody' is not found"):
        client.infer("nobody", {"INPUT0": _DATA})


def test_raw_bytes_for_a_model_that_is_out(
    one_client: Client, sparing_server: RunningServer
) -> None:
    _make_room(one_client, kept_out="d")
    answer = request(
        sparing_server.http_port,
        "POST",
        "/v2/models/d/infer",
        _DATA.tobytes(),
        {"Inference-Header-Content-Length": "0"},
    )
    assert answer.status == 200
    assert _DATA.tobytes() in answer.body


def test_raw_bytes_for_a_model_whose_config_does_not_say_what_they_are(
    sparing_server: RunningServer,
) -> None:
    answer = request(
        sparing_server.http_port,
        "POST",
        "/v2/models/untyped/infer",
        _DATA.tobytes(),
        {"Inference-Header-Content-Length": "0"},
    )
    assert answer.status == 400
    assert answer.error == (
        "Raw request must only have 1 input (found 1) to be deduced but got 0 inputs in 'untyped' "
        "model configuration"
    )


def test_generate_brings_its_model(one_client: Client, sparing_server: RunningServer) -> None:
    _make_room(one_client, kept_out="d")
    body = '{"INPUT0": [1, 2]}'
    answer = request(sparing_server.http_port, "POST", "/v2/models/d/generate", body)
    assert answer.status == 200
    assert answer.json["OUTPUT0"] == [1.0, 2.0]


def test_many_clients_of_a_slow_model_wait_for_one_load(
    repository: Path, sparing_server: RunningServer
) -> None:
    clients = 16
    with ThreadPoolExecutor(clients) as pool:

        def ask(number: int) -> None:
            with connect(("http", "grpc")[number % 2], sparing_server) as client:
                _ask(client, "late")

        asked = [pool.submit(ask, number) for number in range(clients)]
        wait_until_metrics_say(
            sparing_server, f'tritonpy_model_requests_waiting{{model="late"}} {clients}'
        )
        with connect("grpc", sparing_server) as other:
            _ask(other, "pinned")  # nobody else waits
        gate_of(repository).write_text("")  # returns once the model reads it
        for future in asked:
            future.result()
    assert sparing_server.output.count("loading: late:1") == 1
    assert _metric(sparing_server, "tritonpy_model_demand_waits_total", "late") == clients
    assert _metric(sparing_server, "tritonpy_model_cold_loads_total", "late") == 1


def test_a_model_that_does_not_load_says_why_and_leaves_the_server_alone(
    client: Client, sparing_server: RunningServer
) -> None:
    for _ in range(3):
        with pytest.raises(
            InferenceServerException, match=r"'broken' could not be loaded: (?s:.*)no such weights"
        ):
            client.infer("broken", {"INPUT0": _DATA})
    loads = _metric(sparing_server, "tritonpy_model_cold_load_failures_total", "broken")
    asked = _metric(sparing_server, "tritonpy_model_demand_waits_total", "broken")
    assert 0 < loads <= asked
    assert not client.raw.is_model_ready("broken")
    assert client.raw.is_server_ready()
    _ask(client, "a")


def test_an_ensemble_brings_what_it_is_made_of(
    client: Client, sparing_server: RunningServer
) -> None:
    for _ in range(2):
        _ask(client, "chain")
        assert {"a", "b"} <= _in_memory(sparing_server)
        _ask(client, "c")
        _ask(client, "d")
        assert _in_memory(sparing_server) == {"c", "d"}


def test_a_model_may_call_one_that_is_out(client: Client) -> None:
    _ask(client, "caller")
    _make_room(client, kept_out="a")
    _ask(client, "caller")


def test_a_decoupled_model_that_is_out(one_client: Client, sparing_server: RunningServer) -> None:
    said: list[str] = []
    script = np.array([b"say:one", b"last:two"], np.object_)
    with ThreadPoolExecutor(1):
        one_client.raw.start_stream(
            lambda result, error: said.append(
                str(error) if error else result.as_numpy("TEXT")[0].decode()
            )
        )
        one_client.raw.async_stream_infer(SCRIPTED, [one_client.tensor("SCRIPT", script)])
        one_client.raw.stop_stream()
    assert said == ["one", "two"]
    with pytest.raises(InferenceServerException, match="decoupled transaction policy"):
        one_client.infer(SCRIPTED, {"SCRIPT": script})


def test_a_busy_model_answers_before_it_makes_room(
    repository: Path, sparing_server: RunningServer
) -> None:
    waiting = "tritonpy_model_requests_waiting"
    with (
        held(sparing_server, repository, "grpc", "busy") as (busy, first),
        ThreadPoolExecutor(1) as pool,
    ):
        asked = pool.submit(_ask_alone, sparing_server, "b")
        wait_until_metrics_say(sparing_server, f'{waiting}{{model="b"}} 1')
        later = busy.send()
        assert not asked.done()
        busy.let_go()
        asked.result()
        assert first.result() == 0
        assert later.result() in (0, 1)  # in an instance of its own, or in the one that was busy


def _ask_alone(server: RunningServer, model: str) -> None:
    with connect("http", server) as client:
        _ask(client, model)


def test_clients_of_more_models_than_there_is_memory_for_all_get_their_answers(
    sparing_server: RunningServer,
) -> None:
    def ask(number: int) -> None:
        chosen = random.Random(number)
        with connect(("http", "grpc")[number % 2], sparing_server) as client:
            for _ in range(40):
                _ask(client, chosen.choice(NATIVE))

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(ask, number) for number in range(8)]:
            future.result()
    evictions = sum(
        _metric(sparing_server, "tritonpy_model_evictions_total", name) for name in NATIVE
    )
    assert evictions > 0
    taken = [_metric(sparing_server, "tritonpy_model_memory_bytes", name) for name in NATIVE]
    assert sum(taken) <= _BUDGET


def test_metrics_tell_hits_from_waits(one_client: Client, sparing_server: RunningServer) -> None:
    names = ("tritonpy_model_demand_hits_total", "tritonpy_model_demand_waits_total")
    _make_room(one_client, kept_out="d")
    before = [_metric(sparing_server, name, "d") for name in names]
    for _ in range(3):
        _ask(one_client, "d")
    after = [_metric(sparing_server, name, "d") for name in names]
    hits, waits = (late - early for early, late in zip(before, after, strict=True))
    assert hits + waits == 3
    assert waits >= 1  # the second may have come before all that waited were let in
    assert f"tritonpy_model_memory_budget_bytes {_BUDGET}" in metrics_page(sparing_server)
    assert _metric(sparing_server, "tritonpy_model_memory_bytes", "d") == MODEL_BYTES


def test_load_and_unload_calls_on_a_server_with_models_on_demand(
    tmp_path: Path, frontend: str
) -> None:
    for name in ("a", "b"):
        write_config(tmp_path, name, identity_config("FP32", extra=takes(1)))
    write_config(tmp_path, "large", identity_config("FP32", extra=takes(10)))
    arguments = (*_OPTIONS[:4], "--model-control-mode", "explicit", "--load-model", "b")
    with (
        RunningServer(tmp_path, ServerOptions(arguments, frontend=frontend)) as server,
        connect("http", server) as client,
    ):
        assert states(server, "a") == [("", "", "")]
        assert [line[1] for line in states(server, "b")] == ["READY"]
        _ask(client, "a")
        client.raw.unload_model("a")
        with pytest.raises(InferenceServerException, match="unknown model: 'a' has no available"):
            _ask(client, "a")
        client.raw.load_model("a")
        _ask(client, "a")
        with pytest.raises(InferenceServerException, match="the memory budget has"):
            client.raw.load_model("large")
        with pytest.raises(
            InferenceServerException, match=r"'large' could not be loaded: .*budget"
        ):
            _ask(client, "large")


def test_a_server_that_stops_answers_who_waits(tmp_path: Path, frontend: str) -> None:
    repository = tmp_path / "models"
    repository.mkdir()
    write_models(repository)
    options = ServerOptions((*_OPTIONS, "--exit-timeout-secs", "60"), frontend=frontend)
    with RunningServer(repository, options) as server, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(_ask_alone, server, "late")
        with gate_of(repository).open("w"):  # returns once the model waits for what is written
            server.ask_to_stop()
            with pytest.raises(InferenceServerException, match="Server is stopping"):
                asked.result()
