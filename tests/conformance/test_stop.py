"""Goal: a server that is asked to stop answers what it has taken, takes nothing more, ends well.

Method: a slow model has two requests, one that runs and one that waits (which the
pending gauge shows), when SIGTERM arrives; the server's own output says when each step is reached.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

from tests.conformance.conftest import connect
from tests.conformance.gated_model import held, places_after, write_gated_model
from tests.conformance.model_files import execute_delay, identity_config, write_config
from tests.conformance.raw_http import infer, json_input, request
from tests.conformance.running_server import RunningServer, ServerOptions

_DATA = np.ones((1, 2), np.float32)


def _infer_slow(server: RunningServer, protocol: str) -> Any:
    with connect(protocol, server) as client:
        return client.infer("slow", {"INPUT0": _DATA}).as_numpy("OUTPUT0")


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_stop_answers_requests_in_flight(frontend: str, tmp_path: Path, protocol: str) -> None:
    write_gated_model(tmp_path, "slow")
    with (
        RunningServer(tmp_path, ServerOptions(frontend=frontend)) as server,
        connect("grpc", server) as other,
        held(server, tmp_path, protocol, "slow") as (slow, first),
    ):
        assert other.raw.is_server_live()
        second = slow.queue()
        server.ask_to_stop()
        server.wait_for("Waiting for in-flight requests to complete.")
        server.wait_for("Model 'slow' (version 1) has 2 in-flight inferences")
        health = request(server.http_port, "GET", "/v2/health/live")
        assert (health.status, health.error) == (503, "Server exiting")
        with pytest.raises(InferenceServerException) as error:
            other.infer("slow", {"INPUT0": np.zeros((1, 1), np.int32)})
        assert error.value.status() == "StatusCode.UNAVAILABLE"
        assert error.value.message() == (
            "GRPC server is shutting down and has stopped accepting new requests."
        )
        slow.let_go()
        assert places_after(first, [second]) == [0]
        assert server.wait() == 0
        assert "Exit timeout expired" not in server.output


def test_exit_timeout_ends_a_server_that_is_still_busy(frontend: str, tmp_path: Path) -> None:
    write_gated_model(tmp_path, "slow")
    options = ServerOptions(["--exit-timeout-secs", "0"], frontend=frontend)
    with (
        RunningServer(tmp_path, options) as server,
        held(server, tmp_path, "grpc", "slow") as (slow, running),
    ):
        waiting = slow.queue()
        server.ask_to_stop()
        assert server.wait() != 0
        assert "Exit timeout expired. Exiting immediately." in server.output
        for cut_off in (running, waiting):
            assert isinstance(cut_off.exception(), InferenceServerException)


def test_http_request_that_the_exit_cuts_off_is_told_so(frontend: str, tmp_path: Path) -> None:
    write_gated_model(tmp_path, "slow")
    options = ServerOptions(["--exit-timeout-secs", "0"], frontend=frontend)
    body = {"inputs": [json_input([0], [1, 1], "INT32")]}
    with (
        RunningServer(tmp_path, options) as server,
        ThreadPoolExecutor(1) as pool,
        held(server, tmp_path, "http", "slow") as (slow, running),
    ):
        waiting = pool.submit(infer, server.http_port, "slow", body)
        slow.wait_until_waiting(1)
        server.ask_to_stop()
        error = running.exception()
        assert isinstance(error, InferenceServerException)
        assert (error.status(), error.message()) == ("503", "Server exiting")
        answer = waiting.result()
        assert (answer.status, answer.error) == (503, "Server exiting")
        assert answer.headers["retry-after"] == "1"
        assert server.wait() != 0


def test_deadline_of_a_client_ends_its_request(frontend: str, tmp_path: Path) -> None:
    write_config(tmp_path, "slow", identity_config("FP32", extra=execute_delay(500)))
    with RunningServer(tmp_path, ServerOptions(frontend=frontend)) as server:
        tensor = grpcclient.InferInput("INPUT0", [1, 2], "FP32")
        tensor.set_data_from_numpy(_DATA)
        with connect("grpc", server) as client:
            with pytest.raises(InferenceServerException) as error:
                client.raw.infer("slow", [tensor], client_timeout=0.1)
            assert error.value.status() == "StatusCode.DEADLINE_EXCEEDED"
        np.testing.assert_array_equal(_infer_slow(server, "http"), _DATA)
