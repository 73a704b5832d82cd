"""Goal: priorities, queue sizes and timeouts do what `dynamic_batching` says, over both protocols.

Method: one instance that a test keeps busy, so that nothing leaves the queue but by its policy; the
pending gauge says when a request waits, the model in which order requests ran.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

from tests.conformance.gated_model import GatedModel, held, places_after, write_gated_model
from tests.conformance.http_connection import HttpConnection
from tests.conformance.metrics_page import wait_until_cancelled, wait_until_metrics_say
from tests.conformance.raw_http import infer, json_input
from tests.conformance.running_server import RunningServer, ServerOptions

_HOUR_US = 3_600_000_000
_MODELS = {
    "levels": """
        dynamic_batching { priority_levels: 3 default_priority_level: 2 }
    """,
    "many_levels": """
        dynamic_batching { priority_levels: 18446744073709551615 default_priority_level: 5 }
    """,
    "sizes": """
        dynamic_batching {
          priority_levels: 2
          default_priority_level: 2
          default_queue_policy { max_queue_size: 2 }
          priority_queue_policy { key: 1 value { max_queue_size: 1 } }
        }
    """,
    "timeouts": f"""
        dynamic_batching {{
          default_queue_policy {{
            timeout_action: REJECT
            default_timeout_microseconds: {_HOUR_US}
            allow_timeout_override: true
          }}
        }}
    """,
    "leavers": """
        dynamic_batching {
          priority_levels: 2
          default_priority_level: 2
          priority_queue_policy { key: 1 value { max_queue_size: 1 } }
        }
    """,
    "no_override": """
        dynamic_batching {
          priority_levels: 2
          default_priority_level: 1
          default_queue_policy { default_timeout_microseconds: 50000 }
          priority_queue_policy {
            key: 2 value { default_timeout_microseconds: 3600000000 }
          }
        }
    """,
    "delays": f"""
        dynamic_batching {{
          priority_levels: 2
          default_priority_level: 1
          default_queue_policy {{
            timeout_action: DELAY
            default_timeout_microseconds: {_HOUR_US}
            allow_timeout_override: true
          }}
          priority_queue_policy {{
            key: 2 value {{ default_timeout_microseconds: 50000 }}
          }}
        }}
    """,
}


@pytest.fixture(scope="module")
def server(
    frontend: str, protocol: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningServer, Path]]:
    """A server whose counters are this protocol's alone, and its repository."""
    repository = tmp_path_factory.mktemp(f"queue_{protocol}")
    for name, extra in _MODELS.items():
        write_gated_model(repository, name, extra)
    with RunningServer(repository, ServerOptions(frontend=frontend)) as running:
        yield running, repository


def _error_of(sent: Future[int]) -> tuple[str, str]:
    """Return status and text of a request that fails."""
    error = sent.exception()
    assert isinstance(error, InferenceServerException), error
    return str(error.status()), str(error.message())


def _unavailable(protocol: str) -> str:
    return "503" if protocol == "http" else "StatusCode.UNAVAILABLE"


def _failures(server: RunningServer, model: str, reason: str, count: int) -> None:
    labels = f'model="{model}",reason="{reason}",version="1"'
    wait_until_metrics_say(server, f"nv_inference_request_failure{{{labels}}} {count}")


def test_lower_priorities_run_first_and_others_at_the_default_level(
    server: tuple[RunningServer, Path], protocol: str
) -> None:
    with held(*server, protocol, "levels") as (model, first):
        sent = [model.queue(priority=priority) for priority in (3, 2, 1, 0, 99, 1)]
        model.let_go()
        assert places_after(first, sent) == [5, 2, 0, 3, 4, 1]


def test_levels_may_be_more_than_anybody_could_list(
    server: tuple[RunningServer, Path], protocol: str
) -> None:
    with held(*server, protocol, "many_levels") as (model, first):
        priorities = (2**64 - 1, 2**32 + 6, 6, 0, 2**32 + 5, 4)
        sent = [model.queue(priority=priority) for priority in priorities]
        model.let_go()
        assert places_after(first, sent) == [5, 4, 2, 1, 3, 0]


