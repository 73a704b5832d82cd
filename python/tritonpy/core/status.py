"""The core's StatusError as the class of its code."""

from __future__ import annotations

from types import TracebackType
from typing import Final

from tritonpy import _core
from tritonpy.errors import ErrorCode, error_of

_CODES: Final = tuple(ErrorCode)  # by the value of the core's StatusCode


class _CoreErrors:
    """Turns the core's StatusError into one of `tritonpy.errors`.

    A class, because entering and leaving a generator costs a microsecond of every request.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, _core.StatusError):
            code, message = error.args
            raise error_of(_CODES[code], message) from None


core_errors: Final = _CoreErrors()


def encode_error_json(text: str) -> bytes:
    """Return `{"error": text}`, the body of every V2 HTTP error."""
    return _core.encode_error_json(text)
