"""Goal: a call ends when its client, its deadline, its connection or its server says so.

Method: a slow model, so that calls are still there when it happens; what becomes of them is seen by
their clients and in the metrics. Compression and message limits as Triton's options set them.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from hyperframe.frame import PingFrame
from tritonclient.grpc import service_pb2

from tests.conformance.gated_model import held, write_gated_model
from tests.conformance.http2_connection import Http2Connection, grpc_message
from tests.conformance.infer_messages import (
    infer_message,
    large_infer_message,
    number_of,
    streamed_number_of,
)
from tests.conformance.metrics_page import wait_until_cancelled, wait_until_waiting
from tests.conformance.model_files import execute_delay, identity_config, write_config
from tests.conformance.running_server import RunningServer, ServerOptions

_GUARD_S = 60
_OK, _DEADLINE_EXCEEDED, _RESOURCE_EXHAUSTED, _INTERNAL, _UNAVAILABLE = 0, 4, 8, 13, 14
_ENHANCE_YOUR_CALM = 11


def _repository(directory: Path, slow_ms: int) -> Path:
    write_config(directory, "slow", identity_config("INT32", extra=execute_delay(slow_ms)))
    write_config(directory, "identity_int32", identity_config("INT32"))
    write_config(directory, "identity_uint8", identity_config("UINT8"))
    return directory


@pytest.fixture(scope="module")
def endless(frontend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose model `slow` is not done while a test runs."""
    repository = _repository(tmp_path_factory.mktemp("endless"), 3_600_000)
    options = ServerOptions(["--exit-timeout-secs", "0"], frontend=frontend)
    with RunningServer(repository, options) as server:
        yield server


def _assert_usable(connection: Http2Connection) -> None:
    call = connection.unary("ModelInfer", infer_message(7))
    connection.wait_for(call)
    assert number_of(call.messages[0]) == 7


@pytest.mark.parametrize("timeout", ["30m", "30000u", "30000000n", "1n", "0S"])
def test_deadline_is_kept_by_the_server(endless: RunningServer, timeout: str) -> None:
    with Http2Connection(endless.grpc_port) as connection:
        message = infer_message(1, "slow")
        calls = [
            connection.unary("ModelInfer", message, [("grpc-timeout", timeout)]) for _ in range(3)
        ]
        connection.wait_for(*calls)
        assert [call.status for call in calls] == [_DEADLINE_EXCEEDED] * 3
        assert [call.text for call in calls] == ["Deadline Exceeded"] * 3
        _assert_usable(connection)


def test_deadline_of_a_stream_comes_behind_what_was_answered(endless: RunningServer) -> None:
    with Http2Connection(endless.grpc_port) as connection:
        stream = connection.start("ModelStreamInfer", [("grpc-timeout", "500m")])
        for number in range(10):
            connection.send(stream, grpc_message(infer_message(number)))
        connection.send(stream, grpc_message(infer_message(10, "slow")))
        connection.send(stream, grpc_message(infer_message(11)))
        connection.wait_for(stream)
        assert stream.status == _DEADLINE_EXCEEDED
        assert [streamed_number_of(answer) for answer in stream.messages] == list(range(10))
        _assert_usable(connection)


def test_deadline_that_is_far_away_does_not_matter(endless: RunningServer) -> None:
    with Http2Connection(endless.grpc_port) as connection:
        for timeout in ("1H", "99999999H", "60M", "99999999S"):
            call = connection.unary("ModelInfer", infer_message(3), [("grpc-timeout", timeout)])
            connection.wait_for(call)
            assert number_of(call.messages[0]) == 3


@pytest.mark.parametrize("timeout", ["abc", "m", "5", "5x", "-5m"])
def test_deadline_that_is_none_is_refused(endless: RunningServer, timeout: str) -> None:
    with Http2Connection(endless.grpc_port) as connection:
        call = connection.unary("ModelInfer", infer_message(3), [("grpc-timeout", timeout)])
        connection.wait_for(call)
        assert call.status == _INTERNAL
        _assert_usable(connection)


