"""What the kernel says of the server's end of a connection (sock_diag(7), which anybody may ask).

A test that waits until what it sent was read makes the next bytes a read of their own; one that
waits until the socket was closed need not read from it to find out.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator

_SOCK_DIAG = 4  # the protocol of the netlink socket
_BY_FAMILY, _ERROR = 20, 2  # types of messages
_REQUEST = 1
_ALL_STATES = _NO_COOKIE = 0xFFFFFFFF
_HEADER = struct.Struct("=IHHII")
_UNREAD_AND_INODE = struct.Struct("=I8xI")
_UNREAD_AT = _HEADER.size + 56
_LOOKS_MAX = 5_000_000


def wait_until_read(connection: socket.socket) -> None:
    """Return when the server has read all that was sent to it, or has closed its socket."""
    for unread, _ in _looks(connection):
        if unread == 0:
            return
    raise AssertionError("the server does not read")


def wait_until_closed(connection: socket.socket) -> None:
    """Return when the server has closed its socket, whether or not the kernel still sends."""
    for _, is_open in _looks(connection):
        if not is_open:
            return
    raise AssertionError("the server does not close the connection")


def _looks(connection: socket.socket) -> Iterator[tuple[int, bool]]:
    """Yield, again and again, how much the server has not read, and whether its socket is open."""
    question = _question(connection)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
        for _ in range(_LOOKS_MAX):
            kernel.send(question)
            yield _read_answer(kernel.recv(1 << 12))


def _question(connection: socket.socket) -> bytes:
    (address, port), (their_address, their_port) = (
        connection.getsockname(),
        connection.getpeername(),
    )
    place = struct.pack("!HH", their_port, port)
    place += struct.pack("!4s12x4s12x", socket.inet_aton(their_address), socket.inet_aton(address))
    place += struct.pack("=III", 0, _NO_COOKIE, _NO_COOKIE)
    body = struct.pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0, _ALL_STATES) + place
    return _HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST, 1, 0) + body


def _read_answer(answer: bytes) -> tuple[int, bool]:
    _, kind, _, _, _ = _HEADER.unpack_from(answer)
    if kind == _ERROR:
        code = -struct.unpack_from("=i", answer, _HEADER.size)[0]
        if code == errno.ENOENT:
            return 0, False
        raise OSError(code, os.strerror(code))
    unread, inode = _UNREAD_AND_INODE.unpack_from(answer, _UNREAD_AT)
    return unread, inode != 0
