"""One connection on which bytes are sent as they are and answers are read one after another."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from types import TracebackType

from tests.conformance.raw_http import Answer
from tests.conformance.server_socket import wait_until_read

# How long a hung server may keep a test from failing; nothing is measured against it.
_GUARD_S = 60


class ConnectionEnded(Exception):
    """The server closed the connection where more of an answer should have come."""


class HttpConnection:
    """A socket and what came on it that is not part of an answer yet. A context manager."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), _GUARD_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = plain if tls is None else tls.wrap_socket(plain, server_hostname="localhost")
        self._received = b""

    def __enter__(self) -> HttpConnection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.socket.close()

    @property
    def selected_protocol(self) -> str | None:
        """What both sides agreed on in the TLS handshake."""
        assert isinstance(self.socket, ssl.SSLSocket)
        return self.socket.selected_alpn_protocol()

    def send(self, *pieces: bytes) -> None:
        """Send each piece when the server has read the one before."""
        for number, piece in enumerate(pieces):
            if number:
                wait_until_read(self.socket)
            self.socket.sendall(piece)

    def answer(self, *, head_only: bool = False) -> Answer:
        """Return the next answer; `head_only` for one to HEAD. Raises ConnectionEnded."""
        head = self._through(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        headers = dict(line.lower().partition(": ")[::2] for line in head[1:] if line)
        if head_only or status < 200 or status in (204, 304):
            return Answer(status, headers, b"")
        return Answer(status, headers, self._body(headers))

    def rest(self) -> bytes:
        """Return everything up to the end of the connection; a reset is an end too."""
        try:
            while self._receive():
                pass
        except ConnectionResetError:
            pass
        rest, self._received = self._received, b""
        return rest

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return self._take(int(headers["content-length"]))
        body = b""
        while size := int(self._through(b"\r\n"), 16):
            body += self._take(size)
            assert self._take(2) == b"\r\n"
        assert self._through(b"\r\n") == b"\r\n"
        return body

    def _through(self, end: bytes) -> bytes:
        while (at := self._received.find(end)) < 0:
            self._need_more()
        return self._take(at + len(end))

    def _take(self, size: int) -> bytes:
        while len(self._received) < size:
            self._need_more()
        taken, self._received = self._received[:size], self._received[size:]
        return taken

    def _need_more(self) -> None:
        if not self._receive():
            raise ConnectionEnded(f"after {self._received!r}")

    def _receive(self) -> bool:
        piece = self.socket.recv(1 << 16)
        self._received += piece
        return bool(piece)


def request_bytes(
    method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> bytes:
    """Return a request with a Content-Length, as most clients would write it."""
    lines = [f"{method} {path} HTTP/1.1", "Host: tests"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode() + body


def chunked(pieces: list[bytes], *, extension: str = "", trailers: str = "") -> bytes:
    """Return pieces as the chunks of a body, with its end."""
    chunks = [f"{len(piece):X}{extension}\r\n".encode() + piece + b"\r\n" for piece in pieces]
    return b"".join(chunks) + f"0{extension}\r\n{trailers}\r\n".encode()
