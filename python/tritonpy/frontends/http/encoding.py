"""Content codings of request and response bodies: gzip and deflate, bounded both ways."""

from __future__ import annotations

import asyncio
import zlib
from typing import Final

from tritonpy.errors import InvalidArgError, UnsupportedError

SUPPORTED: Final = b"gzip, deflate"
UNKNOWN_CODING: Final = "Unsupported compression type"
# zlib's window bits: what a coding wraps its data in. Both take one call to undo.
_WINDOW_BITS: Final = {b"gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}
# Fast rather than small: a response is read once, and level 9 takes 10 times as long.
_LEVEL: Final = 1
# Larger bodies go to a thread, so that the loop stays free: 64 KiB deflate in 1 ms, and 4 KiB
# inflate to 4 MiB at most.
_INLINE_ENCODE_MAX: Final = 64 * 1024
_INLINE_DECODE_MAX: Final = 4 * 1024


def choose_coding(accept_encoding: bytes) -> bytes | None:
    """Return the coding of a response for an Accept-Encoding header; None is identity.

    The first of the highest weight among gzip, deflate and identity wins. A weight of 0 never
    wins, and entries that cannot be read, `*` among them, count as not there.
    """
    best, best_weight = None, 0.0
    for entry in accept_encoding.lower().split(b","):
        name, _, parameter = entry.partition(b";")
        name = name.strip()
        if name not in _WINDOW_BITS and name != b"identity":
            continue
        weight = _weight(parameter.strip())
        if weight > best_weight:
            best, best_weight = name, weight
    return best if best in _WINDOW_BITS else None


def _weight(parameter: bytes) -> float:
    if not parameter:
        return 1.0
    key, equals, value = parameter.partition(b"=")
    if key.strip() != b"q" or not equals:
        return 0.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0


async def decode(body: bytes, coding: bytes, max_size: int) -> bytes:
    """Return a request body without its Content-Encoding.

    Raises UnsupportedError for a coding not known, InvalidArgError for data that is no such coding
    or that holds more than `max_size` bytes; never makes more than that of it.
    """
    coding = coding.strip().lower()
    if coding in (b"", b"identity"):
        return body
    window_bits = _WINDOW_BITS.get(coding)
    if window_bits is None:
        raise UnsupportedError(UNKNOWN_CODING)
    if len(body) <= _INLINE_DECODE_MAX:
        return _decompress(body, window_bits, max_size)
    return await asyncio.to_thread(_decompress, body, window_bits, max_size)


def _decompress(body: bytes, window_bits: int, max_size: int) -> bytes:
    stream = zlib.decompressobj(window_bits)
    try:
        decoded = stream.decompress(body, max_size + 1)
    except zlib.error as error:
        raise InvalidArgError(f"failed to decompress the request body: {error}") from error
    if len(decoded) > max_size:
        raise InvalidArgError(
            f"Decompressed data size exceeds the maximum allowed value of {max_size} bytes. "
            "Use --http-max-input-size to increase the limit."
        )
    if not stream.eof or stream.unused_data:
        what = "ends too early" if not stream.eof else "has data after its end"
        raise InvalidArgError(f"failed to decompress the request body: it {what}")
    return decoded


async def encode(body: bytes, coding: bytes) -> bytes:
    """Return a response body in gzip or deflate."""
    if len(body) <= _INLINE_ENCODE_MAX:
        return _compress(body, _WINDOW_BITS[coding])
    return await asyncio.to_thread(_compress, body, _WINDOW_BITS[coding])


def _compress(body: bytes, window_bits: int) -> bytes:
    stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, window_bits)
    return stream.compress(body) + stream.flush()
