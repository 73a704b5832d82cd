"""Goal: what clients send, and do not read, takes a bounded part of the machine's memory.

Method: clients that push without reading, ask without reading, and claim more than they send; the
resident size of the server is read when it can get no larger.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import zlib
from pathlib import Path

import pytest
from hyperframe.frame import DataFrame, SettingsFrame

from tests.abuse.footprint import Footprint, assert_serves
from tests.abuse.sockets import close_all, connect, reset, rest_of, says_something
from tests.conformance.http2_connection import Http2Call, Http2Connection, grpc_message
from tests.conformance.http_connection import ConnectionEnded, HttpConnection, request_bytes
from tests.conformance.infer_messages import large_infer_message
from tests.conformance.model_files import identity_config, write_config
from tests.conformance.raw_http import binary_input
from tests.conformance.running_server import RunningServer, ServerOptions

_MIB = 1 << 20
_PUSHED = 300
_FLOW_CONTROL_ERROR = 3
_ENOUGH = 2**31 - 1 - 65535
# What one connection may hold (limits::kMaxHeldPerConnection), what its windows let in above that,
# and as much again for requests that are being copied, answered and framed.
_MAX_HELD = 2 * (64 + 32) * _MIB
_INFER = "/v2/models/identity_uint8/infer"
# How long a server must have nothing to say to be taken to wait for its client.
_SILENCE_S = 0.5


def _push(connection: Http2Connection, call: Http2Call, data: bytes) -> bytes:
    """Send as much as the server gives credit for; return what is left then."""
    while data:
        room = min(connection.window, call.window, 16384)
        if room > 0:
            piece, data = data[:room], data[room:]
            connection.window -= len(piece)
            call.window -= len(piece)
            connection.send_frames(DataFrame(call.stream_id, piece))
        else:
            if not says_something(connection.socket, _SILENCE_S):
                return data
            connection.receive()
    return b""


@pytest.mark.parametrize("method", ["ModelInfer", "ModelStreamInfer"])
def test_client_that_pushes_and_never_reads_is_held_back(
    server: RunningServer, method: str
) -> None:
    before = Footprint(server)
    settings = {SettingsFrame.INITIAL_WINDOW_SIZE: 0}
    with Http2Connection(server.grpc_port, settings=settings, gives_credit=False) as connection:
        connection.wait(lambda: bool(connection.server_settings))
        body, rest = grpc_message(large_infer_message(_MIB)), b""
        calls: list[Http2Call] = []
        while not rest:
            assert len(calls) < _PUSHED, "the server took everything"
            if not calls or method == "ModelInfer":
                calls.append(connection.start(method))
            rest = _push(connection, calls[-1], body)
            if not rest and method == "ModelInfer":
                connection.finish(calls[-1])
        assert not any(call.data for call in calls)
        before.assert_memory_grew_by_less_than(_MAX_HELD)
        assert_serves(server)

        connection.gives_credit = True
        connection.give_credit(0, _ENOUGH)
        connection.send_frames(
            SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 2**31 - 1})
        )
        connection.send(calls[-1], rest, end=True)
        connection.wait_for(*calls)
        assert {call.status for call in calls} == {0}
        assert all(len(call.data) > _MIB for call in calls)


def test_data_beyond_the_credit_is_refused(server: RunningServer) -> None:
    settings = {SettingsFrame.INITIAL_WINDOW_SIZE: 0}
    with Http2Connection(server.grpc_port, settings=settings, gives_credit=False) as connection:
        connection.wait(lambda: bool(connection.server_settings))
        stream, body = connection.start("ModelStreamInfer"), grpc_message(large_infer_message(_MIB))
        while not _push(connection, stream, body):
            pass
        room = min(connection.window, stream.window)
        with contextlib.suppress(ConnectionEnded):
            connection.send_frames(DataFrame(stream.stream_id, bytes(room + 1)))
            connection.wait_for(stream)
        codes = {stream.reset, *(frame.error_code for frame in connection.goaways)}
        assert _FLOW_CONTROL_ERROR in codes


def test_client_that_asks_for_large_answers_and_never_reads_is_held_back(
    server: RunningServer,
) -> None:
    """Method: tensors of 4 MiB that are answered as 16 MiB of JSON, twenty on each connection."""
    size, clients = 4 * _MIB, 4
    head = json.dumps({"inputs": [binary_input(size, [1, size], "UINT8")]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    request = request_bytes("POST", _INFER, head + b"\xff" * size, headers)
    before = Footprint(server)
    connections = [connect(server.http_port, receive_buffer=4096) for _ in range(clients)]
    for connection in connections:
        connection.settimeout(2 * _SILENCE_S)
        with pytest.raises(TimeoutError):  # it is not read from any more
            connection.sendall(request * 20)
    before.assert_memory_grew_by_less_than(clients * 64 * _MIB)
    assert_serves(server)
    for connection in connections:
        reset(connection)


def test_what_is_only_claimed_takes_no_memory(server: RunningServer) -> None:
    before = Footprint(server)
    head = f"POST {_INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: {60 * _MIB}\r\n\r\n".encode()
    connections = [connect(server.http_port) for _ in range(500)]
    for connection in connections:
        connection.sendall(head + bytes(1024))
    with Http2Connection(server.grpc_port) as grpc:
        for _ in range(1000):
            call = grpc.start("ModelInfer")
            grpc.send(call, struct.pack(">BI", 0, 1 << 30) + bytes(32))
        assert_serves(server)
        before.assert_memory_grew_by_less_than(64 * _MIB)
    close_all(connections)


def _gzip_of_zeros(size: int) -> bytes:
    """Return the beginning of a gzip stream that unpacks to so many bytes."""
    packer, step = zlib.compressobj(wbits=16 + zlib.MAX_WBITS), 16 * _MIB
    first, more = (packer.compress(bytes(step)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + more * (size // step - 1)


def test_body_that_unpacks_to_more_than_allowed_is_refused(server: RunningServer) -> None:
    before = Footprint(server)
    packed = _gzip_of_zeros(1 << 30)
    assert len(packed) < 2 * _MIB
    for path in (_INFER, "/v2/repository/index"):
        with HttpConnection(server.http_port) as connection:
            connection.send(request_bytes("POST", path, packed, {"Content-Encoding": "gzip"}))
            answer = connection.answer()
            assert answer.status == 400
            assert answer.error.startswith("Decompressed data size exceeds the maximum allowed")
    before.assert_memory_grew_by_less_than(160 * _MIB)


def test_message_that_unpacks_to_more_than_allowed_is_refused(tmp_path: Path) -> None:
    write_config(tmp_path, "identity_int32", identity_config("INT32"))
    limit = 8 * _MIB
    options = ServerOptions([f"--grpc-max-receive-message-size={limit}"], frontend="native")
    packed = grpc_message(_gzip_of_zeros(1 << 30), compressed=True)
    with RunningServer(tmp_path, options) as limited:
        assert_serves(limited)
        before = Footprint(limited)
        with Http2Connection(limited.grpc_port) as connection:
            for method in ("ModelInfer", "ModelStreamInfer", "ModelMetadata"):
                call = connection.start(method, [("grpc-encoding", "gzip")])
                connection.send(call, packed, end=True)
                connection.wait_for(call)
                assert call.status == 8
        before.assert_memory_grew_by_less_than(4 * limit)
        assert_serves(limited)


@pytest.mark.parametrize("way", ["close", "reset"])
def test_memory_of_a_client_that_leaves_in_the_middle_is_given_back(
    server: RunningServer, way: str
) -> None:
    before = Footprint(server)
    body = bytes(32 * _MIB)
    request = request_bytes("POST", _INFER, body, {"Inference-Header-Content-Length": "0"})
    for share in (0.5, 0.99, 1.0):
        for _ in range(5):
            connection = connect(server.http_port)
            connection.sendall(memoryview(request)[: int(len(request) * share)])
            connection.close() if way == "close" else reset(connection)
    half_read = connect(server.http_port)
    half_read.sendall(request)
    half_read.recv(1 << 20)
    half_read.close() if way == "close" else reset(half_read)
    before.assert_descriptors_are_back()
    before.assert_memory_grew_by_less_than(128 * _MIB)


def test_half_closed_clients_do_not_stay(server: RunningServer) -> None:
    before = Footprint(server)
    beginnings = {
        server.http_port: (b"", b"GET /v2", request_bytes("GET", "/v2")),
        server.grpc_port: (b"", b"PRI * HTTP", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    }
    connections = []
    for port, sent in beginnings.items():
        for beginning in sent * 50:
            connection = connect(port)
            connection.sendall(beginning)
            connection.shutdown(socket.SHUT_WR)
            connections.append(connection)
    for connection in connections:
        rest_of(connection)
    before.assert_descriptors_are_back()  # while our side is still open
    close_all(connections)
