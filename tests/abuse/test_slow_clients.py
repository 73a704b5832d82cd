"""Goal: a client that is slow on purpose costs a connection for a moment, and nothing else.

Method: many connections that send a request a byte at a time, or a part of one and no more, to a
server that gives requests a second; the server must end each of them, and no honest one.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hyperframe.frame import DataFrame

from tests.abuse.grpc_bytes import BEGINNING, unfinished_requests
from tests.abuse.sockets import close_all, connect, drip_until_closed, rest_of, says_something
from tests.conformance.certificates import Authority, tls_arguments
from tests.conformance.http2_connection import Http2Connection, grpc_message
from tests.conformance.http_connection import ConnectionEnded, HttpConnection, request_bytes
from tests.conformance.infer_messages import infer_message, number_of
from tests.conformance.model_files import execute_delay, identity_config, write_config
from tests.conformance.running_server import RunningServer, ServerOptions
from tests.conformance.server_socket import wait_until_closed

_COUNT = 200
_PIECE_PAUSE_S = 0.4
_INFER = b"POST /v2/models/identity_int32/infer HTTP/1.1\r\nHost: a\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
_HTTP_BEGINNINGS = {
    "request_line": b"POST /v2/models/",
    "headers": _INFER + b"X: ",
    "body": _INFER + b"Content-Length: 1000000\r\n\r\n",
    "control_body": b"POST /v2/repository/index HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n",
    "chunk_size": _INFER + _CHUNKED,
    "chunk": _INFER + _CHUNKED + b"fffff\r\n",
    "trailers": _INFER + _CHUNKED + b"0\r\nX: ",
}


def _connect_all(port: int, beginning: bytes) -> list[socket.socket]:
    connections = [connect(port) for _ in range(_COUNT)]
    for connection in connections:
        connection.sendall(beginning)
    return connections


def _assert_ended_or_refused(answer: bytes) -> None:
    assert not answer or answer.startswith(b"HTTP/1.1 4")
    assert answer.count(b"HTTP/1.1 ") <= 1


@pytest.mark.parametrize("part", _HTTP_BEGINNINGS)
def test_http_request_that_comes_byte_by_byte_is_ended(server: RunningServer, part: str) -> None:
    connections = _connect_all(server.http_port, _HTTP_BEGINNINGS[part])
    for answer in drip_until_closed(connections, b"0"):
        _assert_ended_or_refused(answer)
    close_all(connections)


def test_http_request_of_which_nothing_more_comes_is_ended(server: RunningServer) -> None:
    connections = [connect(server.http_port) for _ in _HTTP_BEGINNINGS]
    for connection, beginning in zip(connections, _HTTP_BEGINNINGS.values(), strict=True):
        connection.sendall(beginning)
    for connection in connections:
        _assert_ended_or_refused(rest_of(connection))
    close_all(connections)


@pytest.mark.parametrize("part", ["preface", "settings", "frame_header", "headers", "data"])
def test_http2_frame_of_which_nothing_more_comes_is_ended(server: RunningServer, part: str) -> None:
    connections = _connect_all(server.grpc_port, unfinished_requests()[part])
    drip_until_closed(connections, b"")
    close_all(connections)


def test_endless_headers_of_http2_that_come_byte_by_byte_are_ended(server: RunningServer) -> None:
    connections = _connect_all(server.grpc_port, unfinished_requests()["headers"])
    continuation = b"\x00\x00\x01\x09\x00\x00\x00\x00\x01\x82"
    drip_until_closed(connections, continuation)
    close_all(connections)


@pytest.mark.parametrize("method", ["ModelInfer", "ModelStreamInfer", "ModelMetadata"])
def test_message_of_which_nothing_more_comes_is_ended(server: RunningServer, method: str) -> None:
    """Whether the call is ended or its connection is the server's choice."""
    connections = [Http2Connection(server.grpc_port) for _ in range(20)]
    calls = [connection.start(method) for connection in connections]
    for connection, call in zip(connections, calls, strict=True):
        connection.send(call, grpc_message(infer_message(1))[:9])
    for connection, call in zip(connections, calls, strict=True):
        try:
            connection.wait_for(call)
            assert call.reset is not None or call.status != 0
        except ConnectionEnded:
            pass
        connection.close()


