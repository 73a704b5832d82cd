"""Many plain sockets at once: sent to, watched, and left behind in every way."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence

# How long a hung server may keep a test from failing; nothing is measured against it.
_GUARD_S = 60
_POLL_MS = 20


def connect(port: int, receive_buffer: int | None = None) -> socket.socket:
    """Return a new connection."""
    connection = socket.socket()
    connection.settimeout(_GUARD_S)
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.connect(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def reset(connection: socket.socket) -> None:
    """Close at once, so that the server sees a reset and no end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def send_quietly(connection: socket.socket, data: bytes) -> bool:
    """Send; whether the server still took it."""
    try:
        connection.sendall(data)
    except ConnectionError:
        return False
    return True


def rest_of(connection: socket.socket) -> bytes:
    """Return all that comes until the connection ends, in order or with a reset."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(1 << 18):
            received += piece
    return received


def wait_for(connection: socket.socket, events: int, seconds: float) -> int:
    """Return what of `select.POLL...` has happened within a time; 0 for nothing."""
    poll = select.poll()  # select itself knows no descriptor above 1023
    poll.register(connection, events)
    happened = poll.poll(seconds * 1000)
    return happened[0][1] if happened else 0


def says_something(connection: socket.socket, seconds: float) -> bool:
    """Whether anything comes from the server, an end included, within a time."""
    return wait_for(connection, select.POLLIN, seconds) != 0


def flood(connection: socket.socket, data: bytes, times: int) -> None:
    """Send again and again and read nothing, until the server ends it or `times` is reached."""
    for _ in range(times):
        if not send_quietly(connection, data):
            return


def flood_and_drain(
    connection: socket.socket, data: bytes, times: int, *, half_closes: bool = True
) -> bytes:
    """Send again and again, reading what comes; return that once the connection has ended.

    When the server takes it all, our side is closed, so that it ends in any case.
    """
    received = b""
    connection.setblocking(False)
    pending = memoryview(data * times)
    with contextlib.suppress(ConnectionError):
        while True:
            events = select.POLLIN | (select.POLLOUT if pending else 0)
            ready = wait_for(connection, events, _GUARD_S)
            assert ready, "the server neither reads nor writes"
            if ready & ~select.POLLOUT:
                piece = connection.recv(1 << 18)
                if not piece:
                    break
                received += piece
            if ready & select.POLLOUT:
                pending = pending[connection.send(pending[: 1 << 18]) :]
                if not pending and half_closes:
                    connection.shutdown(socket.SHUT_WR)
    return received


def drip_until_closed(connections: Sequence[socket.socket], drop: bytes) -> list[bytes]:
    """Send each connection a little, again and again, until the server has ended all of them.

    Returns what each connection received.
    """
    received = {connection.fileno(): b"" for connection in connections}
    places = dict(zip(received, connections, strict=True))
    poll = select.poll()
    for place in places:
        poll.register(place, select.POLLIN)
    rounds = 0
    while places:
        for place, _ in poll.poll(_POLL_MS):
            piece = b""
            with contextlib.suppress(ConnectionError):
                piece = places[place].recv(65536)
            received[place] += piece
            if not piece:
                poll.unregister(place)
                del places[place]
        for connection in places.values() if drop else ():
            send_quietly(connection, drop)
        rounds += 1
        assert rounds * _POLL_MS < _GUARD_S * 1000, f"{len(places)} connections are never ended"
    return list(received.values())


def close_all(connections: Iterable[socket.socket]) -> None:
    """Close in order."""
    for connection in connections:
        connection.close()


@contextlib.contextmanager
def connections_to(port: int, count: int, beginning: bytes = b"") -> Iterator[list[socket.socket]]:
    """Open so many connections, send each the same, and close what is still open at the end."""
    opened: list[socket.socket] = []
    try:
        for _ in range(count):
            opened.append(connect(port))
            opened[-1].sendall(beginning)
        yield opened
    finally:
        close_all(opened)
