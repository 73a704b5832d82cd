"""The errors of the serving core: one class per Triton error code.

They know neither HTTP nor gRPC: each front end keeps its own single table from code to status.
"""

from __future__ import annotations

from enum import Enum


class ErrorCode(Enum):
    """Triton's error codes; the values are the words that Triton prints for them."""

    UNKNOWN = "Unknown"
    INTERNAL = "Internal"
    NOT_FOUND = "Not found"
    INVALID_ARG = "Invalid argument"
    UNAVAILABLE = "Unavailable"
    UNSUPPORTED = "Unsupported"
    ALREADY_EXISTS = "Already exists"
    CANCELLED = "Cancelled"


class TritonError(Exception):
    """Base of every error that a client or an operator can see.

    `message` is the text for the client; `code` is fixed by the class.
    """

    code = ErrorCode.UNKNOWN

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UnknownError(TritonError):
    """Something failed without a known reason."""

    code = ErrorCode.UNKNOWN


class InternalError(TritonError):
    """The server or a backend failed."""

    code = ErrorCode.INTERNAL


class NotFoundError(TritonError):
    """The named thing does not exist."""

    code = ErrorCode.NOT_FOUND


class InvalidArgError(TritonError):
    """The caller asked for something malformed or impossible."""

    code = ErrorCode.INVALID_ARG


class UnavailableError(TritonError):
    """The thing exists but cannot answer now: full, stopping or not loaded."""

    code = ErrorCode.UNAVAILABLE


class UnsupportedError(TritonError):
    """The server does not do this."""

    code = ErrorCode.UNSUPPORTED


class AlreadyExistsError(TritonError):
    """The name is taken."""

    code = ErrorCode.ALREADY_EXISTS


class CancelledError(TritonError):
    """The caller went away or withdrew the request."""

    code = ErrorCode.CANCELLED


_CLASS_OF_CODE: dict[ErrorCode, type[TritonError]] = {
    cls.code: cls
    for cls in (
        UnknownError,
        InternalError,
        NotFoundError,
        InvalidArgError,
        UnavailableError,
        UnsupportedError,
        AlreadyExistsError,
        CancelledError,
    )
}


def error_of(code: ErrorCode, message: str) -> TritonError:
    """Return the error of `code` that carries `message`."""
    return _CLASS_OF_CODE[code](message)
