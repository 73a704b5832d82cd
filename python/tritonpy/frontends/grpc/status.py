"""The one table from error codes to gRPC statuses."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import grpc

from tritonpy.errors import ErrorCode

STATUS_OF_CODE: Final = {
    ErrorCode.UNKNOWN: grpc.StatusCode.UNKNOWN,
    ErrorCode.INTERNAL: grpc.StatusCode.INTERNAL,
    ErrorCode.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorCode.INVALID_ARG: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorCode.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    ErrorCode.UNSUPPORTED: grpc.StatusCode.UNIMPLEMENTED,
    ErrorCode.ALREADY_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    ErrorCode.CANCELLED: grpc.StatusCode.CANCELLED,
}
# What a call that comes, or still runs, while the server ends is told.
SHUTTING_DOWN: Final = "GRPC server is shutting down and has stopped accepting new requests."
# Clients refuse trailing metadata over 8 KiB; a detail travels percent-encoded inside it.
_DETAIL_MAX_BYTES: Final = 6 * 1024
_ALWAYS_FITS: Final = _DETAIL_MAX_BYTES // (4 * 3)
_UNENCODED: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


def detail_of(text: str) -> str:
    """Return a status detail that clients accept: `text`, its end cut off if it is too long."""
    if len(text) <= _ALWAYS_FITS:
        return text
    size, kept = 0, list[str]()
    for character in text:
        size += len(quote(character, safe=_UNENCODED, errors="replace"))
        if size > _DETAIL_MAX_BYTES:
            return "".join(kept) + "..."
        kept.append(character)
    return text
