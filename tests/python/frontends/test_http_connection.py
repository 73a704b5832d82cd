"""Goal: no client makes a connection keep more than a bounded head, and what is no HTTP gets JSON.

Method: reads of chosen sizes given to a connection with a small application behind it, over a
transport that records.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from tritonpy.frontends.http.connection import Connection

_MAX = 64 * 1024
_GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
_POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_UNREAD = b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"


async def _application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with nothing: /unread before the body is read, other paths after it."""
    while scope["path"] != "/unread":
        message = await receive()
        if not message.get("more_body", False):
            break
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class _Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, _name: str) -> None:
        return None

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def _answers_to(reads: Sequence[bytes]) -> tuple[list[bytes], bytes]:
    """Give reads to a connection until it closes; return the statuses, and all that is written."""
    config = uvicorn.Config(_application, ws="none", log_config=None, log_level="critical")
    connection, transport = Connection(config, ServerState(), {}), _Transport()
    double: Any = transport
    connection.connection_made(double)
    for read in reads:
        if not transport.closed:
            connection.data_received(read)
        for _ in range(20):
            await asyncio.sleep(0)
    connection.connection_lost(None)
    statuses = [part[:3] for part in transport.written.split(b"HTTP/1.1 ")[1:]]
    return statuses, transport.written


def _head(size: int) -> bytes:
    """Return a head of which so many bytes count: target, names, values, `: ` and line ends."""
    start, headers, end = b"GET / HTTP/1.1\r\n", b"Host: a\r\nX: ", b"\r\n"
    counted = len(b"/") + len(headers) + len(end)
    return start + headers + b"a" * (size - counted) + end + b"\r\n"


@pytest.mark.parametrize("cut", [0, 3, 40, 60_000])
async def test_head_of_the_limit_passes_and_one_byte_more_does_not(cut: int) -> None:
    for size, status in ((_MAX - 100, b"204"), (_MAX + 1, b"400"), (100_000, b"400")):
        head = _head(size)
        statuses, _ = await _answers_to((head[:cut], head[cut:]))
        assert statuses == [status]


async def test_head_in_one_read_is_measured_to_the_byte() -> None:
    assert (await _answers_to((_GET, _GET + _head(_MAX)[:-2], b"\r\n")))[0] == [b"204"] * 3
    assert (await _answers_to((_head(_MAX + 1)[:60_000], _head(_MAX + 1)[60_000:])))[0] == [b"400"]


async def test_large_head_behind_another_request_is_refused() -> None:
    whole = _GET + _head(100_000)
    assert (await _answers_to((whole[:60_000], whole[60_000:])))[0] == [b"204", b"400"]
    assert b"400" in (await _answers_to((whole,)))[0]


@pytest.mark.parametrize(
    "opening",
    [
        b"GET / HTTP/1.1\r\nX: ",
        b"GET /",
        _UNREAD + b"0123456789GET / HTTP/1.1\r\nX: ",  # behind a body that nobody read
        _CHUNKED + b"1\r\na\r\n0\r\nX: ",  # trailers
        _CHUNKED + b"1;",  # a chunk's extension
    ],
)
async def test_what_has_no_end_is_cut_off(opening: bytes) -> None:
    _, written = await _answers_to((opening, *[b"a" * 16_000] * 5))
    assert written.endswith(b'{"error":"Request head is too large."}')


async def test_large_bodies_are_no_heads() -> None:
    piece = bytes(100_000)
    post = _POST + b"Content-Length: %d\r\n\r\n" % (4 * len(piece))
    chunk = b"%x\r\n" % (3 * len(piece))
    reads = (
        *(post, piece, piece, piece),
        piece + _CHUNKED + chunk[:2],
        *(chunk[2:], piece, piece, piece, b"\r\n0\r\n\r\n" + _GET[:5]),
        _GET[5:] + _GET,
        *(_UNREAD, b"0123456789" + _GET),
    )
    assert (await _answers_to(reads))[0] == [b"204"] * 6


async def test_many_requests_in_few_reads_are_no_large_head() -> None:
    requests = _GET * 10_000
    reads = [requests[start : start + 90_001] for start in range(0, len(requests), 90_001)]
    statuses, _ = await _answers_to([*reads, *[b""] * 2_000])
    assert statuses == [b"204"] * 10_000


async def test_what_is_no_http_is_answered_in_json() -> None:
    _, written = await _answers_to((b"nonsense\r\n\r\n",))
    head, _, body = written.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: application/json" in head
    assert b"content-length: %d" % len(body) in head
    assert json.loads(body) == {"error": "Invalid HTTP request received."}
