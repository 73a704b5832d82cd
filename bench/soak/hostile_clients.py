"""Clients that do everything a server must survive. None of them expects an answer.

Each makes one attack and returns when the server has ended it, or when it has gone on long enough.
An attack that the server should have ended and did not raises.
"""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Callable
from typing import TypeAlias

from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
)

from bench.soak.valid_clients import Ports
from tests.abuse.grpc_bytes import BEGINNING, call_bytes, header_block
from tests.abuse.grpc_bytes import request_bytes as grpc_request_bytes
from tests.abuse.sockets import (
    connect,
    connections_to,
    drip_until_closed,
    flood_and_drain,
    reset,
    rest_of,
    says_something,
    send_quietly,
)
from tests.conformance.http2_connection import Http2Connection, call_headers, grpc_message
from tests.conformance.http_connection import ConnectionEnded, request_bytes
from tests.conformance.infer_messages import large_infer_message

Attack: TypeAlias = Callable[[Ports, random.Random], None]

_INFER = b"POST /v2/models/identity_int32/infer HTTP/1.1\r\nHost: a\r\n"
_BODY = b'{"inputs": [{"name": "INPUT0", "datatype": "INT32", "shape": [1, 1], "data": [3]}]}'
_VALID = request_bytes("POST", "/v2/models/identity_int32/infer", _BODY)
_SLOW_PARTS = (
    b"POST /v2/mod",
    _INFER + b"X: ",
    _INFER + b"Content-Length: 1000000\r\n\r\n",
    _INFER + b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n",
)
_MIB = 1 << 20


def vanish(ports: Ports, chance: random.Random) -> None:
    """Leave in the middle of a hundred requests."""
    for _ in range(100):
        is_http = chance.random() < 0.5
        valid = _VALID if is_http else grpc_request_bytes()
        connection = connect(ports.http if is_http else ports.grpc)
        send_quietly(connection, valid[: chance.randrange(len(valid) + 1)])
        reset(connection) if chance.random() < 0.5 else connection.close()


def garbage(ports: Ports, chance: random.Random) -> None:
    """Send noise, alone and behind a valid beginning."""
    for port, beginning in (
        (ports.http, b""),
        (ports.http, _INFER),
        (ports.grpc, b""),
        (ports.grpc, BEGINNING),
        (ports.grpc, BEGINNING + call_bytes()),
    ):
        connection = connect(port)
        send_quietly(connection, beginning + chance.randbytes(chance.randrange(1, 5000)))
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        rest_of(connection)
        connection.close()


def slow_loris(ports: Ports, chance: random.Random) -> None:
    """Send many requests a byte at a time."""
    with connections_to(ports.http, 50, chance.choice(_SLOW_PARTS)) as connections:
        drip_until_closed(connections, b"0")
    unfinished = HeadersFrame(1, header_block()[:5]).serialize()
    with connections_to(ports.grpc, 50, BEGINNING + unfinished) as connections:
        drip_until_closed(connections, b"")


def rapid_reset(ports: Ports, chance: random.Random) -> None:
    """Open calls and cancel them at once."""
    encoder, sent = Encoder(), b""
    for number in range(3000):
        block = encoder.encode(call_headers("ModelInfer"))
        sent += HeadersFrame(2 * number + 1, block, flags=["END_HEADERS"]).serialize()
        sent += RstStreamFrame(2 * number + 1, 8).serialize()
    _flood(ports.grpc, BEGINNING, sent, 1)


def frame_floods(ports: Ports, chance: random.Random) -> None:
    """Send settings, pings and headers without end."""
    unfinished = HeadersFrame(1, header_block()).serialize()
    _flood(ports.grpc, BEGINNING, SettingsFrame(0).serialize() * 1000, 100)
    _flood(ports.grpc, BEGINNING, PingFrame(0, bytes(8)).serialize() * 1000, 100)
    _flood(
        ports.grpc,
        BEGINNING + unfinished,
        ContinuationFrame(1, b"\x40\x01a\x01b" * 100).serialize() * 100,
        100,
    )


def header_floods(ports: Ports, chance: random.Random) -> None:
    """Send headers, chunk extensions and trailers without end."""
    chunks = _INFER + b"Transfer-Encoding: chunked\r\n\r\n"
    for beginning, more in (
        (_INFER, b"X: y\r\n"),
        (chunks, b"1;x=" + b"y" * 100),
        (chunks + b"0\r\n", b"X: y\r\n"),
    ):
        _flood(ports.http, beginning, more * 100, 200)


def _flood(port: int, beginning: bytes, more: bytes, times: int) -> None:
    connection = connect(port)
    send_quietly(connection, beginning)
    flood_and_drain(connection, more, times)
    connection.close()


def push_without_reading(ports: Ports, chance: random.Random) -> None:
    """Push megabytes with windows of zero, up to where the server stops taking them."""
    settings = {SettingsFrame.INITIAL_WINDOW_SIZE: 0}
    with (
        contextlib.suppress(ConnectionEnded, ConnectionError),
        Http2Connection(ports.grpc, settings=settings, gives_credit=False) as connection,
    ):
        message = grpc_message(large_infer_message(_MIB, "identity_uint8"))
        for _ in range(20):
            call = connection.start("ModelInfer")
            connection.send(call, message, end=True)
        says_something(connection.socket, chance.random())


def ask_without_reading(ports: Ports, chance: random.Random) -> None:
    """Ask for large answers and read none of them."""
    raw = {"Inference-Header-Content-Length": "0"}
    request = request_bytes("POST", "/v2/models/identity_uint8/infer", bytes(_MIB), raw)
    connection = connect(ports.http, receive_buffer=4096)
    connection.settimeout(1)
    with contextlib.suppress(TimeoutError, ConnectionError):
        for _ in range(20):
            connection.sendall(request)
    reset(connection)


def idle_crowd(ports: Ports, chance: random.Random) -> None:
    """Keep a crowd of connections for a moment, most of which say nothing."""
    with (
        connections_to(ports.http, 500),
        connections_to(ports.grpc, 300, BEGINNING),
        connections_to(ports.http, 200, _VALID[: chance.randrange(len(_VALID))]) as some,
    ):
        says_something(some[0], chance.random() * 3)


ATTACKS: tuple[Attack, ...] = (
    vanish,
    garbage,
    slow_loris,
    rapid_reset,
    frame_floods,
    header_floods,
    push_without_reading,
    ask_without_reading,
    idle_crowd,
)
