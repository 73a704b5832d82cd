"""Goal: a model with a latency objective runs who is due first, and refuses who would be late.

Method: gated models whose objective is an hour, so that nothing is late but by a timeout of its
own, and one whose objective passes while a test keeps its instance busy; statistics and metrics.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.conftest import connect
from tests.conformance.gated_model import held, places_after, write_gated_model
from tests.conformance.metrics_page import wait_until_metrics_say
from tests.conformance.running_server import RunningServer, ServerOptions

_MINUTE_US = 60_000_000
_CONFIG = """
    parameters {{
      key: "latency_objective_microseconds" value {{ string_value: "{}" }}
    }}
    dynamic_batching {{ default_queue_policy {{ max_queue_size: 3 }} }}
"""
_OBJECTIVES_US = {
    "order": 60 * _MINUTE_US,
    "late": 60 * _MINUTE_US,
    "full": 60 * _MINUTE_US,
    "short": 1_000_000,
}


@pytest.fixture(scope="module")
def server(
    frontend: str, protocol: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningServer, Path]]:
    """A server whose counters are this protocol's alone, and its repository."""
    repository = tmp_path_factory.mktemp(f"objective_{protocol}")
    for name, objective_us in _OBJECTIVES_US.items():
        write_gated_model(repository, name, _CONFIG.format(objective_us))
    with RunningServer(repository, ServerOptions(frontend=frontend)) as running:
        yield running, repository


def _is_refused(sent: Future[int], protocol: str, text: str) -> None:
    error = sent.exception()
    assert isinstance(error, InferenceServerException), error
    status = "503" if protocol == "http" else "StatusCode.UNAVAILABLE"
    assert (error.status(), error.message()) == (status, text)


def test_earliest_deadline_runs_first(server: tuple[RunningServer, Path], protocol: str) -> None:
    with held(*server, protocol, "order") as (model, first):
        minutes = (0, 50, 90)  # none of its own; a shorter one; a longer one, which is not granted
        sent = [model.queue(timeout=minute * _MINUTE_US or None) for minute in minutes]
        model.let_go()
        assert places_after(first, sent) == [1, 0, 2]


def test_who_cannot_be_in_time_is_refused_at_once_and_counted(
    server: tuple[RunningServer, Path], protocol: str
) -> None:
    with held(*server, protocol, "late") as (model, first):
        patient = model.queue()
        waits = model.send(timeout=20_000, request_id="waits")
        text = "Cannot be answered within {} microseconds, its timeout"
        # Though the only instance is busy.
        _is_refused(waits, protocol, "[request id: waits] " + text.format(20_000))
        model.let_go()
        assert places_after(first, [patient]) == [0]
        # Now the cost of a request is known, and it is more than that.
        comes = model.send(timeout=1, request_id="comes")
        _is_refused(comes, protocol, "[request id: comes] " + text.format(1))
    with connect(protocol, server[0]) as client:
        (stats,) = client.statistics("late")
    assert stats["inference_count"] == stats["execution_count"] == 2
    assert stats["inference_stats"]["success"]["count"] == 2
    assert stats["inference_stats"]["fail"]["count"] == 2
    labels = 'model="late",reason="REJECTED",version="1"'
    wait_until_metrics_say(server[0], f"nv_inference_request_failure{{{labels}}} 2")
    succeeded = 'nv_inference_request_success{model="late",version="1"} 2'
    wait_until_metrics_say(server[0], succeeded)


def test_objective_passes_for_who_waits_and_is_out_of_reach_for_who_comes(
    server: tuple[RunningServer, Path], protocol: str
) -> None:
    text = "Cannot be answered within 1000000 microseconds, the latency objective of the model"
    with held(*server, protocol, "short") as (model, first):
        waits = model.send(request_id="waits")
        _is_refused(waits, protocol, f"[request id: waits] {text}")
        model.let_go()
        assert first.result() == 0
        # All that is known of the model is a run that took longer than the objective.
        comes = model.send(request_id="comes")
        _is_refused(comes, protocol, f"[request id: comes] {text}")


def test_queue_has_its_size(server: tuple[RunningServer, Path], protocol: str) -> None:
    with held(*server, protocol, "full") as (model, first):
        sent = [model.queue() for _ in range(3)]
        refused = model.send(request_id="fourth")
        _is_refused(refused, protocol, "[request id: fourth] Exceeds maximum queue size")
        model.let_go()
        assert places_after(first, sent) == [0, 1, 2]
