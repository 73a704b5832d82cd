"""Goal: bytes that make no sense end their connection, and change nothing else.

Method: noise, other protocols, and valid requests with bytes changed at random from a printed seed;
on plain ports, on TLS ports, and below TLS.
"""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from hyperframe.frame import HeadersFrame

from tests.abuse.footprint import Footprint
from tests.abuse.grpc_bytes import BEGINNING, call_bytes, frames_of
from tests.abuse.grpc_bytes import request_bytes as grpc_request_bytes
from tests.abuse.sockets import connect, rest_of, send_quietly
from tests.conformance.certificates import Authority, tls_arguments
from tests.conformance.http2_connection import PREFACE, Http2Connection
from tests.conformance.http_connection import HttpConnection, request_bytes
from tests.conformance.infer_messages import infer_message
from tests.conformance.model_files import identity_config, write_config
from tests.conformance.running_server import RunningServer, ServerOptions

_SEED = 20240607
_ROUNDS = 300
# How long a hung server may keep a test from failing; nothing is measured against it.
_GUARD_S = 60
_LIVE = request_bytes("GET", "/v2/health/live")
_CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
_HTTP_BODY = b'{"inputs": [{"name": "INPUT0", "datatype": "INT32", "shape": [1, 1], "data": [3]}]}'


def _send_and_end(port: int, sent: bytes) -> bytes:
    connection = connect(port)
    if send_quietly(connection, sent):
        with contextlib.suppress(OSError):  # reset already
            connection.shutdown(socket.SHUT_WR)
    received = rest_of(connection)
    connection.close()
    return received


def _grpc_answers(server: RunningServer, sent: bytes) -> list[HeadersFrame]:
    frames = frames_of(_send_and_end(server.grpc_port, sent))
    return [frame for frame in frames if isinstance(frame, HeadersFrame)]


def _noise(random_bytes: random.Random) -> bytes:
    return random_bytes.randbytes(random_bytes.randrange(1, 3000))


def _changed(valid: bytes, random_bytes: random.Random) -> bytes:
    """Return valid bytes with some of them changed, taken out or doubled."""
    changed = bytearray(valid)
    for _ in range(random_bytes.randrange(1, 4)):
        at = random_bytes.randrange(len(changed))
        match random_bytes.randrange(4):
            case 0:
                changed[at] = random_bytes.randrange(256)
            case 1:
                changed[at] ^= 1 << random_bytes.randrange(8)
            case 2:
                del changed[at : at + random_bytes.randrange(1, 20)]
            case 3:
                changed[at:at] = changed[at : at + random_bytes.randrange(1, 20)]
        changed = changed or bytearray(b"\0")
    return bytes(changed)


def test_noise_is_not_answered_as_if_it_were_a_request(server: RunningServer) -> None:
    random_bytes = random.Random(_SEED)
    for _ in range(_ROUNDS):
        received = _send_and_end(server.http_port, _noise(random_bytes))
        assert not received or received.startswith(b"HTTP/1.1 4"), f"seed {_SEED}"
        assert not _grpc_answers(server, _noise(random_bytes)), f"seed {_SEED}"


def test_noise_inside_http2_ends_its_connection(server: RunningServer) -> None:
    random_bytes = random.Random(_SEED)
    for beginning in (PREFACE, BEGINNING, BEGINNING + call_bytes()):
        for _ in range(_ROUNDS // 3):
            _send_and_end(server.grpc_port, beginning + _noise(random_bytes))


def test_other_protocols_are_refused(server: RunningServer) -> None:
    for sent in (
        _CLIENT_HELLO + bytes(500),
        BEGINNING + call_bytes(),
        b"EHLO there\r\n",
        bytes(99),
    ):
        received = _send_and_end(server.http_port, sent)
        assert received.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505 ")) or not received
    for sent in (_CLIENT_HELLO + bytes(500), _LIVE, b"EHLO there\r\n", bytes(99)):
        assert not _grpc_answers(server, sent)


def test_changed_http_requests_change_nothing_else(server: RunningServer) -> None:
    random_bytes = random.Random(_SEED)
    path = "/v2/models/identity_int32/infer"
    plain = request_bytes("POST", path, _HTTP_BODY)
    lines = f"POST {path} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunks = lines + b"%x\r\n%b\r\n0\r\n\r\n" % (len(_HTTP_BODY), _HTTP_BODY)
    for _ in range(_ROUNDS):
        for valid in (plain + _LIVE, chunks + _LIVE):
            received = _send_and_end(server.http_port, _changed(valid, random_bytes))
            assert not received or received.startswith(b"HTTP/1.1 "), f"seed {_SEED}"


def test_changed_grpc_requests_change_nothing_else(server: RunningServer) -> None:
    random_bytes = random.Random(_SEED)
    valid = grpc_request_bytes()
    for _ in range(_ROUNDS):
        _send_and_end(server.grpc_port, _changed(valid, random_bytes))
    with Http2Connection(server.grpc_port) as connection:
        call = connection.unary("ModelInfer", infer_message(1))
        connection.wait_for(call)
        assert call.status == 0


@pytest.fixture(scope="module")
def secure(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[RunningServer, Authority]]:
    """A server with TLS on both ports."""
    directory: Path = tmp_path_factory.mktemp("secure")
    write_config(directory / "models", "identity_int32", identity_config("INT32"))
    authority = Authority(directory / "pem")
    files = authority.issue("server")
    arguments = [*tls_arguments("http", files), *tls_arguments("grpc", files)]
    options = ServerOptions(arguments, frontend="native")
    with RunningServer(directory / "models", options) as running:
        yield running, authority


def _assert_serves_tls(server: RunningServer, authority: Authority) -> None:
    with HttpConnection(server.http_port, authority.client_context()) as connection:
        connection.send(_LIVE)
        assert connection.answer().status == 200


def test_noise_instead_of_tls_ends_its_connection(
    secure: tuple[RunningServer, Authority],
) -> None:
    server, authority = secure
    _assert_serves_tls(server, authority)
    before = Footprint(server)
    random_bytes = random.Random(_SEED)
    hello = _recorded_hello(server, authority)
    for port in (server.http_port, server.grpc_port):
        for _ in range(_ROUNDS // 3):
            for sent in (
                _noise(random_bytes),
                _CLIENT_HELLO + _noise(random_bytes),
                _changed(hello, random_bytes),
                hello + _noise(random_bytes),
            ):
                assert b"HTTP/1.1 200" not in _send_and_end(port, sent)
    _assert_serves_tls(server, authority)
    before.assert_descriptors_are_back()
    before.assert_memory_grew_by_less_than(32 << 20)


def _recorded_hello(server: RunningServer, authority: Authority) -> bytes:
    """Return what a client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = authority.client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def test_noise_below_an_established_tls_session_ends_it(
    secure: tuple[RunningServer, Authority],
) -> None:
    server, authority = secure
    random_bytes = random.Random(_SEED)
    for _ in range(30):
        with HttpConnection(server.http_port, authority.client_context()) as connection:
            connection.send(_LIVE)
            assert connection.answer().status == 200
            below = socket.socket(fileno=connection.socket.detach())
            below.settimeout(_GUARD_S)
            send_quietly(below, _noise(random_bytes))
            received = rest_of(below)
            below.close()
            assert len(received) < 1000
    _assert_serves_tls(server, authority)
