"""The one table from error codes to HTTP statuses."""

from __future__ import annotations

from typing import Final

from tritonpy.errors import ErrorCode

OK: Final = 200
NOT_FOUND: Final = 404
METHOD_NOT_ALLOWED: Final = 405

STATUS_OF_CODE: Final = {
    ErrorCode.UNKNOWN: 400,
    ErrorCode.INTERNAL: 500,
    ErrorCode.NOT_FOUND: NOT_FOUND,
    ErrorCode.INVALID_ARG: 400,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.UNSUPPORTED: 501,
    ErrorCode.ALREADY_EXISTS: 400,
    ErrorCode.CANCELLED: 400,
}
