"""Goal: the native front end can be driven from Python: listeners, events, answers, health, end.

Method: the real one on a free port, with plain sockets as clients and the test as control plane.
"""

from __future__ import annotations

import gc
import select
import socket
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tritonpy.core import ControlEvent, Core, EventKind, Log, NativeFrontend
from tritonpy.errors import InvalidArgError
from tritonpy.options import ConnectionOptions, GrpcOptions, HttpOptions, TlsFiles

_LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def _listening() -> tuple[int, int]:
    """Return a listening descriptor, for who takes it, and its port."""
    listening = socket.create_server(("127.0.0.1", 0))
    port: int = listening.getsockname()[1]
    return listening.detach(), port


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port))


def _exchange(port: int, request: bytes) -> bytes:
    with _connect(port) as client:
        client.sendall(request)
        return _rest(client)


def _rest(client: socket.socket) -> bytes:
    received = b""
    while part := client.recv(65536):
        received += part
    return received


def _next_events(frontend: NativeFrontend) -> list[ControlEvent]:
    select.select([frontend], [], [])
    return frontend.take_events()


def _io_threads() -> int:
    names = list[str]()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            names.append((task / "comm").read_text())
    return sum(name.startswith("io-") for name in names)


def _make(io_threads: int = 1) -> NativeFrontend:
    core = Core(Log(), "")
    return core.native_frontend(ConnectionOptions(io_threads=io_threads))


@pytest.fixture
def frontend() -> Iterator[NativeFrontend]:
    """A front end that does not listen yet."""
    made = _make()
    yield made
    made.stop(wait_for_core=True)


def test_request_crosses_whole_and_its_answer_comes_back(frontend: NativeFrontend) -> None:
    descriptor, port = _listening()
    frontend.listen_http(HttpOptions(), descriptor)
    assert frontend.take_events() == []
    with _connect(port) as client:
        client.sendall(
            b"POST /v2/x?y=1 HTTP/1.1\r\nHost: a\r\nX-Odd: \xe9\r\n"
            b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
        )
        (event,) = _next_events(frontend)
        assert event.kind == EventKind.HTTP_REQUEST
        assert (event.method, event.target, event.body) == ("POST", b"/v2/x?y=1", b"abc")
        assert (event.minor_version, event.chunks) == (1, 3)
        assert (b"x-odd", b"\xe9") in event.headers
        frontend.answer_head(event.call_id, 404, [(b"a", b"b")])
        frontend.answer_piece(event.call_id, b"one")
        (taken,) = _next_events(frontend)
        assert (taken.kind, taken.call_id) == (EventKind.TAKEN, event.call_id)
        frontend.answer_end(event.call_id, 0, b"two")
        answer = _rest(client)
    assert answer.startswith(b"HTTP/1.1 404 Not Found\r\na: b\r\n")
    assert answer.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


def test_client_that_leaves_is_heard_of_and_late_answers_are_dropped(
    frontend: NativeFrontend,
) -> None:
    descriptor, port = _listening()
    frontend.listen_http(HttpOptions(), descriptor)
    client = _connect(port)
    client.sendall(b"GET /v2 HTTP/1.1\r\nHost: a\r\n\r\n")
    (event,) = _next_events(frontend)
    client.close()
    (gone,) = _next_events(frontend)
    assert (gone.kind, gone.call_id) == (EventKind.GONE, event.call_id)
    frontend.answer_end(event.call_id, 0, b"late")


def test_health_is_what_was_told_last(frontend: NativeFrontend) -> None:
    descriptor, port = _listening()
    frontend.listen_http(HttpOptions(), descriptor)
    ready = _LIVE.replace(b"live", b"ready")
    assert _exchange(port, ready).startswith(b"HTTP/1.1 400 ")
    frontend.set_health(ready=True, exiting=False)
    assert _exchange(port, ready).startswith(b"HTTP/1.1 200 ")
    frontend.set_health(ready=False, exiting=True)
    assert _exchange(port, _LIVE).startswith(b"HTTP/1.1 503 ")


def test_models_that_check_themselves_are_asked_for_over_the_bridge(
    frontend: NativeFrontend,
) -> None:
    descriptor, port = _listening()
    frontend.listen_http(HttpOptions(), descriptor)
    ready = _LIVE.replace(b"health/live", b"models/m/ready")
    assert _exchange(port, ready).startswith(b"HTTP/1.1 4")
    frontend.set_models_have_checks(True)
    with _connect(port) as client:
        client.sendall(ready)
        (event,) = _next_events(frontend)
        assert (event.kind, event.target) == (EventKind.HTTP_REQUEST, b"/v2/models/m/ready")


def test_certificates_that_are_none_are_refused_and_their_socket_closed(
    frontend: NativeFrontend, tmp_path: Path
) -> None:
    none = tmp_path / "none"
    none.write_text("no certificate")
    tls = TlsFiles(none, none, None, mutual=False)
    for listen in (
        partial(frontend.listen_http, HttpOptions(tls=tls)),
        partial(frontend.listen_grpc, GrpcOptions(tls=tls)),
    ):
        descriptor, port = _listening()
        with pytest.raises(InvalidArgError) as error:
            listen(descriptor)
        assert error.value.message == f"failed to set up TLS with '{none}'"
        with pytest.raises(ConnectionRefusedError):
            _connect(port)


def test_finish_ends_listening(frontend: NativeFrontend) -> None:
    descriptor, port = _listening()
    frontend.listen_grpc(GrpcOptions(), descriptor)
    assert frontend.finish(60)
    with pytest.raises(ConnectionRefusedError):
        _connect(port)


def test_front_end_keeps_its_core_and_ends_its_threads_when_it_goes() -> None:
    before = _io_threads()
    frontend = _make(io_threads=3)
    gc.collect()  # nobody but the front end has the core any more
    assert _io_threads() == before + 3
    descriptor, port = _listening()
    frontend.listen_http(HttpOptions(), descriptor)
    assert _exchange(port, _LIVE).startswith(b"HTTP/1.1 200 ")
    with _connect(port) as client:
        client.sendall(b"GET /v2 HTTP/1.1\r\nHost: a\r\n\r\n")
        _next_events(frontend)
        del frontend
        gc.collect()
        assert _io_threads() == before
