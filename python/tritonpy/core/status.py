"""The core's StatusError as the class of its code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tritonpy import _core
from tritonpy.errors import ErrorCode, error_of

_CODES = tuple(ErrorCode)  # by the value of the core's StatusCode


@contextmanager
def core_errors() -> Iterator[None]:
    """Turn the core's StatusError into one of `tritonpy.errors`."""
    try:
        yield
    except _core.StatusError as error:
        code, message = error.args
        raise error_of(_CODES[code], message) from None


def encode_error_json(text: str) -> bytes:
    """Return `{"error": text}`, the body of every V2 HTTP error."""
    return _core.encode_error_json(text)
