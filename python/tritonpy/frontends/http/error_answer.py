"""What every error over HTTP looks like: V2's JSON body, and headers that say what would help."""

from __future__ import annotations

from typing import Final

from tritonpy.core import encode_error_json
from tritonpy.frontends.http.encoding import SUPPORTED, UNKNOWN_CODING
from tritonpy.frontends.http.status import UNAVAILABLE

Headers = list[tuple[bytes, bytes]]

# What a request is told that the end of the server cuts off.
EXITING: Final = "Server exiting"
_JSON: Final = (b"content-type", b"application/json")
# A full queue is shorter within a second, or another server has taken over.
_RETRY: Final = (b"retry-after", b"1")


def error_answer(status: int, text: str) -> tuple[Headers, bytes]:
    """Return headers, Content-Length not among them, and body of an error."""
    headers = [_JSON]
    if status == UNAVAILABLE:
        headers.append(_RETRY)
    if text == UNKNOWN_CODING:
        headers.append((b"accept-encoding", SUPPORTED))
    return headers, encode_error_json(text)
