"""Goal: statistics count exactly what happened.

Method: the scheduler's test hook holds each first batch until so many requests wait, so that which
batches form is known beforehand; then the counters are compared number for number.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Client, HttpClient
from tests.conformance.conftest import connect
from tests.conformance.model_files import identity_config, write_config
from tests.conformance.running_server import RunningServer, ServerOptions

_REQUESTS = 4
# Each test has a model of its own, so that its counters start at 0.
_MODELS = (
    ("rows_http", 8, "dynamic_batching {}"),
    ("rows_grpc", 8, "dynamic_batching {}"),
    ("preferred", 8, "dynamic_batching { preferred_batch_size: [ 2 ] }"),
    ("unbatched", 8, ""),
    ("large", 4, "dynamic_batching {}"),
)


@pytest.fixture(scope="module")
def held_server(frontend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose models begin only when four requests wait."""
    repository = tmp_path_factory.mktemp("held")
    for name, max_batch_size, extra in _MODELS:
        config = identity_config("INT32", max_batch_size=max_batch_size, extra=extra)
        write_config(repository, name, config)
    options = ServerOptions(
        environment={"TRITONSERVER_DELAY_SCHEDULER": str(_REQUESTS)}, frontend=frontend
    )
    with RunningServer(repository, options) as server:
        yield server


def _infer_together(server: RunningServer, protocol: str, model: str, rows: list[int]) -> None:
    """Send requests of these batch sizes from a thread each, and check every answer."""

    def send(number: int) -> None:
        data = np.full((rows[number], 2), number, np.int32)
        with connect(protocol, server) as client:
            result = client.infer(model, {"INPUT0": data})
        np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), data)

    with ThreadPoolExecutor(len(rows)) as pool:
        list(pool.map(send, range(len(rows))))


def _batches(stats: dict[str, Any]) -> dict[int, int]:
    return {batch["batch_size"]: batch["compute_infer"]["count"] for batch in stats["batch_stats"]}


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_waiting_requests_become_one_batch_and_are_counted(
    held_server: RunningServer, protocol: str
) -> None:
    model = f"rows_{protocol}"
    _infer_together(held_server, protocol, model, [1, 2, 1, 3])
    with connect(protocol, held_server) as client:
        (stats,) = client.statistics(model)
    assert stats["name"] == model
    assert stats["version"] == "1"
    assert stats["inference_count"] == 7
    assert stats["execution_count"] == 1
    assert _batches(stats) == {7: 1}
    assert stats["last_inference"] > 0
    counts = {name: duration["count"] for name, duration in stats["inference_stats"].items()}
    assert counts == {
        "success": 4,
        "fail": 0,
        "queue": 4,
        "compute_input": 4,
        "compute_infer": 4,
        "compute_output": 4,
        "cache_hit": 0,
        "cache_miss": 0,
    }


def test_preferred_size_ends_a_batch(held_server: RunningServer) -> None:
    _infer_together(held_server, "http", "preferred", [1, 1, 1, 1])
    with HttpClient(held_server.http_address) as client:
        (stats,) = client.statistics("preferred")
    assert stats["inference_count"] == 4
    # Preferred batches of 2; the hook lets the first form only when all 4 wait.
    assert _batches(stats) == {2: 2}


def test_without_dynamic_batching_every_request_is_executed_alone(
    held_server: RunningServer,
) -> None:
    _infer_together(held_server, "grpc", "unbatched", [1, 2, 1, 2])
    with HttpClient(held_server.http_address) as client:
        (stats,) = client.statistics("unbatched")
    assert stats["inference_count"] == 6
    assert stats["execution_count"] == 4
    assert _batches(stats) == {1: 2, 2: 2}


def test_batches_never_exceed_the_maximum(held_server: RunningServer) -> None:
    _infer_together(held_server, "grpc", "large", [2, 2, 2, 2])
    with HttpClient(held_server.http_address) as client:
        (stats,) = client.statistics("large")
    assert _batches(stats) == {4: 2}


def test_refused_request_counts_as_failure_nowhere(client: Client) -> None:
    (before,) = client.statistics("unbatched")
    with pytest.raises(InferenceServerException):
        client.infer("unbatched", {"INPUT0": np.ones((9, 9), np.float32)})
    (after,) = client.statistics("unbatched")
    assert after["inference_count"] == before["inference_count"]
    assert after["execution_count"] == before["execution_count"]


def test_model_that_never_ran_has_no_batches(client: Client) -> None:
    stats = {each["version"]: each for each in client.statistics("versions")}
    assert set(stats) == {"1", "3"}
    (only,) = client.statistics("versions", "1")
    assert only["version"] == "1"


def test_statistics_without_a_name_cover_every_model(client: Client) -> None:
    names = [(each["name"], each["version"]) for each in client.statistics()]
    assert ("add_sub", "1") in names
    assert ("versions", "1") in names
    assert ("versions", "3") in names
    assert len(names) == len(set(names))
