"""Goal: sequences are served as Triton's clients and models know them.

Method: models that add up what a sequence brings, that tell the controls they got, and that run
again and again; over Triton's clients on every front end.
"""

from __future__ import annotations

import json
import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Array, Client
from tests.conformance.conftest import connect
from tests.conformance.metrics_page import (
    metrics_page,
    wait_until_cancelled,
    wait_until_waiting,
)
from tests.conformance.raw_http import request
from tests.conformance.running_server import RunningServer, ServerOptions
from tests.conformance.sequence_models import (
    DIRECT,
    OLDEST,
    STATE_OUTPUT,
    write_controls_model,
    write_countdown_model,
    write_history_model,
    write_sum_model,
)

_IDLE = "max_sequence_idle_microseconds: 60000000 "
_MISSING_START = (
    "inference request for sequence {} to model '{}' must specify the START flag on the first "
    "request of the sequence"
)
_ONE_SLOT = _IDLE + "oldest { max_candidate_sequences: 1 }"


@pytest.fixture(scope="module")
def sequences(frontend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with models of sequences."""
    repository: Path = tmp_path_factory.mktemp("models")
    write_sum_model(repository, "direct", _IDLE + DIRECT, instances=2)
    write_sum_model(repository, "oldest", _IDLE + OLDEST)
    write_sum_model(repository, "unbatched", _IDLE + DIRECT, batch=0)
    write_sum_model(repository, "default", "", outputs=STATE_OUTPUT)
    write_sum_model(repository, "one_slot", _ONE_SLOT)
    write_sum_model(repository, "short_idle", "max_sequence_idle_microseconds: 1")
    initial = 'initial_state { name: "i" data_type: TYPE_FP32 dims: [ 1 ] data_file: "ten" }'
    directory = write_sum_model(repository, "from_ten", _IDLE + DIRECT, initial=initial)
    (directory / "initial_state").mkdir()
    (directory / "initial_state" / "ten").write_bytes(np.float32(10).tobytes())
    write_history_model(repository, "history")
    for name in ("UINT64", "INT64", "UINT32", "INT32", "STRING"):
        write_controls_model(repository, f"told_{name}", f"TYPE_{name}")
    write_countdown_model(repository, "countdown")
    write_countdown_model(repository, "countdown_stream", decoupled=True)
    write_countdown_model(repository, "no_countdown", "")
    with RunningServer(repository, ServerOptions(frontend=frontend)) as running:
        yield running


@pytest.fixture(params=("http", "grpc"))
def client(request: pytest.FixtureRequest, sequences: RunningServer) -> Iterator[Client]:
    """Both clients, one after the other."""
    with connect(request.param, sequences) as connected:
        yield connected


def _number(value: float, *, batched: bool = True) -> dict[str, Array]:
    return {"INPUT": np.full((1, 1) if batched else (1,), value, np.float32)}


def _sums(client: Client, model: str, sequence_id: int | str, values: list[float]) -> list[float]:
    batched = model != "unbatched"
    return [
        client.infer(
            model,
            _number(value, batched=batched),
            sequence_id=sequence_id,
            sequence_start=at == 0,
            sequence_end=at == len(values) - 1,
        )
        .as_numpy("SUM")
        .item()
        for at, value in enumerate(values)
    ]


@pytest.mark.parametrize("model", ["direct", "oldest", "unbatched"])
def test_a_sequence_adds_up_and_starts_anew(client: Client, model: str) -> None:
    for sequence_id in (7, "name"):
        for _ in range(2):
            assert _sums(client, model, sequence_id, [1, 2, 3]) == [1, 3, 6]


@pytest.mark.parametrize("model", ["direct", "oldest"])
def test_sequences_at_the_same_time_do_not_mix(sequences: RunningServer, model: str) -> None:
    def run(sequence_id: int) -> list[float]:
        with connect("grpc" if sequence_id % 2 else "http", sequences) as own:
            return _sums(own, model, sequence_id, [float(sequence_id)] * 20)

    with ThreadPoolExecutor(12) as pool:
        for sequence_id, sums in enumerate(pool.map(run, range(1, 13)), start=1):
            assert sums == [float(sequence_id * count) for count in range(1, 21)]


def test_initial_state_comes_from_a_file(client: Client) -> None:
    assert _sums(client, "from_ten", 1, [1, 2]) == [11, 13]


def test_a_state_grows_along_its_variable_dimension(client: Client) -> None:
    history: list[float] = [0]  # the initial state has one element
    for count in range(1, 21):
        result = client.infer("history", _number(count), sequence_id=3, sequence_start=count == 1)
        history.append(count)
        assert result.as_numpy("HISTORY").tolist() == [history]
    client.infer("history", _number(0), sequence_id=3, sequence_end=True)


def test_a_state_that_is_an_output_is_returned_and_others_are_not(client: Client) -> None:
    options: dict[str, Any] = {"sequence_id": 5, "sequence_start": True, "sequence_end": True}
    result = client.infer("default", _number(3), **options)
    assert result.as_numpy("STATE_OUT").item() == 3
    with pytest.raises(InferenceServerException) as raised:
        client.infer("direct", _number(3), [client.output("STATE_OUT")], **options)
    assert raised.value.message() == "unexpected inference output 'STATE_OUT' for model 'direct'"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sequence_id": 99}, _MISSING_START.format(99, "direct")),
        ({"sequence_id": "x"}, _MISSING_START.format("x", "direct")),
        (
            {},
            "inference request to model 'direct' must specify a non-zero or non-empty correlation "
            "ID",
        ),
    ],
)
def test_refused_requests(client: Client, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InferenceServerException) as raised:
        client.infer("direct", _number(1), **options)
    assert raised.value.message() == message
    assert raised.value.status() in ("400", "StatusCode.INVALID_ARGUMENT")


def test_a_batch_is_refused(client: Client) -> None:
    with pytest.raises(InferenceServerException) as raised:
        client.infer(
            "direct", {"INPUT": np.ones((2, 1), np.float32)}, sequence_id=1, sequence_start=True
        )
    assert raised.value.message() == (
        "inference request to model 'direct' must specify batch-size 1 due to requirements of "
        "sequence batcher"
    )


@pytest.mark.parametrize("kind", ["UINT64", "INT64", "UINT32", "INT32", "STRING"])
def test_controls_tell_what_the_request_is(client: Client, kind: str) -> None:
    sequence_id = "s" if kind == "STRING" else 41
    told = [
        client.infer(
            f"told_{kind}",
            {"INPUT": np.zeros((1, 1), np.int32)},
            sequence_id=sequence_id,
            sequence_start=at == 0,
            sequence_end=at == 2,
        )
        .as_numpy("TOLD")
        .item()
        .decode()
        for at in range(3)
    ]
    assert told == [f"{flags} 1 {sequence_id} {sequence_id}" for flags in ("1 0", "0 0", "0 1")]


@pytest.mark.parametrize(
    ("kind", "sequence_id", "types"), [("INT32", "s", "BYTES INT32"), ("STRING", 4, "UINT64 BYTES")]
)
def test_an_id_of_the_wrong_type_is_refused(
    client: Client, kind: str, sequence_id: int | str, types: str
) -> None:
    came, expected = types.split()
    with pytest.raises(InferenceServerException) as raised:
        client.infer(
            f"told_{kind}",
            {"INPUT": np.zeros((1, 1), np.int32)},
            sequence_id=sequence_id,
            sequence_start=True,
        )
    assert raised.value.message() == (
        f"sequence batching control 'CORRID' data-type is '{came}', but model 'told_{kind}' "
        f"expects '{expected}'"
    )


def _go_on(client: Client, model: str, sequence_id: int) -> None:
    while True:
        client.infer(model, _number(1), sequence_id=sequence_id)


def test_an_idle_sequence_ends(client: Client) -> None:
    client.infer("short_idle", _number(1), sequence_id=8, sequence_start=True)
    with pytest.raises(InferenceServerException) as raised:
        _go_on(client, "short_idle", 8)
    assert raised.value.message() == _MISSING_START.format(8, "short_idle")


def test_a_sequence_without_a_slot_waits_no_longer_than_its_timeout(client: Client) -> None:
    client.infer("one_slot", _number(1), sequence_id=1, sequence_start=True)
    with pytest.raises(InferenceServerException) as raised:
        client.infer("one_slot", _number(1), sequence_id=2, sequence_start=True, timeout=1000)
    assert raised.value.message() == "timeout of the corresponding sequence has been expired"
    assert raised.value.status() in ("503", "StatusCode.UNAVAILABLE")
    with pytest.raises(InferenceServerException) as raised:
        client.infer("one_slot", _number(1), sequence_id=2)
    assert raised.value.message() == _MISSING_START.format(2, "one_slot")
    client.infer("one_slot", _number(1), sequence_id=1, sequence_end=True)
    assert _sums(client, "one_slot", 2, [1, 2]) == [1, 3]


def test_a_stream_gets_a_sequence_in_order(sequences: RunningServer) -> None:
    with grpcclient.InferenceServerClient(sequences.grpc_address) as client:
        answers: queue.Queue[Any] = queue.Queue()
        client.start_stream(lambda result, error: answers.put(error or result))
        for at in range(50):
            for sequence_id in (1, 2):
                tensor = grpcclient.InferInput("INPUT", [1, 1], "FP32")
                tensor.set_data_from_numpy(np.full((1, 1), sequence_id, np.float32))
                client.async_stream_infer(
                    "oldest",
                    [tensor],
                    request_id=str(sequence_id),
                    sequence_id=sequence_id,
                    sequence_start=at == 0,
                    sequence_end=at == 49,
                )
        sums: dict[str, list[float]] = {"1": [], "2": []}
        for _ in range(100):
            answer = answers.get()
            sums[answer.get_response().id].append(answer.as_numpy("SUM").item())
        client.stop_stream()
    assert sums["1"] == [float(count) for count in range(1, 51)]
    assert sums["2"] == [float(2 * count) for count in range(1, 51)]


def test_a_cancelled_sequence_leaves_the_backlog(sequences: RunningServer) -> None:
    with connect("grpc", sequences) as client:
        client.infer("one_slot", _number(1), sequence_id=1, sequence_start=True)
        tensor = client.tensor("INPUT", _number(1)["INPUT"])
        waiting = client.raw.async_infer(
            "one_slot", [tensor], lambda result, error: None, sequence_id=3, sequence_start=True
        )
        wait_until_waiting(sequences, 1, "one_slot")
        waiting.cancel()
        wait_until_cancelled(sequences, 1, "one_slot")
        client.infer("one_slot", _number(1), sequence_id=1, sequence_end=True)


def test_statistics_count_what_clients_sent(sequences: RunningServer) -> None:
    with connect("http", sequences) as client:
        before = client.statistics("direct")[0]
        _sums(client, "direct", 1, [1.0] * 6)
        after = client.statistics("direct")[0]
    for count in ("inference_count", "execution_count"):
        assert after[count] - before[count] == 6
    success = 'nv_inference_request_success{model="direct",version="1"}'
    assert f"{success} {after['inference_stats']['success']['count']}\n" in metrics_page(sequences)


def test_an_iterative_request_runs_until_its_model_is_done(client: Client) -> None:
    counts = {"FROM": np.array([[5]], np.int32)}
    before = client.statistics("countdown")[0]
    assert client.infer("countdown", counts).as_numpy("LEFT").item() == 0
    after = client.statistics("countdown")[0]
    assert int(after["inference_count"]) - int(before["inference_count"]) == 1
    wanted = int(before["execution_count"]) + 5  # the last is counted once it has returned
    while int(client.statistics("countdown")[0]["execution_count"]) < wanted:
        pass


def test_iterative_requests_run_side_by_side(sequences: RunningServer) -> None:
    def run(count: int) -> int:
        with connect("http", sequences) as own:
            left = own.infer("countdown", {"FROM": np.array([[count]], np.int32)})
            return int(left.as_numpy("LEFT").item())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(run, range(1, 33))) == [0] * 32


def test_an_iterative_request_streams(sequences: RunningServer) -> None:
    body = json.dumps({"FROM": 4}).encode()
    answer = request(
        sequences.http_port, "POST", "/v2/models/countdown_stream/generate_stream", body
    )
    events = [
        json.loads(line.removeprefix("data: "))
        for line in answer.body.decode().splitlines()
        if line.startswith("data: ")
    ]
    assert [event["LEFT"] for event in events] == [3, 2, 1, 0]


def test_only_iterative_models_may_reschedule(client: Client) -> None:
    counts = {"FROM": np.array([[5]], np.int32)}
    with pytest.raises(InferenceServerException) as raised:
        client.infer("no_countdown", counts, sequence_id=1, sequence_start=True)
    assert raised.value.message() == (
        "Request is released with TRITONSERVER_REQUEST_RELEASE_RESCHEDULE, while the model is not "
        "configured to handle such a flag."
    )
