"""Waiting until the server has read what was sent, so that the next bytes are a read of their own.

The kernel says how many bytes wait in the server's socket (sock_diag(7), which Linux answers to
everybody).
"""

from __future__ import annotations

import errno
import os
import socket
import struct

_SOCK_DIAG = 4  # the protocol of the netlink socket
_BY_FAMILY, _ERROR = 20, 2  # types of messages
_REQUEST = 1
_ALL_STATES = _NO_COOKIE = 0xFFFFFFFF
_HEADER, _QUEUE_AT = struct.Struct("=IHHII"), 16 + 56
_LOOKS_MAX = 5_000_000


def wait_until_read(connection: socket.socket) -> None:
    """Return when the server has read all that was sent to it, or has closed its socket."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
        question = _question(connection)
        for _ in range(_LOOKS_MAX):
            kernel.send(question)
            if _unread_bytes(kernel.recv(1 << 12)) == 0:
                return
    raise AssertionError("the server does not read")


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


def _unread_bytes(answer: bytes) -> int:
    _, kind, _, _, _ = _HEADER.unpack_from(answer)
    if kind == _ERROR:
        code = -struct.unpack_from("=i", answer, _HEADER.size)[0]
        if code == errno.ENOENT:
            return 0
        raise OSError(code, os.strerror(code))
    return int(struct.unpack_from("=I", answer, _QUEUE_AT)[0])
