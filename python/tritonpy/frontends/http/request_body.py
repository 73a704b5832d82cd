"""Reading a request's body and the headers that say what it is. Nothing here is unbounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.types import Message, Receive, Scope

from tritonpy.core import parse_json_length
from tritonpy.errors import CancelledError, InvalidArgError
from tritonpy.frontends.http.encoding import decode
from tritonpy.frontends.http.request_connection import chunk_count

JSON_LENGTH_HEADER: Final = b"inference-header-content-length"
# Triton's own bound: beyond it a body is a way to keep the server busy, not to send data.
_MAX_CHUNKS: Final = 65536


def json_length_of(headers: Mapping[bytes, bytes]) -> int | None:
    """Return Inference-Header-Content-Length: how much of the body is JSON, None for all of it."""
    raw = headers.get(JSON_LENGTH_HEADER)
    if raw is None:
        return None
    if len(raw) < 10 and raw.isdigit():
        return int(raw)
    return parse_json_length(raw.decode("latin-1"))


async def read_body(
    scope: Scope, receive: Receive, headers: Mapping[bytes, bytes], max_size: int
) -> bytes:
    """Return the body as it was before its Content-Encoding.

    Raises InvalidArgError as soon as it is larger than `max_size`, CancelledError when the client
    leaves.
    """
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")  # nearly every request comes in one piece
        if len(body) > max_size:
            raise _too_large(len(body), max_size, headers)
        _require_chunks(scope, headers, more_body=False)
    else:
        body = await _read_pieces(scope, message, receive, headers, max_size)
    coding = headers.get(b"content-encoding")
    return body if coding is None else await decode(body, coding, max_size)


async def _read_pieces(
    scope: Scope,
    message: Message,
    receive: Receive,
    headers: Mapping[bytes, bytes],
    max_size: int,
) -> bytes:
    """Return what `message` begins."""
    declared = _declared_size(headers)
    if declared > max_size:
        raise _too_large(declared, max_size, headers)
    pieces, size = [], 0
    while message["type"] == "http.request":
        pieces.append(message.get("body", b""))
        size += len(message.get("body", b""))
        if size > max_size:
            raise _too_large(size, max_size, headers)
        _require_chunks(scope, headers, more_body=message.get("more_body", False))
        if not message.get("more_body", False):
            return b"".join(pieces)
        message = await receive()
    raise CancelledError("the client closed the connection")


def _declared_size(headers: Mapping[bytes, bytes]) -> int:
    raw = headers.get(b"content-length", b"0")
    return int(raw) if raw.isdigit() and len(raw) <= 20 else 0


def _too_large(size: int, max_size: int, headers: Mapping[bytes, bytes]) -> InvalidArgError:
    advice = f"{max_size} bytes. Use --http-max-input-size to increase the limit."
    json_length = headers.get(JSON_LENGTH_HEADER)
    if json_length is None:
        what = f"request JSON size of {size} bytes exceeds the maximum allowed input size"
    elif json_length.strip() == b"0":
        what = f"Raw input has a byte_size ({size} bytes) that exceeds the maximum allowed value"
    else:
        what = f"request size of {size} bytes exceeds the maximum allowed input size"
    return InvalidArgError(f"{what} of {advice}")


def _require_chunks(scope: Scope, headers: Mapping[bytes, bytes], *, more_body: bool) -> None:
    if b"transfer-encoding" not in headers:
        return
    # The empty chunk that ends a body is counted with the others.
    if chunk_count(scope) > _MAX_CHUNKS + (0 if more_body else 1):
        raise InvalidArgError(
            f"Chunked request body exceeds maximum of {_MAX_CHUNKS} non-empty chunks. "
            "Send fewer or larger HTTP chunks."
        )