@pytest.mark.parametrize("way", ["reset", "close"])
@pytest.mark.parametrize("kind", ["ModelInfer", "ModelStreamInfer"])
def test_cancelled_requests_are_counted_as_such(
    frontend: str, tmp_path: Path, way: str, kind: str
) -> None:
    with (
        RunningServer(_repository(tmp_path, 700), ServerOptions(frontend=frontend)) as server,
        Http2Connection(server.grpc_port) as staying,
        Http2Connection(server.grpc_port) as leaving,
    ):
        running = [staying.unary("ModelInfer", infer_message(1, "slow")) for _ in range(2)]
        wait_until_waiting(server, 1)
        message = grpc_message(infer_message(2, "slow"))
        calls = [leaving.start(kind) for _ in range(1 if kind == "ModelStreamInfer" else 5)]
        for number in range(5):
            leaving.send(calls[number % len(calls)], message, end=kind == "ModelInfer")
        wait_until_waiting(server, 6)
        if way == "reset":
            for call in calls:
                leaving.reset(call)
        else:
            leaving.close()
        staying.wait_for(*running)
        assert [call.status for call in running] == [_OK, _OK]
        wait_until_cancelled(server, 5)
        _assert_usable(staying)


def test_slow_answer_holds_back_those_behind_it_and_nothing_else(
    frontend: str, tmp_path: Path
) -> None:
    with (
        RunningServer(_repository(tmp_path, 300), ServerOptions(frontend=frontend)) as server,
        Http2Connection(server.grpc_port) as connection,
    ):
        models = ["slow", "identity_int32", "identity_int32", "slow", "identity_int32"]
        stream = connection.start("ModelStreamInfer")
        for number, model in enumerate(models):
            connection.send(stream, grpc_message(infer_message(number, model)))
        other = connection.unary("ModelInfer", infer_message(9))
        connection.wait_for(other)
        assert not stream.messages
        connection.finish(stream)
        connection.wait_for(stream)
        assert [streamed_number_of(answer) for answer in stream.messages] == list(range(5))


def test_shutdown_lets_calls_in_flight_end(frontend: str, tmp_path: Path) -> None:
    repository = _repository(tmp_path / "models", 0)
    write_gated_model(repository, "gated")
    with (
        RunningServer(repository, ServerOptions(frontend=frontend)) as server,
        held(server, repository, "grpc", "gated") as (gated, _),
        Http2Connection(server.grpc_port) as connection,
        Http2Connection(server.grpc_port) as idle,
    ):
        _assert_usable(idle)
        stream = connection.start("ModelStreamInfer")
        connection.send(stream, grpc_message(infer_message(0, "gated")))
        call = connection.unary("ModelInfer", infer_message(0, "gated"))
        gated.wait_until_waiting(2)
        server.ask_to_stop()
        server.wait_for("Waiting for in-flight requests to complete.")
        gated.let_go()
        connection.wait(lambda: call.over and bool(stream.messages))
        assert call.status == _OK
        places = {number_of(call.messages[0]), streamed_number_of(stream.messages[0])}
        assert places == {1, 2}
        connection.finish(stream)
        connection.wait_for(stream)
        assert stream.status == _OK
        idle.wait_for_end()
        connection.wait_for_end()
        assert [frame.error_code for frame in (*connection.goaways, *idle.goaways)]
        assert {frame.error_code for frame in (*connection.goaways, *idle.goaways)} == {0}
        assert server.wait() == 0


def test_stream_that_its_client_leaves_open_does_not_keep_the_server(
    frontend: str, tmp_path: Path
) -> None:
    options = ServerOptions(["--exit-timeout-secs", "1"], frontend=frontend)
    with (
        RunningServer(_repository(tmp_path, 1), options) as server,
        Http2Connection(server.grpc_port) as connection,
    ):
        stream = connection.start("ModelStreamInfer")
        connection.send(stream, grpc_message(infer_message(1)))
        connection.wait(lambda: bool(stream.messages))
        server.ask_to_stop()
        connection.wait_for_end()
        assert not stream.heads[1:] or stream.status != _OK
        assert server.wait() == 0


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_client_may_compress(server: RunningServer, coding: str) -> None:
    sent = np.arange(5000, dtype=np.float32).reshape(1, 5000)
    tensor = grpcclient.InferInput("INPUT0", [1, 5000], "FP32")
    tensor.set_data_from_numpy(sent)
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with grpcclient.InferenceServerClient(server.grpc_address) as client:
        result = client.infer("identity_fp32", [tensor], compression_algorithm=coding)
        np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), sent)
        client.start_stream(
            lambda result, error: answers.put((result, error)), compression_algorithm=coding
        )
        for _ in range(5):
            client.async_stream_infer("identity_fp32", [tensor])
        for _ in range(5):
            result, error = answers.get(timeout=_GUARD_S)
            assert error is None
            np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), sent)
        client.stop_stream()


