"""Goal: thousands of connections cost little, and those that are too many wait for their turn.

Method: ten thousand idle connections of each protocol, with the server's resident size for each of
them; limits on connections and on descriptors, and one connection after the other going.
"""

from __future__ import annotations

import resource
import select
import socket
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.abuse.footprint import Footprint, assert_serves
from tests.abuse.grpc_bytes import BEGINNING, call_bytes
from tests.abuse.grpc_bytes import request_bytes as grpc_request_bytes
from tests.abuse.sockets import close_all, connect, connections_to
from tests.conformance.http_connection import request_bytes
from tests.conformance.model_files import identity_config, write_config
from tests.conformance.running_server import RunningServer, ServerOptions

_IDLE = 10_000
# What an idle connection may take, tables of the kernel not counted.
_MAX_IDLE_HTTP = 4 << 10
_MAX_IDLE_GRPC = 32 << 10
_LIVE = request_bytes("GET", "/v2/health/live")
_LIVE_ANSWER = b"HTTP/1.1 200 OK"


def _is_served(connection: socket.socket) -> bool:
    """Send one request, whose answer must come."""
    connection.sendall(_LIVE)
    return connection.recv(1000).startswith(_LIVE_ANSWER)


def _waiting(connections: list[socket.socket]) -> list[socket.socket]:
    """Return those to which nothing has come, once nothing more comes for a moment."""
    poll = select.poll()
    places = {connection.fileno(): connection for connection in connections}
    for place in places:
        poll.register(place, select.POLLIN)
    while heard := poll.poll(300):
        for place, _ in heard:
            poll.unregister(place)
            del places[place]
    return list(places.values())


@pytest.mark.parametrize(("protocol", "most"), [("http", _MAX_IDLE_HTTP), ("grpc", _MAX_IDLE_GRPC)])
def test_idle_connections_take_little_memory(
    shared_server: RunningServer,
    protocol: str,
    most: int,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    """Each connection has made a request before it is idle."""
    server = shared_server
    port = server.http_port if protocol == "http" else server.grpc_port
    sent = _LIVE if protocol == "http" else grpc_request_bytes()
    before = Footprint(server)
    with connections_to(port, _IDLE, sent) as connections:
        assert not _waiting(connections)
        assert before.descriptors_now() >= _IDLE
        for connection in connections:
            connection.recv(1 << 16)
        assert_serves(server)
        each = (before.resident_bytes_now() - before.resident_bytes) / _IDLE
    record_testsuite_property(f"bytes of an idle {protocol} connection", round(each))
    assert each < most
    before.assert_descriptors_are_back()


def test_connections_beyond_the_limit_wait_for_their_turn(tmp_path: Path) -> None:
    limit = 20
    write_config(tmp_path, "identity_int32", identity_config("INT32"))
    options = ServerOptions([f"--max-connections={limit}"], frontend="native")
    with RunningServer(tmp_path, options) as server:
        connections = [connect(server.http_port) for _ in range(3 * limit)]
        for connection in connections:
            connection.sendall(_LIVE)
        waiting = _waiting(connections)
        assert len(waiting) == 2 * limit
        first = [connection for connection in connections if connection not in waiting]
        assert all(connection.recv(1000).startswith(_LIVE_ANSWER) for connection in first)
        assert all(_is_served(connection) for connection in first), "they stay connected"
        close_all(first)
        while waiting:
            still = _waiting(waiting)
            served = [connection for connection in waiting if connection not in still]
            assert len(served) == limit
            assert all(connection.recv(1000).startswith(_LIVE_ANSWER) for connection in served)
            close_all(served)
            waiting = still
        assert_serves(server)


def test_limit_counts_connections_of_both_protocols(tmp_path: Path) -> None:
    write_config(tmp_path, "identity_int32", identity_config("INT32"))
    options = ServerOptions(["--max-connections=4"], frontend="native")
    with RunningServer(tmp_path, options) as server:
        grpc = [connect(server.grpc_port) for _ in range(4)]
        for connection in grpc:
            connection.sendall(BEGINNING + call_bytes())
        assert not _waiting(grpc)
        http = connect(server.http_port)
        http.sendall(_LIVE)
        assert _waiting([http]) == [http]
        close_all(grpc)
        assert http.recv(1000).startswith(_LIVE_ANSWER)
        http.close()
        assert_serves(server)


def test_server_without_descriptors_goes_on_with_those_it_has(tmp_path: Path) -> None:
    write_config(tmp_path, "identity_int32", identity_config("INT32"))
    options = ServerOptions(["--max-connections=1000"], frontend="native")
    with RunningServer(tmp_path, options) as server:
        assert_serves(server)
        process = psutil.Process(server.pid)
        soft, hard = process.rlimit(resource.RLIMIT_NOFILE)
        highest = max(int(path.name) for path in Path(f"/proc/{server.pid}/fd").iterdir())
        process.rlimit(resource.RLIMIT_NOFILE, (highest + 11, hard))
        connections = [connect(server.http_port) for _ in range(60)]
        for connection in connections:
            connection.sendall(_LIVE)
        waiting = _waiting(connections)
        first = [connection for connection in connections if connection not in waiting]
        assert 1 <= len(first) < 60
        assert all(connection.recv(1000).startswith(_LIVE_ANSWER) for connection in first)
        for _ in range(100):
            assert all(_is_served(connection) for connection in first)
        used = sum(process.cpu_times()[:2])
        assert _waiting(waiting) == waiting
        assert sum(process.cpu_times()[:2]) - used < 0.2, "the server spins"
        process.rlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert not _waiting(waiting)
        close_all(connections)
        assert_serves(server)
