"""Binding a TCP socket where the operator said, with an error that says why it failed."""

from __future__ import annotations

import errno
import socket
from typing import Final

from tritonpy.errors import UnavailableError

# Connections that may wait to be accepted; the system may allow fewer.
BACKLOG: Final = 2048


def bound_socket(
    address: str, port: int, *, reuse_port: bool = False, backlog: int | None = None
) -> socket.socket:
    """Return a socket bound to an address, and listening where `backlog` is given.

    Port 0 is any free one; an address may be `[::]` or `ipv6:[::]`. Raises UnavailableError
    `Socket '<address>:<port>' already in use`, or with the system's words instead of the last.
    """
    host = address.removeprefix("ipv6:").strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((host, port))
        if backlog is not None:
            bound.listen(backlog)
    except OSError as error:
        bound.close()
        endpoint = f"{address}:{port}"
        if error.errno == errno.EADDRINUSE:
            raise UnavailableError(f"Socket '{endpoint}' already in use") from error
        raise UnavailableError(f"Socket '{endpoint}': {error.strerror or error}") from error
    return bound
