"""The one table from error codes to HTTP statuses."""

from __future__ import annotations

from typing import Final

from tritonpy.errors import ErrorCode

OK: Final = 200
BAD_REQUEST: Final = 400
NOT_FOUND: Final = 404
METHOD_NOT_ALLOWED: Final = 405
UNAVAILABLE: Final = 503

STATUS_OF_CODE: Final = {
    ErrorCode.UNKNOWN: BAD_REQUEST,
    ErrorCode.INTERNAL: 500,
    ErrorCode.NOT_FOUND: NOT_FOUND,
    ErrorCode.INVALID_ARG: BAD_REQUEST,
    ErrorCode.UNAVAILABLE: UNAVAILABLE,
    ErrorCode.UNSUPPORTED: 501,
    ErrorCode.ALREADY_EXISTS: BAD_REQUEST,
    ErrorCode.CANCELLED: BAD_REQUEST,
}