def test_large_request_may_take_its_time_while_it_keeps_coming(server: RunningServer) -> None:
    """Method: five pieces with pauses between them, longer in all than a request may take."""
    piece = b" " * 40_000
    text = b'{"inputs": [{"name": "INPUT0", "datatype": "INT32", "shape": [1, 1], "data": [3]}]}'
    with HttpConnection(server.http_port) as http, Http2Connection(server.grpc_port) as grpc:
        body = text.ljust(5 * len(piece))
        http.send(request_bytes("POST", "/v2/models/identity_int32/infer", body)[: -4 * 40_000])
        message = grpc_message(infer_message(4, request_id="i" * 5 * len(piece)))
        call = grpc.start("ModelInfer")
        for number in range(4):
            grpc.send(call, message[number * len(piece) : (number + 1) * len(piece)])
            assert not says_something(http.socket, _PIECE_PAUSE_S)
            http.send(piece)
        grpc.send(call, message[4 * len(piece) :], end=True)
        grpc.wait_for(call)
        assert number_of(call.messages[0]) == 4
        assert http.answer().json["outputs"][0]["data"] == [3]


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that ends connections that do nothing for a second."""
    repository: Path = tmp_path_factory.mktemp("impatient")
    slow = identity_config("INT32", extra=execute_delay(2500))
    write_config(repository, "slow", slow)
    write_config(repository, "identity_int32", identity_config("INT32"))
    write_config(repository, "identity_uint8", identity_config("UINT8"))
    options = ServerOptions(["--idle-timeout-secs=1"], frontend="native")
    with RunningServer(repository, options) as running:
        yield running


def test_connection_that_does_nothing_is_ended(impatient: RunningServer) -> None:
    beginnings = {
        impatient.http_port: (b"", request_bytes("GET", "/v2/health/live")),
        impatient.grpc_port: (b"", BEGINNING),
    }
    for port, sent in beginnings.items():
        for beginning in sent:
            connections = _connect_all(port, beginning)
            drip_until_closed(connections, b"")
            close_all(connections)


def test_connection_whose_request_runs_is_not_idle(impatient: RunningServer) -> None:
    body = b'{"inputs": [{"name": "INPUT0", "datatype": "INT32", "shape": [1, 1], "data": [3]}]}'
    with HttpConnection(impatient.http_port) as http, Http2Connection(impatient.grpc_port) as grpc:
        http.send(request_bytes("POST", "/v2/models/slow/infer", body))
        call = grpc.unary("ModelInfer", infer_message(4, "slow"))
        grpc.wait_for(call)
        assert number_of(call.messages[0]) == 4
        assert http.answer().json["outputs"][0]["data"] == [3]


def test_client_that_never_reads_its_answer_is_ended(impatient: RunningServer) -> None:
    size = 32 << 20
    body = bytes(size)
    sent = request_bytes(
        "POST",
        "/v2/models/identity_uint8/infer",
        body,
        {"Inference-Header-Content-Length": "0"},
    )
    connection = connect(impatient.http_port, receive_buffer=4096)
    connection.sendall(sent)
    wait_until_closed(connection)
    assert len(rest_of(connection)) < size
    connection.close()


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_handshake_that_never_ends_is_ended(tmp_path: Path, protocol: str) -> None:
    repository = tmp_path / "models"
    write_config(repository, "identity_int32", identity_config("INT32"))
    files = Authority(tmp_path / "pem").issue("server")
    arguments = [*tls_arguments(protocol, files), "--request-timeout-secs=1"]
    with RunningServer(repository, ServerOptions(arguments, frontend="native")) as secure:
        port = secure.http_port if protocol == "http" else secure.grpc_port
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
        for beginning in (b"\x16", hello):
            connections = _connect_all(port, beginning)
            drip_until_closed(connections, b"")
            close_all(connections)
        connections = _connect_all(port, hello)
        drip_until_closed(connections, b"\0")
        close_all(connections)


def test_stream_that_waits_for_its_client_is_left_alone(server: RunningServer) -> None:
    """Method: a stream that is silent for longer than a request may take to arrive."""
    with Http2Connection(server.grpc_port) as connection:
        stream = connection.start("ModelStreamInfer")
        for number in range(2):
            connection.send(stream, grpc_message(infer_message(number)))
            connection.wait_for_messages(stream, number + 1)
            assert not says_something(connection.socket, 3 * _PIECE_PAUSE_S)
        connection.send_frames(DataFrame(stream.stream_id, b"", flags=["END_STREAM"]))
        connection.wait_for(stream)
        assert stream.status == 0