def test_full_level_refuses_at_once_and_the_others_go_on(
    server: tuple[RunningServer, Path], protocol: str
) -> None:
    with held(*server, protocol, "sizes") as (model, first):
        sent = [model.queue(priority=priority) for priority in (1, 2, 0)]
        for priority in (1, 2):
            refused = model.send(priority=priority, request_id=f"late_{priority}")
            assert _error_of(refused) == (
                _unavailable(protocol),
                f"[request id: late_{priority}] Exceeds maximum queue size",
            )
        body: dict[str, Any] = {"inputs": [json_input([0], [1, 1], "INT32")]}
        answer = infer(server[0].http_port, model.name, body)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.error == "[request id: <id_unknown>] Exceeds maximum queue size"
        model.let_go()
        assert places_after(first, sent) == [0, 1, 2]
    _failures(server[0], "sizes", "REJECTED", 3)


def test_request_times_out_on_time_while_every_instance_is_busy(
    server: tuple[RunningServer, Path], protocol: str
) -> None:
    with held(*server, protocol, "timeouts") as (model, first):
        patient = model.queue()
        longer = model.queue(timeout=2 * _HOUR_US)  # which is not granted, nor needed
        late = [model.send(timeout=timeout) for timeout in (1, 20_000)]
        for each in late:
            assert _error_of(each) == (_unavailable(protocol), "Request timeout expired")
        model.wait_until_waiting(2)
        assert not first.done()
        model.let_go()
        assert places_after(first, [patient, longer]) == [0, 1]
    _failures(server[0], "timeouts", "REJECTED", 2)


def test_timeout_of_a_request_is_not_heard_where_it_may_not_override(
    server: tuple[RunningServer, Path], protocol: str
) -> None:
    with held(*server, protocol, "no_override") as (model, first):
        waits = model.queue(priority=2, timeout=1)
        late = model.send(priority=1)  # at least 50 ms later than the timeout that is not heard
        assert _error_of(late) == (_unavailable(protocol), "Request timeout expired")
        model.wait_until_waiting(1)
        model.let_go()
        assert places_after(first, [waits]) == [0]
    _failures(server[0], "no_override", "REJECTED", 1)


def test_late_request_is_delayed_behind_its_level(
    server: tuple[RunningServer, Path], protocol: str
) -> None:
    with held(*server, protocol, "delays") as (model, first):
        late = model.queue(priority=1, timeout=1_000)
        on_time = model.queue(priority=1)
        clock = model.send(priority=2)  # gone when 50 ms have passed
        assert _error_of(clock) == (_unavailable(protocol), "Request timeout expired")
        model.let_go()
        assert places_after(first, [on_time, late]) == [0, 1]


def test_queued_request_of_a_client_that_has_gone_never_runs(
    server: tuple[RunningServer, Path], protocol: str
) -> None:
    with held(*server, protocol, "leavers") as (model, first):
        stays = model.queue(priority=2)
        leave = _cancel if protocol == "grpc" else _disconnect
        leave(server[0], model)
        wait_until_cancelled(server[0], 1, "leavers")  # though no instance looks
        refilled = model.queue(priority=1)  # whose level had one place
        model.let_go()
        assert places_after(first, [refilled, stays]) == [0, 1]


def _cancel(server: RunningServer, model: GatedModel) -> None:
    """Queue a gRPC request that would run first, and cancel its call."""
    tensor = grpcclient.InferInput("INPUT0", [1, 1], "INT32")
    tensor.set_data_from_numpy(np.zeros((1, 1), np.int32))
    with grpcclient.InferenceServerClient(server.grpc_address) as client:
        call = client.async_infer(model.name, [tensor], lambda result, error: None, priority=1)
        model.wait_until_waiting(2)
        call.cancel()
        model.wait_until_waiting(1)


def _disconnect(server: RunningServer, model: GatedModel) -> None:
    """Queue an HTTP request that would run first, and close its connection."""
    body = json.dumps({"parameters": {"priority": 1}, "inputs": [json_input([0], [1, 1], "INT32")]})
    with HttpConnection(server.http_port) as connection:
        head = f"POST /v2/models/{model.name}/infer HTTP/1.1\r\nHost: a\r\n"
        connection.send(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        model.wait_until_waiting(2)
    model.wait_until_waiting(1)
