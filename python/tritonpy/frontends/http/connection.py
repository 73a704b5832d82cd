"""One HTTP connection under uvicorn, and the five things that uvicorn leaves to us.

When the client goes away, the request that runs for it is cancelled, at no cost for those that
stay. Request heads, and trailers, are bounded. The chunks of a chunked body are counted. The head
and the body of a response can leave in one system call instead of two, which cost more than
anything else here. What is no HTTP is answered as every error is, in JSON.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from tritonpy.frontends.http.error_answer import error_answer
from tritonpy.frontends.http.request_connection import STATE_KEY
from tritonpy.frontends.http.status import BAD_REQUEST

# Request line and headers, as most servers allow them.
_MAX_HEAD_BYTES: Final = 64 * 1024
_HEAD_TOO_LARGE: Final = "Request head is too large."
_HEADER_FRAMING: Final = len(b": \r\n")


class _CorkedTransport:
    """A transport that can keep what is written until it is told to let go."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._kept: list[bytes] | None = None
        self.is_closing = transport.is_closing  # asked for every response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write now, or keep."""
        if self._kept is None:
            self._transport.write(data)
        else:
            self._kept.append(data)

    def cork(self) -> None:
        """Keep what is written from now on."""
        self._kept = []

    def uncork(self) -> None:
        """Write what was kept."""
        kept, self._kept = self._kept, None
        if kept:
            self._transport.writelines(kept)

    def close(self) -> None:
        """Write what was kept and close."""
        self.uncork()
        self._transport.close()


class Connection(HttpToolsProtocol):
    """Confined to the loop. Requests on one connection run one after another.

    Every override runs for every request, so there are few, and those of the parser name the base
    class: `super()` takes 0.1 us more each time.
    """

    _read_bytes = 0  # of the read that is being parsed
    _since_head = 0  # received since the last head ended, with all of that read: no head is larger
    _unused_bytes = 0  # received since a head ended or a body grew
    _chunks = 0
    _chunked_scope: object = None  # of the request whose chunks are counted
    _running: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._corked = _CorkedTransport(transport)
        self.app_state = {**self.app_state, STATE_KEY: self}  # copied into every scope
        super().connection_made(self._corked)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        size = len(data)
        self._read_bytes = size
        self._since_head += size
        self._unused_bytes += size
        HttpToolsProtocol.data_received(self, data)
        if self._unused_bytes > _MAX_HEAD_BYTES:  # a head, or trailers, without an end
            self.send_400_response(_HEAD_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Refuse a head that is too large; measure only one that might be."""
        if self._since_head > _MAX_HEAD_BYTES and self._head_bytes() > _MAX_HEAD_BYTES:
            self.send_400_response(_HEAD_TOO_LARGE)
            raise ValueError(_HEAD_TOO_LARGE)  # which ends the parsing
        self._since_head = self._read_bytes
        self._unused_bytes = 0
        HttpToolsProtocol.on_headers_complete(self)

    def _head_bytes(self) -> int:
        sizes = (len(name) + len(value) + _HEADER_FRAMING for name, value in self.headers)
        return len(self.url) + sum(sizes)

    def on_body(self, body: bytes) -> None:
        """Note that what was received was of use."""
        self._unused_bytes = 0
        HttpToolsProtocol.on_body(self, body)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, once, and close the connection."""
        if self.transport.is_closing():
            return
        headers, body = error_answer(BAD_REQUEST, msg)
        headers += [(b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(b"".join((STATUS_LINE[BAD_REQUEST], *lines, b"\r\n", body)))
        self.transport.close()

    def on_chunk_header(self) -> None:
        """Count a chunk; httptools calls this for the empty last one too."""
        if self._chunked_scope is not self.scope:
            self._chunked_scope, self._chunks = self.scope, 0
        self._chunks += 1

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._running is not None:
            self._running.cancel()

    def chunks_of(self, scope: Scope) -> int:
        """Return the chunks of a request's body so far, the empty last one among them."""
        return self._chunks if self._chunked_scope is scope else 0

    def cork(self) -> None:
        """Keep what is written until uncork."""
        self._corked.cork()

    def uncork(self) -> None:
        """Write what was kept, in one go."""
        self._corked.uncork()

    def set_running(self, task: asyncio.Task[None] | None) -> None:
        """Name the task to cancel when the client goes away."""
        self._running = task
