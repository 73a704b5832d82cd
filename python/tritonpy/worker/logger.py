"""Logger: lines of the model's in the server's log, with the place in the model's source."""

from __future__ import annotations

import sys
from typing import Final

from tritonpy.worker import runtime

INFO: Final = "INFO"
WARNING: Final = "WARNING"
ERROR: Final = "ERROR"
VERBOSE: Final = "VERBOSE"


class Logger:
    """Writes to the server's log."""

    INFO: Final = INFO
    WARNING: Final = WARNING
    ERROR: Final = ERROR
    VERBOSE: Final = VERBOSE

    @staticmethod
    def log(message: str, level: str = INFO) -> None:
        """Log `message` at `level`, one of the constants of this class."""
        _log(level, message)

    @staticmethod
    def log_info(message: str) -> None:
        """Log at level INFO."""
        _log(INFO, message)

    @staticmethod
    def log_warn(message: str) -> None:
        """Log at level WARNING."""
        _log(WARNING, message)

    @staticmethod
    def log_error(message: str) -> None:
        """Log at level ERROR."""
        _log(ERROR, message)

    @staticmethod
    def log_verbose(message: str) -> None:
        """Log at level VERBOSE, which goes nowhere unless the server logs so much."""
        _log(VERBOSE, message)


def _log(level: str, message: str) -> None:
    worker = runtime.current_or_none()
    if level == VERBOSE and (worker is None or worker.verbose_level < 1):
        return
    frame = sys._getframe(2)
    place = {"file": frame.f_code.co_filename, "line": frame.f_lineno}
    if worker is None:
        print(f"{level} {place['file']}:{place['line']} {message}", file=sys.stderr)
    else:
        worker.control.send({"op": "log", "level": level, "message": str(message), **place})
