"""Goal: a client that vanishes at any byte leaves nothing behind.

Method: valid requests, cut off at every byte, their connections closed or reset; then ten thousand
abusive connections of every kind, with the server's descriptors and memory before and after.
"""

from __future__ import annotations

import json
import random
import socket
from itertools import cycle, islice

import pytest

from tests.abuse.footprint import Footprint
from tests.abuse.grpc_bytes import BEGINNING, call_bytes, unfinished_requests
from tests.abuse.grpc_bytes import request_bytes as grpc_request_bytes
from tests.abuse.sockets import connect, reset, send_quietly
from tests.conformance.http2_connection import Http2Connection, grpc_message
from tests.conformance.http_connection import chunked, request_bytes
from tests.conformance.infer_messages import infer_message, large_infer_message
from tests.conformance.raw_http import json_input
from tests.conformance.running_server import RunningServer
from tests.conformance.server_socket import wait_until_read

_SEED = 11
_CONNECTIONS = 10_000
_BODY = json.dumps({"inputs": [json_input([3], [1, 1], "INT32")]}).encode()
_INFER = request_bytes("POST", "/v2/models/identity_int32/infer", _BODY)
_CHUNKED = b"POST /v2/models/identity_int32/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
_INDEX = request_bytes("POST", "/v2/repository/index", b'{"ready": true}')


def _vanish(port: int, sent: bytes, *, with_reset: bool, is_read: bool) -> None:
    connection = connect(port)
    connection.sendall(sent)
    if is_read:
        wait_until_read(connection)
    if with_reset:
        reset(connection)
    else:
        connection.close()


@pytest.mark.parametrize("with_reset", [False, True])
@pytest.mark.parametrize("is_read", [False, True])
def test_client_may_vanish_at_every_byte(
    server: RunningServer, with_reset: bool, is_read: bool
) -> None:
    requests = {
        _INFER: server.http_port,
        _CHUNKED + chunked([_BODY]): server.http_port,
        _INDEX: server.http_port,
        grpc_request_bytes(): server.grpc_port,
    }
    for sent, port in requests.items():
        for size in range(len(sent) + 1):
            _vanish(port, sent[:size], with_reset=with_reset, is_read=is_read)


def test_client_may_vanish_while_its_request_runs(server: RunningServer) -> None:
    infer = _INFER.replace(b"identity_int32", b"slow")
    for _ in range(20):
        _vanish(server.http_port, infer, with_reset=False, is_read=True)
        _vanish(server.http_port, infer + infer, with_reset=True, is_read=True)
        connection = Http2Connection(server.grpc_port)
        connection.unary("ModelInfer", infer_message(1, "slow"))
        stream = connection.start("ModelStreamInfer")
        for number in range(5):
            connection.send(stream, grpc_message(infer_message(number, "slow")))
        wait_until_read(connection.socket)
        connection.close()


def test_client_may_vanish_while_its_answer_is_written(server: RunningServer) -> None:
    body = bytes(8 << 20)
    raw = {"Inference-Header-Content-Length": "0"}
    request = request_bytes("POST", "/v2/models/identity_uint8/infer", body, raw)
    for with_reset in (False, True) * 3:
        connection = connect(server.http_port)
        connection.sendall(request)
        connection.recv(1000)
        reset(connection) if with_reset else connection.close()
        grpc = Http2Connection(server.grpc_port)
        call = grpc.unary("ModelInfer", large_infer_message(8 << 20))
        while len(call.data) <= 1000:
            grpc.receive()
        reset(grpc.socket) if with_reset else grpc.close()


def test_client_may_vanish_from_calls_of_the_control_plane(server: RunningServer) -> None:
    metadata = request_bytes("GET", "/v2/models/identity_int32/config")
    for number in range(200):
        _vanish(server.http_port, metadata, with_reset=number % 2 == 0, is_read=number % 4 == 0)
        connection = Http2Connection(server.grpc_port)
        calls = [connection.unary("RepositoryIndex", b"") for _ in range(3)]
        if number % 3 == 0:
            connection.reset(calls[0])
        connection.close()


def _abuse(server: RunningServer, kind: int, chance: random.Random) -> None:
    """Make one connection that behaves badly in one of many ways."""
    is_http = kind % 2 == 0
    port = server.http_port if is_http else server.grpc_port
    valid = chance.choice((_INFER, _INDEX)) if is_http else grpc_request_bytes()
    connection = connect(port)
    match kind // 2 % 6:
        case 0:
            pass  # says nothing
        case 1:
            send_quietly(connection, chance.randbytes(chance.randrange(1, 500)))
        case 2:
            send_quietly(connection, valid[: chance.randrange(len(valid))])
        case 3:
            send_quietly(connection, valid)
        case 4:
            send_quietly(connection, valid[:-1])
            connection.shutdown(socket.SHUT_WR)
        case 5:
            beginning = BEGINNING + call_bytes() if not is_http else b"GET / HTTP/1.1\r\n"
            send_quietly(connection, beginning + chance.randbytes(100))
    if chance.random() < 0.5:
        reset(connection)
    else:
        connection.close()


def test_ten_thousand_abusive_connections_leave_nothing(server: RunningServer) -> None:
    chance = random.Random(_SEED)
    for kind in range(500):  # so that what is kept for reuse is there already
        _abuse(server, kind, chance)
    before = Footprint(server)
    for kind in range(_CONNECTIONS):
        _abuse(server, kind, chance)
    before.assert_descriptors_are_back()
    before.assert_memory_grew_by_less_than(16 << 20)


def test_every_unfinished_call_is_forgotten(server: RunningServer) -> None:
    beginnings = tuple(unfinished_requests().values())
    before = Footprint(server)
    for beginning in islice(cycle(beginnings), 1000):
        _vanish(server.grpc_port, beginning, with_reset=False, is_read=False)
    before.assert_descriptors_are_back()
    before.assert_memory_grew_by_less_than(16 << 20)