@pytest.mark.parametrize(
    ("level", "coding"), [("low", "gzip"), ("medium", "deflate"), ("high", "deflate")]
)
def test_server_compresses_inference_for_those_who_accept_it(
    frontend: str, tmp_path: Path, level: str, coding: str
) -> None:
    arguments = ["--grpc-infer-response-compression-level", level]
    options = ServerOptions(arguments, frontend=frontend)
    accepts = [("grpc-accept-encoding", "identity, gzip, deflate")]
    message = large_infer_message(50_000 // 256 * 256)
    with (
        RunningServer(_repository(tmp_path, 1), options) as server,
        Http2Connection(server.grpc_port) as connection,
    ):
        packed = connection.unary("ModelInfer", message, accepts)
        stream = connection.unary("ModelStreamInfer", message, accepts)
        control = connection.unary("ServerMetadata", b"", accepts)
        connection.wait_for(packed, stream, control)
        for call in (packed, stream):
            assert call.heads[0]["grpc-encoding"] == coding
            assert [flag for flag, _ in call.flagged_messages()] == [1]
            assert len(call.data) < 25_000
        assert control.heads[0].get("grpc-encoding", "identity") == "identity"
        tensor = grpcclient.InferInput("INPUT0", [1, 50_000], "UINT8")
        tensor.set_data_from_numpy(np.full((1, 50_000), 7, np.uint8))
        with grpcclient.InferenceServerClient(server.grpc_address) as client:
            result = client.infer("identity_uint8", [tensor])
        assert set(result.as_numpy("OUTPUT0")[0]) == {7}


def test_message_limit_is_that_of_the_option(frontend: str, tmp_path: Path) -> None:
    limit = 10_000
    options = ServerOptions(["--grpc-max-receive-message-size", str(limit)], frontend=frontend)
    frame = len(infer_message(1, request_id="a" * 5000)) - 5000
    exact = infer_message(1, request_id="a" * (limit - frame))
    larger = infer_message(1, request_id="a" * (limit - frame + 1))
    assert (len(exact), len(larger)) == (limit, limit + 1)
    with (
        RunningServer(_repository(tmp_path, 1), options) as server,
        Http2Connection(server.grpc_port) as connection,
    ):
        for method in ("ModelInfer", "ModelStreamInfer"):
            call = connection.unary(method, exact)
            connection.wait_for(call)
            assert call.status == _OK
            call = connection.unary(method, larger)
            connection.wait_for(call)
            assert call.status == _RESOURCE_EXHAUSTED
            assert f"Received message larger than max ({limit + 1} vs. {limit})" in call.text
        request = service_pb2.ModelMetadataRequest(name="a" * limit).SerializeToString()
        call = connection.unary("ModelMetadata", request)
        connection.wait_for(call)
        assert call.status == _RESOURCE_EXHAUSTED
        _assert_usable(connection)


def test_client_that_pings_too_much_is_sent_away(frontend: str, tmp_path: Path) -> None:
    with (
        RunningServer(_repository(tmp_path, 1), ServerOptions(frontend=frontend)) as server,
        Http2Connection(server.grpc_port) as connection,
    ):
        _assert_usable(connection)
        connection.send_frames(*[PingFrame(0, bytes(8))] * 20)  # in one go: it may soon close
        connection.wait_for_end()
        (goaway,) = connection.goaways
        assert goaway.error_code == _ENHANCE_YOUR_CALM
        assert goaway.additional_data == b"too_many_pings"


def test_old_connection_is_told_to_go_and_may_finish(frontend: str, tmp_path: Path) -> None:
    arguments = ["--grpc-max-connection-age=200", "--grpc-max-connection-age-grace=60000"]
    options = ServerOptions(arguments, frontend=frontend)
    with (
        RunningServer(_repository(tmp_path, 1000), options) as server,
        Http2Connection(server.grpc_port) as connection,
    ):
        call = connection.unary("ModelInfer", infer_message(1, "slow"))
        connection.wait(lambda: bool(connection.goaways))
        assert not call.over
        connection.wait_for(call)
        assert number_of(call.messages[0]) == 1
        connection.wait_for_end()
        assert {frame.error_code for frame in connection.goaways} == {0}


def test_old_connection_is_closed_when_its_grace_is_over(frontend: str, tmp_path: Path) -> None:
    arguments = ["--grpc-max-connection-age=100", "--grpc-max-connection-age-grace=100"]
    arguments += ["--exit-timeout-secs=0"]
    options = ServerOptions(arguments, frontend=frontend)
    with (
        RunningServer(_repository(tmp_path, 3_600_000), options) as server,
        Http2Connection(server.grpc_port) as connection,
    ):
        call = connection.unary("ModelInfer", infer_message(1, "slow"))
        connection.wait_for_end()
        assert not call.messages
        assert connection.goaways
